"""What `${{…}}` expressions may refer to, and that it is there: as azure-ai-ml judges them, no less and no more.

Not here: the types that follow from an expression (jobs.inline_jobs).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shared.text import yaml_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shared.text.yaml_document import Cursor, RefusedError

_JOB_INPUT = re.compile(r"\$\{\{inputs\.([\w.-]+)\}\}")
_OPTIONAL = re.compile(r"\[[\w.\s-]*\$\{\{inputs\.([\w.-]+)\}\}\]")
_ANY = re.compile(r"\$\{\{\s*(\S*?)\s*\}\}")
_OLD_FORM = re.compile(r"^\$\{\{(?:inputs|jobs|outputs)\..*\}\}$")
_OF_A_COMPONENT = frozenset({
    "name", "version", "display_name", "description", "tags", "properties", "type", "command", "code", "environment", "resources",
    "distribution", "is_deterministic", "additional_includes", "instance_count", "id", "base_path", "latest_version",
})  # fmt: skip
_OF_AN_INPUT = frozenset({"type", "path", "mode", "default", "optional", "min", "max", "enum", "description", "name", "version"})
_OF_AN_OUTPUT = frozenset({"type", "path", "mode", "description", "name", "version", "early_available"})


def known(names: Iterable[str]) -> str:
    """Return the names that there are, for a message."""
    return ", ".join(sorted(map(str, names))[:30]) or "none"


def check_job(at: Cursor | None, text: str | None, inputs: Mapping[str, Any]) -> None:
    """Refuse a job's command or arguments that name an input the job does not have, unless it stands in optional brackets.

    Raises:
        RefusedError: At the command, with the inputs there are.
    """
    if at is None or not isinstance(text, str):
        return
    spared = set(_OPTIONAL.findall(text))
    for name in _JOB_INPUT.findall(text):
        if inputs.get(name) is None and name not in spared:
            message = (
                f"The job has no input '{name[:80]}', which ${{{{inputs.{name[:80]}}}}} refers to; its inputs: {known(inputs)}."
            )
            raise at.refusal(message)


def check_component(at: Cursor, command: str, fields: Mapping[str, Any]) -> None:
    """Refuse a component's command that refers to what the component does not have.

    Raises:
        RefusedError: At the command, with the inputs and outputs there are.
    """
    wrong = [expression for expression in _ANY.findall(command) if not _is_there(expression, fields)]
    if wrong:
        shown = ", ".join(f"${{{{{each[:80]}}}}}" for each in wrong[:10])
        message = f"The component has nothing that {shown} refers to; inputs: {known(fields.get('inputs') or {})};"
        raise at.refusal(f"{message} outputs: {known(fields.get('outputs') or {})}.")


def check_form(at: Cursor, value: Any) -> None:
    """Refuse the form that expressions in a pipeline's nodes had before `parent`.

    Raises:
        RefusedError: At the value, with today's form.
    """
    if isinstance(value, str) and _OLD_FORM.match(value):
        raise at.refusal(f"{value[:120]} is the old form; write {value[:120].replace('{{', '{{parent.', 1)}.")


def is_parent(value: Any) -> bool:
    """Return whether a value is one expression that starts at the pipeline: text around it makes it a plain text."""
    return yaml_values.is_binding(value) and bool(re.match(r"^\$\{\{\s*parent\.(inputs|outputs|jobs)\.", str(value)))


def missing(at: Cursor, expression: str, what: str, names: Iterable[str]) -> RefusedError:
    """Build the refusal of an expression in a pipeline that refers to nothing."""
    return at.refusal(f"{expression[:120]} refers to no {what}; there are: {known(names)}.")


def _is_there(expression: str, fields: Mapping[str, Any]) -> bool:
    first, _, rest = expression.partition(".")
    if first not in ("inputs", "outputs"):
        return first in _OF_A_COMPONENT
    names = fields.get(first) or {}
    if not rest or rest in names or any(str(name).startswith(f"{rest}.") for name in names):  # all of a group
        return True
    name, _, member = rest.rpartition(".")
    return name in names and member in (_OF_AN_INPUT if first == "inputs" else _OF_AN_OUTPUT)
