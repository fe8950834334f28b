"""Plans: the tasks before a request can be sent: files to upload, versions to register, labels to look up.

A plan is stored with its operation and shrinks as its tasks are done; the result of a task (an id, a URI) is inserted into
the request's body or the body of a later task. Not here: doing the tasks (upload_steps).
"""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from shared.durable import codec, versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.rest.streams import Source

VERSION = 1
FOLDER = "content"  # in the URL of an operation's files that its plan uploads

Purpose = Literal["code", "model", "data", "input", "environment", "feature_set", "folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The target of a task's result.

    Attributes:
        pointer: JSON pointer (RFC 6901); missing objects on the path are created.
        pattern: The value to insert, with `{}` for the result.
        task: The index of the task whose body gets it, in the whole plan; -1 is the request's own body.
    """

    pointer: str
    pattern: str = "{}"
    task: int = -1
    unknown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One thing to do.

    Attributes:
        what: `upload` files, `register` a version, look up the version of a `label`; `park` or `wake` an endpoint (parking),
            or `score` one (async_scores), whose state is the `body`.
        goals: The targets of the result.
        purpose: The type of the uploaded files: `code` is registered and results in an ARM id; `model`, `feature_set`, `data`
            and `input` in a datastore URI; `environment` and `folder` in a blob URL.
        blob: The blob in the app's storage that holds the files.
        folder: None: the blob is one file. Else it is a zip, and its members at or below this path are used.
        includes: Further paths of that zip (`additional_includes`); without a folder, only these are used.
        name: The name of the folder or file at its destination.
        datastore: Its name, '' for the workspace's default.
        type, asset, version: The asset to register or look up; a version of '' is the next free one.
        body: The body of the asset.
        api_version: The api-version of `body`; '' is that of the table of kinds.
        size, etag: Those of the blob when it was first read.
        digest: The hash of the files, once known.
        url, files, blocks, block: The destination and progress of the transfer: files, blocks, and bytes per block.
        moved: All files are at the destination.
        chosen: The version is the next free one that Azure returned.
        registering: The id of a version that Azure accepted and is still creating; `looks` counts the polls for it.
    """

    what: Literal["upload", "register", "label", "park", "wake", "score"]
    goals: tuple[Goal, ...] = ()
    purpose: Purpose = "folder"
    blob: str = ""
    folder: str | None = None
    includes: tuple[str, ...] = ()
    name: str = ""
    datastore: str = ""
    type: str = ""
    asset: str = ""
    version: str = ""
    chosen: bool = False
    body: Any = None
    api_version: str = ""
    size: int = -1
    etag: str = ""
    digest: str = ""
    url: str = ""
    files: int = 0
    blocks: int = 0
    block: int = 0
    moved: bool = False
    registering: str = ""
    looks: int = 0
    unknown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Tasks in their order; `done` is the number of completed ones."""

    tasks: tuple[Task, ...]
    done: int = 0
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def head(self) -> Task | None:
        """The next task, None when all are done."""
        return self.tasks[self.done] if self.done < len(self.tasks) else None

    @property
    def digest(self) -> str:
        """A hash of the plan: a request with the same Idempotency-Key and another plan is refused."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def located(self, operation_id: str, contents: Mapping[str, Source]) -> Plan:
        """Return the plan with the blobs of the request's `contents` in its tasks."""
        blobs = {name: blob_of(operation_id, name, content) for name, content in contents.items()}
        return replace(self, tasks=tuple(replace(task, blob=blobs.get(task.blob, task.blob)) for task in self.tasks))

    def changed(self, task: Task) -> Plan:
        """Return the plan with its first task replaced."""
        return replace(self, tasks=(*self.tasks[: self.done], task, *self.tasks[self.done + 1 :]))

    def finished(self, outcome: str, body: Any) -> tuple[Plan, Any]:
        """Return the plan without its first task, and the request's body, both with the result inserted."""
        head = self.tasks[self.done]
        tasks = list(self.tasks)
        for goal in head.goals:
            value = goal.pattern.replace("{}", outcome)
            if goal.task < 0:
                body = put(body, goal.pointer, value)
            else:
                tasks[goal.task] = replace(tasks[goal.task], body=put(tasks[goal.task].body, goal.pointer, value))
        tasks[self.done] = Task(what=head.what)  # its data is no longer needed
        return replace(self, tasks=tuple(tasks), done=self.done + 1), body

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, without members with default values."""
        tasks = []
        for task in self.tasks:
            told = codec.written(task, defaults=False)
            if task.goals:
                told["goals"] = [codec.written(goal) for goal in task.goals]
            tasks.append(told)
        return codec.written(self) | {"version": VERSION, "tasks": tasks}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Plan:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: it was written by a newer version of the app.
        """
        versions.check(stored, VERSION, "a plan")
        values = codec.members(cls, stored)
        values["tasks"] = tuple(_task(task) for task in stored["tasks"])
        return cls(**values)


def _task(stored: dict[str, Any]) -> Task:
    values = codec.members(Task, stored)
    values["goals"] = tuple(codec.read(Goal, goal) for goal in stored.get("goals", ()))
    values["includes"] = tuple(stored.get("includes", ()))
    return Task(**values)


def blob_of(operation_id: str, name: str, content: Source) -> str:
    """Return the name of the blob that keeps a request's file until it is in Azure."""
    return f"operations/{operation_id}/{FOLDER}/{content.sha256[:16]}/{name}"


def put(body: Any, pointer: str, value: Any) -> Any:
    """Return a copy of `body` with `value` at a JSON pointer; missing objects on the path are created."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    out = copy.deepcopy(body) if isinstance(body, dict) else {}
    at: Any = out
    for step in steps[:-1]:
        if isinstance(at, list):
            at = at[int(step)]
        else:
            if not isinstance(at.get(step), dict | list):
                at[step] = {}
            at = at[step]
    last: Any = int(steps[-1]) if isinstance(at, list) else steps[-1]
    at[last] = value
    return out
