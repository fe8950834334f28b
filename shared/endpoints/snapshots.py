"""What the app keeps of a parked endpoint so that it can be put back: its traffic and the PUT-able bodies of its deployments.

One blob an endpoint, from before the first deployment is deleted until the last one is back. No secret is in it: an
environment variable is kept only when it cannot be one, or when the endpoint's owner says so (`plain`). Pure but for the
functions on blobs. Not here: parking and waking (parking), what a score call does (waking).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.durable import codec, unreadable, versions
from shared.operations import models
from shared.rest import errors, ids
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shared.durable.storage import Blobs
    from shared.rest.ids import ResourceId

VERSION = 1
MEMBERS = frozenset({"version", "endpoint", "created", "parkedAt", "traffic", "mirrorTraffic", "deployments"})
FOLDER = "parked/"
TAG = "steward-parked"  # on a parked endpoint: since when, and which deployments wait to be put back
VARIABLES_TAG = "steward-park-variables"
STORE = "store"  # the owner's word that no environment variable of a deployment is a secret
TAG_LIMIT = 256
_READ_ONLY = frozenset({"provisioningState", "scoringUri", "swaggerUri"})
_OPERATION_URI = "AzureAsyncOperationUri"  # signed
_TOP = ("location", "tags", "kind", "sku", "identity", "properties")
# Settings of Azure ML's inference server and of the libraries in its images; none of them holds a secret
_KNOWN = frozenset({
    "AML_APP_ROOT", "AML_APP_INSIGHTS_ENABLED", "AML_CORS_ORIGINS", "AZUREML_ENTRY_SCRIPT", "AZUREML_MODEL_DIR",
    "AZUREML_LOG_LEVEL", "AZUREML_INFERENCE_SERVER_HTTP_ENABLED", "AZUREML_DEBUG_PORT", "LOG_LEVEL", "SCORING_TIMEOUT_MS",
    "WORKER_COUNT", "WORKER_TIMEOUT", "WORKER_PRELOAD", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "TOKENIZERS_PARALLELISM",
    "TRANSFORMERS_OFFLINE", "HF_HUB_OFFLINE", "PYTHONUNBUFFERED", "PYTHONPATH", "TZ", "LANG", "CUDA_VISIBLE_DEVICES",
})  # fmt: skip
_CONNECTION = re.compile(r"\$\{\{azureml://connections/[^{}]+\}\}")  # Azure reads the secret from a connection
_PLAIN = re.compile(r"-?\d{1,6}(\.\d{1,6})?|true|false|", re.IGNORECASE)


class EndpointParkedError(errors.BadRequestError):
    """The endpoint has no deployments now, because it is parked; `tag` says since when."""

    def __init__(self, endpoint: ResourceId, tag: str) -> None:
        message = (
            f"Endpoint '{endpoint.name}' is parked ({tag[:TAG_LIMIT]}): its deployments are to be put back before it can score."
        )
        super().__init__("EndpointParked", message, target=endpoint.path, status=503)
        self.tag = tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment: what to PUT to have it back, and when it had last changed (`systemData`, as Azure wrote it)."""

    name: str
    body: Mapping[str, Any]
    changed: str = ""
    unknown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An endpoint as it was before it was parked.

    Attributes:
        endpoint: ARM id.
        created: Its creation, as Azure wrote it: an endpoint made again under the name is another one.
        traffic, mirror: Deployment → percent.
        deployments: In the order they are put back: the most traffic first.
    """

    endpoint: str
    created: str
    parked_at: datetime
    traffic: Mapping[str, int]
    mirror: Mapping[str, int]
    deployments: tuple[Deployment, ...]
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """What the endpoint is tagged with."""
        names = ", ".join(each.name for each in self.deployments)
        return f"since {times.iso(self.parked_at)}: {names}"[:TAG_LIMIT]

    def view(self) -> dict[str, Any]:
        """Return it as lists show it: since when it sleeps, and what comes back when it wakes."""
        shown = []
        for each in self.deployments:
            own, sku = each.body.get("properties") or {}, each.body.get("sku") or {}
            told = {"instanceType": own.get("instanceType"), "instances": sku.get("capacity")}
            shown.append({"name": each.name} | {name: value for name, value in told.items() if value is not None})
        return {"endpoint": self.endpoint, "parkedAt": times.iso(self.parked_at), "deployments": shown}

    def find(self, name: str) -> Deployment | None:
        """Return the deployment of that name."""
        return next((each for each in self.deployments if each.name.lower() == name.lower()), None)

    def without(self, name: str) -> Record:
        """Return it without a deployment that another person has deleted."""
        return replace(self, deployments=tuple(each for each in self.deployments if each.name.lower() != name.lower()))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        kept = [codec.written(each) | {"body": dict(each.body)} for each in self.deployments]
        return {
            **self.unknown,
            "version": VERSION,
            "endpoint": self.endpoint,
            "created": self.created,
            "parkedAt": times.iso(self.parked_at),
            "traffic": dict(self.traffic),
            "mirrorTraffic": dict(self.mirror),
            "deployments": kept,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Record:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: it was written by a newer version of the app.
        """
        versions.check(stored, VERSION, f"the record of {stored['endpoint']}")
        return cls(
            endpoint=stored["endpoint"],
            created=stored["created"],
            parked_at=datetime.fromisoformat(stored["parkedAt"]),
            traffic=stored["traffic"],
            mirror=stored["mirrorTraffic"],
            deployments=tuple(codec.read(Deployment, each) for each in stored["deployments"]),
            unknown=codec.rest(stored, MEMBERS),
        )


