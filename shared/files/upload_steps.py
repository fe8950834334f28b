"""The steps of an operation in phase `preparing`: upload files from the app's storage, register assets, look up labels.

Each step can be repeated safely, and an asset is registered only when all its files are uploaded. Names come from the
content, so that the same code is uploaded and registered once. Not here: sending the request (steps).
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, kinds
from shared.durable import storage
from shared.files import content, places, transfers
from shared.files.plans import Goal, Plan, Purpose, Task
from shared.operations import proof
from shared.operations.settle import Step
from shared.rest import errors, ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from shared.durable.storage import Blobs
    from shared.operations.ledger import Ledger
    from shared.operations.models import Operation
    from shared.rest.client import Client
    from shared.rest.ids import ResourceId
    from shared.rest.streams import Source

PENDING_LIMIT = 256 * 1024 * 1024  # bytes; larger code goes to the default datastore, where a transfer can be resumed
MARKER = "complete"  # next to the folder that it describes
ROOT = "LocalUpload"  # folder of uploads in a datastore, as in the official clients
ANONYMOUS = "steward-anonymous"
LOOK_PAUSE_S = 3.0  # between two polls for a version that a registry is creating
LOOKS_LIMIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """The files of a kind: their multipart part, their purpose, and the field of the body that gets the result."""

    part: str
    purpose: Purpose
    goal: Goal


_OF_ASSETS = {
    "codes": Takes(part="code", purpose="folder", goal=Goal(pointer="/properties/codeUri")),
    "models": Takes(part="model", purpose="model", goal=Goal(pointer="/properties/modelUri")),
    "data": Takes(part="data", purpose="data", goal=Goal(pointer="/properties/dataUri")),
    "environments": Takes(part="context", purpose="environment", goal=Goal(pointer="/properties/build/contextUri", pattern="{}/")),
    "components": Takes(part="code", purpose="code", goal=Goal(pointer="/properties/componentSpec/code", pattern="azureml:{}")),
}
_OF_DEPLOYMENTS = Takes(part="code", purpose="code", goal=Goal(pointer="/properties/codeConfiguration/codeId"))
TAKES: dict[str, Takes] = {
    "workspaces/jobs": Takes(part="code", purpose="code", goal=Goal(pointer="/properties/codeId")),
    **{f"{home}/{family}/versions": takes for home in ("workspaces", "registries") for family, takes in _OF_ASSETS.items()},
    "workspaces/featuresets/versions": Takes(
        part="specification", purpose="feature_set", goal=Goal(pointer="/properties/specification/path")
    ),
    "workspaces/onlineEndpoints/deployments": _OF_DEPLOYMENTS,
    "workspaces/batchEndpoints/deployments": _OF_DEPLOYMENTS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """The deadline of a step; `last` if no later step will have more time."""

    clock: Callable[[], datetime]
    end: datetime
    last: bool

    def over(self) -> bool:
        """Return whether it is time to stop."""
        return self.clock() >= self.end


def prepare(operation: Operation, ledger: Ledger, client: Client, patience: Patience, fresh: Mapping[str, Source]) -> Step:
    """Do the next step of the operation's plan; after the last one the body is complete and ready to send.

    `fresh` holds the content of the current request by its blob, so that it is not read back.

    Raises:
        RejectedError: Azure refused the upload or the version.
        TransientError: Azure did not answer.
    """
    plan = Plan.from_json(ledger.payload(operation.plan))
    task = plan.head
    if task is None:
        return Step(operation=replace(operation, plan=None, phase="accepted", attempts=0), delay_s=0.0)
    target = ids.parse(operation.target)
    outcome, delay_s = "", 0.0
    if task.registering:
        task, outcome, delay_s = _registered(task, client)
    elif task.what == "upload" and task.moved:
        task, outcome = _put_version(task, _code_version(task, target.ancestor(1)), _code(task), client)
    elif task.what == "upload":
        found = _found(task, ledger.blobs)
        source = fresh.get(task.blob) or content.in_blob(ledger.blobs, task.blob, found)
        task = replace(task, size=found.size, etag=found.etag)
        task, outcome = _upload(task, target, source, client, patience)
    elif task.what == "register":
        task, outcome = _register(task, target.ancestor(1), client)
    else:
        outcome = _latest(task, target.ancestor(1), client)
    operation = replace(operation.counted("upload"), attempts=1 if delay_s else 0)  # a step that must wait goes on from the queue
    if not outcome:
        return Step(operation=replace(operation, plan=plan.changed(task).to_json()), delay_s=delay_s)
    plan, body = plan.finished(outcome, ledger.payload(operation.body))
    operation = operation.noted(patience.clock(), "prepared", f"{task.purpose if task.what == 'upload' else task.what}: {outcome}")
    return Step(operation=replace(operation, plan=plan.to_json(), body=body), delay_s=0.0)


def _upload(task: Task, target: ResourceId, source: Source, client: Client, patience: Patience) -> tuple[Task, str]:
    """Do one step of an upload: compute its hash, transfer its files, or register them if they are code."""
    workspace = target.ancestor(1)
    with content.members(source, folder=task.folder, part=task.name, includes=task.includes) as members:
        if not task.digest:
            # content that takes too long to read twice gets a random name
            digest = content.digest(members, patience.over) or (uuid.uuid4().hex if patience.last else "")
            return replace(task, digest=digest), ""
        if task.purpose == "code":
            version = _code_version(task, workspace)
            if client.send("GET", places.asked(version, client)).ok:
                return task, version.path
        return _move(task, members, target, client, patience)


def _code(task: Task) -> dict[str, Any]:
    return {"properties": {"codeUri": task.url, "description": "Uploaded with a request"}}


def _move(task: Task, members: list[content.Member], asset: ResourceId, client: Client, patience: Patience) -> tuple[Task, str]:
    """Transfer the files, continuing an earlier step; files that exist in the datastore are not sent again."""
    single = [member.name for member in members] == [""]
    workspace = asset.ancestor(1)
    in_registry = workspace.types[0].lower() == "registries"  # registries have no datastores: each asset has its own destination
    small_code = task.purpose in ("code", "folder") and not task.datastore and sum(each.size for each in members) <= PENDING_LIMIT
    if small_code or in_registry:
        own = in_registry and task.purpose != "code"
        if task.purpose == "environment":
            base = places.pending_context(asset, client)
        else:
            base = places.pending(asset if own else _code_version(task, workspace), client)
        target = base.below(task.name) if single else base
    else:
        store = places.datastore(workspace, task.datastore, client, patience.clock())
        base = store.below(f"{ROOT}/{task.digest[:32]}")
        target = base.below(task.name)
    marker = base.below(MARKER) if base.datastore else None
    if marker is None or not transfers.exists(marker, client):
        start = transfers.Progress(block=transfers.BLOCK)
        if task.url == target.url:
            start = transfers.Progress(block=task.block or transfers.FIRST_BLOCK, files=task.files, blocks=task.blocks)
        at = transfers.transfer(members, target, start, client, patience.over)
        if not at.done:
            return replace(task, url=target.url, files=at.files, blocks=at.blocks, block=at.block), ""
        if marker:
            transfers.mark(marker, client)
    if task.purpose == "code":  # a code version is a folder
        return replace(task, url=base.url if single else target.url, moved=True), ""
    return task, _uri(task, target, workspace, single=single)


def _uri(task: Task, target: places.Place, workspace: ResourceId, *, single: bool) -> str:
    if task.purpose in ("environment", "folder") or not target.datastore:
        return target.url
    group = ids.below("subscriptions", workspace.subscription, "resourcegroups", workspace.resource_group)
    whose = "" if task.purpose == "input" else ids.below(group, "workspaces", workspace.name) + "/"
    slash = "/" if task.purpose in ("data", "input") and not single else ""
    return f"azureml://{whose}datastores/{target.datastore}/paths/{target.path}{slash}"


def _found(task: Task, blobs: Blobs) -> storage.BlobInfo:
    if task.etag:
        return storage.BlobInfo(size=task.size, etag=task.etag)
    return content.looked(blobs, task.blob)


def _code_version(task: Task, workspace: ResourceId) -> ResourceId:
    name = str(uuid.UUID(task.digest[:32]))
    return workspace.child("codes", name).child("versions", "1")


def _register(task: Task, workspace: ResourceId, client: Client) -> tuple[Task, str]:
    container = workspace.child(task.type, task.asset or ANONYMOUS)
    if not task.version:  # stored before it is used: a lost answer must not register the asset twice
        return replace(task, version=next_version(container, client), chosen=True), ""
    return _put_version(task, container.child("versions", task.version), task.body, client)


def next_version(container: ResourceId, client: Client) -> str:
    """Return the next version of an asset according to Azure; '1' when there is none yet."""
    found = client.send("GET", places.asked(container, client))
    return str(bodies.dig(found.body, "properties.nextVersion") or "1") if found.ok else "1"


def _put_version(task: Task, version: ResourceId, body: Any, client: Client) -> tuple[Task, str]:
    """Register a version; a registry does it asynchronously (docs/protocol.md §2: 202), a workspace at once."""
    url = places.asked(version, client, api_version=task.api_version)
    answer = client.send("PUT", url, body=body)
    if answer.status == 409:
        there = client.send("GET", url)
        if not there.ok:  # the version does not exist: the conflict has another reason
            answer.checked()
        if task.chosen and not proof.holds(there.body, body):  # another request got the same version number
            return replace(task, version=""), ""
        return task, version.path
    answer.checked()
    if answer.status == 202:
        return replace(task, registering=version.path), ""
    return task, version.path


def _registered(task: Task, client: Client) -> tuple[Task, str, float]:
    """Check whether a version exists now, and return how long to wait before the next check.

    Raises:
        OperationFailedError: it failed, or was never created.
    """
    answer = client.send("GET", places.asked(ids.parse(task.registering), client, api_version=task.api_version))
    state = str(bodies.dig(answer.body, "properties.provisioningState") or "Succeeded").lower() if answer.ok else ""
    if state == "succeeded":
        return task, task.registering, 0.0
    if state in ("failed", "canceled") or task.looks >= LOOKS_LIMIT or (not answer.ok and answer.status != 404):
        message = f"'{task.registering}' was accepted but not created: {state or answer.error().message}."
        raise errors.OperationFailedError(errors.AzureError(code="RegistrationFailed", message=message, target=task.registering))
    return replace(task, looks=task.looks + 1), "", LOOK_PAUSE_S


def _latest(task: Task, workspace: ResourceId, client: Client) -> str:
    """Return the id of the version with a label; Azure has only `latest`, the newest by creation time.

    Raises:
        RejectedError: the label or the asset does not exist.
    """
    container = workspace.child(task.type, task.asset)
    if task.version != "latest":
        message = f"'{task.asset}@{task.version}': expected @latest, the only label that can be looked up, or a version."
        raise errors.BadRequestError("UnknownLabel", message, target=container.path)
    newest_first = {"$orderBy": "createdtime desc", "$top": "1"}
    url = ids.url(client.cloud.arm, container.child("versions").path, kinds.ML_VERSION, newest_first)
    found = client.send("GET", url).checked().body or {}
    newest = next(iter(found.get("value") or []), None)
    if newest is None:
        message = f"There is no version of '{task.asset}'. Register one first."
        raise errors.RejectedError(errors.AzureError(code="NotFound", message=message, target=container.path), status=404)
    return container.child("versions", str(newest["name"])).path


def plain_name(text: str, default: str) -> str:
    """Return a file's or folder's name with only the characters allowed in a blob path."""
    last = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return re.sub(r"[^\w.\- ]", "_", last).strip(". ")[:100] or default
