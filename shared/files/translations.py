"""From what a YAML asks to be done first to a plan: which of the files that came are meant, and in which order.

Not here: reading the YAML (catalog.yaml), doing what the plan says (uploads).
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
    """The files that came with a YAML.

    Attributes:
        names: Their paths; empty when none came.
        task: What a task says of where they are (`blob`, `size`, `etag`).
        folder: The YAML's own among them, as their sender has them.
        root: Where among the names the sender's paths start.
        packed: They came as a zip; else it is one file.
        whole: What they all are together, when they came as the part that the kind takes (`code`, `model` …).
    """

    names: frozenset[str] = frozenset()
    task: dict[str, Any] = field(default_factory=dict)
    folder: str = ""
    root: str = ""
    packed: bool = True
    whole: str = ""

    def asked(self, path: str) -> str:
        """Return the name under which the sender gives what a path of the YAML names."""
        return posixpath.normpath(posixpath.join(self.folder, path))

    def path(self, path: str) -> str:
        """Return where a path of the YAML leads among the files; '' is all of them."""
        found = posixpath.normpath(posixpath.join(self.root, self.folder, path))
        return "" if found == "." else found

    def form(self, path: str) -> str:
        """Return `file` or `folder` for what lies at a path among the files; '' nothing does."""
        if path in self.names or (not path and self.names and not self.packed):
            return "file"
        return "folder" if self.names and (not path or any(name.startswith(f"{path}/") for name in self.names)) else ""

    def located(self, path: str, purpose: str) -> str | None:
        """Return where among the files an upload's path leads; None when nothing came for it."""
        found = self.path(path)
        if self.form(found):
            return found
        return "" if self.names and self.whole == purpose else None


def planned(translation: Translation, sent: Sent) -> Plan | None:
    """Return what must be done before the body can be sent, None when nothing must.

    Raises:
        BadRequestError: `FileMissing`: the YAML names a file that did not come; `InvalidYaml`: what came is not what it says.
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
    if wanted.includes and not wanted.path:  # nothing but the further files
        return _task(wanted, sent, ahead, folder=None, includes=includes, name="code")
    path = sent.located(wanted.path, wanted.purpose)
    if path is None:
        came = ", ".join(sorted(sent.names)[:10]) or "none"
        asked = sent.asked(wanted.path)
        message = f"The YAML names '{wanted.path}'; send it along as '{asked}' (multipart: spec, and files by path or as a zip)."
        message += f" Sent: {came[:300]}."
        raise errors.BadRequestError("FileMissing", message, target=wanted.path)
    name = upload_steps.plain_name(posixpath.basename(path) or posixpath.basename(wanted.path), wanted.purpose)
    return _task(wanted, sent, ahead, folder=path if sent.packed else None, includes=includes, name=name)


def _is_there(expected: Expected, sent: Sent) -> bool:
    """Return True if what a YAML says of its files is so."""
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
    """Return where a further file or folder lies among those that came."""
    found = sent.path(path)
    if sent.packed and any(name == found or name.startswith(f"{found}/") for name in sent.names):
        return found
    message = f"The YAML includes '{path[:200]}'; send it along as '{sent.asked(path)[:200]}' (multipart: files by path, or a zip)."
    raise errors.BadRequestError("FileMissing", message, target=path[:200])


def _goals(places: Sequence[Place], ahead: int) -> tuple[Goal, ...]:
    return tuple(
        Goal(pointer=place.pointer, pattern=place.pattern, task=-1 if place.registration is None else ahead + place.registration)
        for place in places
    )