def load(endpoint: ResourceId, blobs: Blobs) -> Record | None:
    """Return what is kept of an endpoint, None when it is not parked."""
    content = blobs.get(_blob(endpoint))
    return Record.from_json(json.loads(content)) if content else None


def every(blobs: Blobs) -> Iterator[Record]:
    """Yield what is kept of every endpoint that sleeps, or is on its way there or back; one that cannot be read is passed over."""
    for name in blobs.names(FOLDER):
        try:
            yield Record.from_json(json.loads(blobs.get(name) or b""))
        except (KeyError, TypeError, ValueError) as problem:
            unreadable.note(f"blob {name}", problem)


def specs(blobs: Blobs) -> Callable[[ResourceId], list[Any] | None]:
    """Return what says which deployments a parked endpoint is going to have again."""

    def of(endpoint: ResourceId) -> list[Any] | None:
        record = load(endpoint, blobs)
        return [dict(deployment.body) for deployment in record.deployments] if record else None

    return of


def save(record: Record, blobs: Blobs) -> None:
    """Keep it; before the first deployment is deleted."""
    blobs.put(_blob(ids.parse(record.endpoint)), json.dumps(record.to_json()).encode())


def forget(endpoint: ResourceId, blobs: Blobs) -> None:
    """Forget an endpoint that is whole again, or gone."""
    blobs.delete(_blob(endpoint))


def _blob(endpoint: ResourceId) -> str:
    return f"{FOLDER}{models.partition_of(endpoint)}.json"


def is_tagged(endpoint: Mapping[str, Any]) -> bool:
    """Return whether an endpoint's body has the tag, however its name is written by now."""
    tags = endpoint.get("tags")
    return isinstance(tags, dict) and TAG in {str(name).strip().lower() for name in tags}


def tag_of(endpoint: Mapping[str, Any]) -> str:
    """Return what an endpoint's body says of its parking, '' when it is not parked."""
    return str((endpoint.get("tags") or {}).get(TAG) or "")


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def record_of(endpoint: Mapping[str, Any], deployments: list[dict[str, Any]], now: datetime) -> Record:
    """Return what to keep of an endpoint and its deployments, from Azure's own bodies."""
    own = endpoint.get("properties") or {}
    traffic = {str(name): int(share or 0) for name, share in (own.get("traffic") or {}).items()}
    shares = {name.lower(): share for name, share in traffic.items()}
    kept = [Deployment(name=str(each["name"]), body=putable(each), changed=changed(each)) for each in deployments]
    return Record(
        endpoint=ids.parse(str(endpoint["id"])).path,
        created=_system(endpoint, "createdAt"),
        parked_at=now,
        traffic=traffic,
        mirror={str(name): int(share or 0) for name, share in (own.get("mirrorTraffic") or {}).items()},
        deployments=tuple(sorted(kept, key=lambda each: -shares.get(each.name.lower(), 0))),
    )


def changed(body: Mapping[str, Any]) -> str:
    """Return when a resource had last changed, as Azure wrote it."""
    return _system(body, "lastModifiedAt")


def same_endpoint(record: Record, endpoint: Mapping[str, Any]) -> bool:
    """Return whether a record is about this very endpoint, and not one of that name that was deleted."""
    return record.created == _system(endpoint, "createdAt")


def putable(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what can be PUT of what was read: without what Azure adds, signed URLs and empty members."""
    out = {name: body[name] for name in _TOP if body.get(name) is not None}
    own = {name: value for name, value in (body.get("properties") or {}).items() if name not in _READ_ONLY and value is not None}
    if isinstance(own.get("properties"), dict):
        own["properties"] = {name: value for name, value in own["properties"].items() if name != _OPERATION_URI}
    if isinstance(out.get("identity"), dict):
        named = out["identity"].get("userAssignedIdentities") or {}
        out["identity"] = {"type": out["identity"].get("type")} | (
            {"userAssignedIdentities": {each: {} for each in named}} if named else {}
        )
    return {**out, "properties": own}


def check_variables(deployments: list[dict[str, Any]]) -> None:
    """Refuse to keep an environment variable that may be a secret.

    Raises:
        BadRequestError: `VariablesNotKept` (409), naming them and what to do.
    """
    doubtful = [
        f"{each['name']}.{name}"
        for each in deployments
        for name, value in ((each.get("properties") or {}).get("environmentVariables") or {}).items()
        if not plain(str(name), value)
    ]
    if doubtful:
        message = (
            f"Environment variables may hold secrets, which this app never stores: {', '.join(doubtful)[:400]}. Put secrets into a "
            f'workspace connection, or tag the endpoint {VARIABLES_TAG}: {STORE} (or send {{"environmentVariables": "{STORE}"}}) '
            "when none of these is one."
        )
        raise errors.BadRequestError("VariablesNotKept", message, target="environmentVariables", status=409)


def plain(name: str, value: Any) -> bool:
    """Return whether an environment variable cannot be a secret: a known setting, a small number, a reference to a connection."""
    text = "" if value is None else str(value)
    return name.upper() in _KNOWN or bool(_PLAIN.fullmatch(text)) or bool(_CONNECTION.fullmatch(text.strip()))


def _system(body: Mapping[str, Any], name: str) -> str:
    return str((body.get("systemData") or {}).get(name) or "")
