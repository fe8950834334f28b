"""Brings the data of an input that may be an MLTable: its folder, and what the MLTable file names elsewhere.

Remote `file`, `folder` and `pattern` paths are fetched into the folder and the MLTable file then names them there.
Not here: reading the table; that is done where the job runs.
"""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

from infra.local.emulator.backends import FetchError
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from infra.local.emulator.world import World


def fetch(world: World, workspace_id: str, given: Mapping[str, Any], folder: Path) -> None:
    """Fill a folder with an input's files.

    Args:
        world: the state.
        workspace_id: whose datastores and assets its URI means.
        given: ARM's job input: `{"jobInputType","uri"}`.
        folder: is made.

    Raises:
        FetchError: no files, or an MLTable input without an MLTable file.
    """
    folder.mkdir(parents=True)
    storage.fetch(world, workspace_id, str(given.get("uri") or ""))(folder)
    described = folder / "MLTable"
    if described.is_file():
        _bring(world, workspace_id, described)
    elif str(given.get("jobInputType") or "").lower() == "mltable":
        raise FetchError(f"The folder {given.get('uri')} holds no file named MLTable.")


def _bring(world: World, workspace_id: str, described: Path) -> None:
    import yaml

    try:
        asked = yaml.safe_load(described.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FetchError(f"The MLTable file is not valid YAML: {error}") from None
    paths = asked.get("paths") if isinstance(asked, dict) else None
    if not isinstance(paths, list):
        raise FetchError("The MLTable file has no list of paths.")
    remote = [
        (n, kind, str(text))
        for n, one in enumerate(paths)
        if isinstance(one, dict)
        for kind, text in one.items()
        if "://" in str(text)
    ]
    for n, kind, text in remote:
        into = described.parent / f"remote-{n}"
        into.mkdir()
        if kind == "pattern":
            _matching(world, workspace_id, text, into)
        else:
            storage.fetch(world, workspace_id, text)(into)
        paths[n] = {"folder": f"./{into.name}"}
    if remote:
        described.write_text(yaml.safe_dump(asked), encoding="utf-8")


def _matching(world: World, workspace_id: str, pattern: str, into: Path) -> None:
    """The blobs that a pattern names; it is listed from the last folder without a wildcard."""
    fixed, _, _ = pattern.partition("*")
    folder, _, _ = fixed.rpartition("/")
    place = locations.resolve(world, workspace_id, folder)
    wanted = pattern[len(folder) + 1 :].replace("**/", "*")
    found = [name for name, _ in storage.files(world, place) if fnmatch.fnmatch(name, wanted)]
    if not found:
        raise FetchError(f"No file matches {pattern}.")
    for name in found:
        target = (into / name).resolve()
        if not target.is_relative_to(into.resolve()):
            raise FetchError(f"The blob name {name!r} leads out of the folder.")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(storage.read(world, place.child(name)) or b"")
