"""Turns the command of a command job into what bash runs: `${{inputs.x}}`, `${{outputs.y}}`, `$[[optional parts]]`.

Literals are put in as they are, data as the folder or file it was downloaded to, outputs as an empty folder.
Not here: downloading (the `fetch` given does it) and running.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_PLACE = re.compile(r"\$\{\{\s*(inputs|outputs)\.([\w-]+)(?:\.path)?\s*\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)


class BadCommandError(Exception):
    """The command names what the job does not have; the message is for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A command with its places filled.

    Attributes:
        text: for bash.
        inputs: name → what it was replaced by.
        outputs: name → the folder (or file) the job writes.
    """

    text: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, Path]

    def variables(self) -> dict[str, str]:
        """`AZURE_ML_INPUT_x` and `AZURE_ML_OUTPUT_y`, as Azure sets them."""
        return {
            **{f"AZURE_ML_INPUT_{name}": value for name, value in self.inputs.items()},
            **{f"AZURE_ML_OUTPUT_{name}": str(path) for name, path in self.outputs.items()},
        }


def names(command: str) -> tuple[set[str], set[str]]:
    """The inputs and outputs that a command cannot do without."""
    needed = _PLACE.findall(_OPTIONAL.sub("", command))
    return {name for kind, name in needed if kind == "inputs"}, {name for kind, name in needed if kind == "outputs"}


def check(command: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
    """Judge a command without running it.

    Raises:
        BadCommandError: it names an input or output that is not among the given.
    """
    wanted_inputs, wanted_outputs = names(command)
    for wanted, given, word in ((wanted_inputs, inputs, "inputs"), (wanted_outputs, outputs, "outputs")):
        if missing := sorted(wanted - set(given)):
            raise BadCommandError(f"The command refers to ${{{{{word}.{missing[0]}}}}}, which the job does not have.")


def bind(
    command: str, *, inputs: Mapping[str, Any], outputs: Mapping[str, Any], folder: Path, fetch: Callable[[str, Path], None]
) -> Bound:
    """Fill the places of a command.

    Args:
        command: `properties.command` of the job.
        inputs: ARM's `inputs`: `{"jobInputType","value"|"uri"}` by name.
        outputs: ARM's `outputs`: `{"jobOutputType",…}` by name.
        folder: where inputs are downloaded to and outputs are made.
        fetch: downloads a URI into an existing folder.

    Raises:
        BadCommandError: see `check`; also an input without value and URI.
    """
    check(command, inputs, outputs)
    values = {name: _input(name, given or {}, folder / "inputs" / name, fetch) for name, given in inputs.items()}
    made = {name: folder / "outputs" / name for name in outputs}
    for name, path in made.items():
        kind = str((outputs[name] or {}).get("jobOutputType", "uri_folder")).lower()
        (path.parent if kind == "uri_file" else path).mkdir(parents=True, exist_ok=True)

    def put(match: re.Match[str]) -> str:
        kind, name = match.groups()
        return values[name] if kind == "inputs" else str(made[name])

    def keep_or_drop(match: re.Match[str]) -> str:
        known = all(name in (values if kind == "inputs" else made) for kind, name in _PLACE.findall(match[1]))
        return match[1] if known else ""

    return Bound(text=_PLACE.sub(put, _OPTIONAL.sub(keep_or_drop, command)), inputs=values, outputs=made)


def _input(name: str, given: Mapping[str, Any], folder: Path, fetch: Callable[[str, Path], None]) -> str:
    if (value := given.get("value")) is not None:
        return str(value)
    uri = given.get("uri")
    if not uri:
        raise BadCommandError(f"The input {name!r} has neither a value nor a uri.")
    folder.mkdir(parents=True, exist_ok=True)
    fetch(str(uri), folder)
    files = [path for path in folder.iterdir() if path.is_file()]
    one_file = str(given.get("jobInputType", "")).lower() in {"uri_file", "urifile"} and len(files) == 1
    return str(files[0] if one_file else folder)
