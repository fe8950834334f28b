"""Make a plan from the tasks of a YAML: match its paths to the sent files, and order the tasks.

Not here: reading the YAML (catalog.yaml), doing the tasks (upload_steps).
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.files import upload_steps
from shared.files.plans import Goal, Plan, Task
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.catalog.yaml import Translation
    from shared.catalog.yaml.drafts import Expected, Place, Upload

PURPOSES = ("code", "model", "data", "input", "environment", "feature_set")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The files that were sent with a YAML.

    Attributes:
        names: Their paths; empty without files.
        task: The members of a task that locate the files (`blob`, `size`, `etag`).
        folder: The YAML's folder among the sender's files.
        root: The folder from which the sender's relative paths start.
        packed: They were sent as a zip; else as one file.
        whole: The purpose of all files, if they were sent as the part of the kind (`code`, `model` …).
    """

    names: frozenset[str] = frozenset()
    task: dict[str, Any] = field(default_factory=dict)
    folder: str = ""
    root: str = ""
    packed: bool = True
    whole: str = ""

    def asked(self, path: str) -> str:
        """Return the name that the sender must give the file of a YAML's path."""
        return posixpath.normpath(posixpath.join(self.folder, path))

    def path(self, path: str) -> str:
        """Return the path among the sent files for a path of the YAML; '' is all of them."""
        found = posixpath.normpath(posixpath.join(self.root, self.folder, path))
        return "" if found == "." else found

    def form(self, path: str) -> str:
        """Return whether a path among the files is a `file` or a `folder`; '' if it does not exist."""
        if path in self.names or (not path and self.names and not self.packed):
            return "file"
        return "folder" if self.names and (not path or any(name.startswith(f"{path}/") for name in self.names)) else ""

    def located(self, path: str, purpose: str) -> str | None:
        """Return the path among the files for an upload; None when they were not sent."""
        found = self.path(path)
        if self.form(found):
            return found
        return "" if self.names and self.whole == purpose else None


def planned(translation: Translation, sent: Sent) -> Plan | None:
    """Return the plan before the body can be sent, None when nothing has to be done.

    Raises:
        BadRequestError: `FileMissing`: a file of the YAML was not sent; `InvalidYaml`: the files do not match the YAML.
    """
    ahead = len(translation.uploads) + len(translation.labels)
    first = [_upload(each, sent, ahead) for each in translation.uploads]
    for each in translation.expected:
        if not _is_there(each, sent):
            raise each.refusal
    first += [
        Task(what="label", type=each.type, asset=each.name, version=each.label, goals=_goals(each.places, ahead))
        for each in translation.labels
    ]
    later = [
        Task(
            what="register",
            type=each.type,
            asset=each.name,
            version=each.version or "",
            body=each.body,
            api_version=each.api_version,
            goals=_goals(each.places, ahead),
        )
        for each in translation.registrations
    ]
    return Plan(tasks=(*first, *later)) if first or later else None


def _upload(wanted: Upload, sent: Sent, ahead: int) -> Task:
    if wanted.purpose not in PURPOSES:
        message = f"'{wanted.path}' is {wanted.purpose}, which this app does not upload."
        raise errors.BadRequestError("FileMissing", message, target=wanted.path)
    includes = tuple(_there(each, sent) for each in wanted.includes)
    if wanted.includes and not wanted.path:  # only the additional includes
        return _task(wanted, sent, ahead, folder=None, includes=includes, name="code")
    path = sent.located(wanted.path, wanted.purpose)
    if path is None:
        came = ", ".join(sorted(sent.names)[:10]) or "none"
        asked = sent.asked(wanted.path)
        message = f"The YAML names '{wanted.path}'. Send it as '{asked}' (multipart: spec, and files by path or as a zip)."
        message += f" Sent: {came[:300]}."
        raise errors.BadRequestError("FileMissing", message, target=wanted.path)
    name = upload_steps.plain_name(posixpath.basename(path) or posixpath.basename(wanted.path), wanted.purpose)
    return _task(wanted, sent, ahead, folder=path if sent.packed else None, includes=includes, name=name)


def _is_there(expected: Expected, sent: Sent) -> bool:
    """Return whether the files match the statements of a YAML about them."""
    base = sent.located(expected.path, expected.purpose)
    if base is None:
        return False
    inside = posixpath.normpath(posixpath.join(base, expected.inside))
    return sent.form("" if inside == "." else inside) == expected.form


def _task(wanted: Upload, sent: Sent, ahead: int, *, folder: str | None, includes: tuple[str, ...], name: str) -> Task:
    return Task(
        what="upload",
        purpose=wanted.purpose,
        folder=folder,
        includes=includes,
        name=name,
        datastore=wanted.datastore or "",
        goals=_goals(wanted.places, ahead),
        **sent.task,
    )


def _there(path: str, sent: Sent) -> str:
    """Return the path of an additional file or folder among the sent files."""
    found = sent.path(path)
    if sent.packed and any(name == found or name.startswith(f"{found}/") for name in sent.names):
        return found
    message = f"The YAML includes '{path[:200]}'. Send it as '{sent.asked(path)[:200]}' (multipart: files by path, or a zip)."
    raise errors.BadRequestError("FileMissing", message, target=path[:200])


def _goals(places: Sequence[Place], ahead: int) -> tuple[Goal, ...]:
    return tuple(
        Goal(pointer=place.pointer, pattern=place.pattern, task=-1 if place.registration is None else ahead + place.registration)
        for place in places
    )
