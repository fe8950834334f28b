"""What must be in Azure before a request can be sent: files to upload, versions to register, labels to look up.

A plan is stored with its operation and shrinks as its tasks get done; what a task brings (an id, a URI) goes to places in
the request's body or in the body of a later task. Not here: doing it (uploads).
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
FOLDER = "content"  # in an operation's, of the files that its plan uploads

Purpose = Literal["code", "model", "data", "input", "environment", "feature_set", "folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Where an outcome goes.

    Attributes:
        pointer: JSON pointer (RFC 6901); objects on its way are made when missing.
        pattern: The value to put there, `{}` standing for the outcome.
        task: Which task's body it is in, counted from the front of the whole plan; -1 is the request's own.
    """

    pointer: str
    pattern: str = "{}"
    task: int = -1
    unknown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One thing to do.

    Attributes:
        what: `upload` files, `register` a version, look up the version behind a `label`; `park` or `wake` an endpoint (parking),
            or `score` one (async_scores), whose state is the `body`.
        goals: Where the outcome goes.
        purpose: What uploaded files are: `code` is registered and brings an ARM id; `model`, `feature_set`, `data` and
            `input` bring a datastore URI; `environment` and `folder` bring a blob URL.
        blob: Of the app's storage, that holds the files.
        folder: None: the blob is one file. Else it is a zip, of which what lies at or below this path is meant.
        includes: Further paths of that zip, whose files go beside (`additional_includes`); without a folder these only.
        name: Of the folder or file at its destination.
        datastore: '' for the workspace's default.
        type, asset, version: Of what is to be registered or looked up; a version of '' is the next free one.
        body: What is registered.
        api_version: The one that `body` is written for; '' is the table's.
        size, etag: Of the blob when it was first looked at.
        digest: Of the files, once known.
        url, files, blocks, block: Where the transfer goes and how far it got, in blocks of how many bytes.
        moved: The files are there.
        chosen: The version is the next free one, as Azure counted when it was asked.
        registering: Id of a version that Azure accepted and is still making; `looks` counts the times it was looked for.
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
    """Tasks in the order they are done; `done` of them are."""

    tasks: tuple[Task, ...]
    done: int = 0
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def head(self) -> Task | None:
        """The task to be done next, None when all are done."""
        return self.tasks[self.done] if self.done < len(self.tasks) else None

    @property
    def digest(self) -> str:
        """What identifies it among requests: the same Idempotency-Key with another plan is a caller's mistake."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def located(self, operation_id: str, contents: Mapping[str, Source]) -> Plan:
        """Return the plan with blobs where tasks name one of the `contents` that came with the request."""
        blobs = {name: blob_of(operation_id, name, content) for name, content in contents.items()}
        return replace(self, tasks=tuple(replace(task, blob=blobs.get(task.blob, task.blob)) for task in self.tasks))

    def changed(self, task: Task) -> Plan:
        """Return the plan with another head."""
        return replace(self, tasks=(*self.tasks[: self.done], task, *self.tasks[self.done + 1 :]))

    def finished(self, outcome: str, body: Any) -> tuple[Plan, Any]:
        """Return the plan without its head, and the request's body, the outcome in its places."""
        head = self.tasks[self.done]
        tasks = list(self.tasks)
        for goal in head.goals:
            value = goal.pattern.replace("{}", outcome)
            if goal.task < 0:
                body = put(body, goal.pointer, value)
            else:
                tasks[goal.task] = replace(tasks[goal.task], body=put(tasks[goal.task].body, goal.pointer, value))
        tasks[self.done] = Task(what=head.what)  # nothing of it is needed any more
        return replace(self, tasks=tuple(tasks), done=self.done + 1), body

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, without members that have their default value."""
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
    """Return where a file that came with a request is kept until it is in Azure."""
    return f"operations/{operation_id}/{FOLDER}/{content.sha256[:16]}/{name}"


def put(body: Any, pointer: str, value: Any) -> Any:
    """Return a copy of `body` with `value` at a JSON pointer; objects on the way are made when missing."""
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
