"""What would stop a PATCH, a DELETE or an action: one row for each requirement on the resource's state or on the body.

Not here: the requirements of a PUT (preflight.fields, preflight.values), locks (preflight.access).
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, kinds, needs
from shared.preflight.findings import Finding, rows_of, unknown
from shared.rest import ids
from shared.text import durations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.preflight.findings import Question

CHECK = "change"
DELETE = "DELETE"
_COMPUTES, _ENDPOINTS = f"{kinds.ML}/workspaces/computes", f"{kinds.ML}/workspaces/onlineEndpoints"
_ENDED = ("completed", "failed", "canceled", "notresponding")
_OF_INSTANCES = (
    "start", "stop", "restart", "updateidleshutdownsetting", "updateschedules", "resize", "customservices", "updatedatamounts",
    "getallowedvmsizesforresize", "enablesso",
)  # fmt: skip
_KEY_TYPES = ("primary", "secondary")
# Kinds that cannot be deleted while they are being changed; all others can.
_DELETED_AT_REST = frozenset({_ENDPOINTS, f"{kinds.ML}/registries"})
_MADE_BY = frozenset({"startpendingupload", ""})  # actions on a resource that does not exist yet


@dataclass(frozen=True, slots=True)
class Demand:
    """A requirement on the current resource, or on the body of an action.

    Attributes:
        kind: The full type.
        on: `DELETE` and actions in lower case.
        path: Dotted path.
        said: The allowed values in lower case (with `never` the forbidden ones). Empty: any value but null.
        code: Azure's error code.
        why: The message to the caller; `{found}` is the current value.
        never: `said` lists forbidden values.
        body: The path is in the action's body, not in the resource.
    """

    kind: str
    on: tuple[str, ...]
    path: str
    said: tuple[str, ...]
    code: str
    why: str
    _: KW_ONLY
    never: bool = False
    body: bool = False


DEMANDS: tuple[Demand, ...] = (
    Demand(
        _COMPUTES, _OF_INSTANCES, "properties.computeType", ("computeinstance",), "NotSupported",
        "The compute is a {found}; only a ComputeInstance has this action.",
    ),
    Demand(
        _COMPUTES, ("start",), "properties.properties.state", ("stopped", "running", "createfailed"), "InvalidComputeState",
        "The instance is {found}; expected Stopped. Wait until it is stopped.",
    ),
    Demand(
        _COMPUTES, ("stop",), "properties.properties.state", ("running", "jobrunning", "stopped"), "InvalidComputeState",
        "The instance is {found}; expected Running. Wait until it runs.",
    ),
    Demand(
        _COMPUTES, ("restart",), "properties.properties.state", ("running", "jobrunning"), "InvalidComputeState",
        "The instance is {found}; expected Running. Start it instead: POST …/start.",
    ),
    Demand(
        _COMPUTES, ("resize",), "properties.properties.state", ("stopped",), "InvalidComputeState",
        "The instance is {found}; expected Stopped. Stop it first: POST …/stop.",
    ),
    Demand(
        _COMPUTES, ("resize",), "targetVMSize", (), "MissingField", "'targetVMSize' is missing: the new VM size.", body=True,
    ),
    Demand(
        _COMPUTES, ("updateschedules",), "computeStartStop", (), "MissingField",
        "'computeStartStop' is missing; expected the list of schedules.", body=True,
    ),
    Demand(
        _ENDPOINTS, ("token",), "properties.authMode", ("amltoken",), "AuthModeMismatch",
        "The endpoint's authMode is {found}; only AMLToken has tokens. Use POST …/listKeys for its keys.",
    ),
    *(
        Demand(
            f"{kinds.ML}/workspaces/{path}", ("regeneratekeys",), "keyType", _KEY_TYPES, "InvalidValue",
            "'keyType' is '{found}'; expected Primary or Secondary.", body=True,
        )
        for path in ("onlineEndpoints", "serverlessEndpoints")
    ),
    Demand(
        f"{kinds.ML}/workspaces/datastores", ("listsecrets",), "properties.credentials.credentialsType", ("none",), "NoCredentials",
        "The datastore has no credentials: it uses identity-based access, so there are no secrets to list.", never=True,
    ),
    Demand(
        f"{kinds.ML}/workspaces/datastores", (DELETE,), "properties.isDefault", ("true",), "DefaultDatastore",
        "This is the workspace's default datastore. Make another datastore the default first.", never=True,
    ),
    Demand(
        f"{kinds.ML}/workspaces/jobs", (DELETE,), "properties.status", _ENDED, "JobNotTerminal",
        "The job is {found}. Cancel it first: POST …/cancel.",
    ),
    Demand(
        f"{kinds.ML}/workspaces/schedules", (DELETE,), "properties.isEnabled", ("true",), "ActiveSchedule",
        "The schedule is enabled. Disable it first: PUT it with properties.isEnabled false.", never=True,
    ),
    Demand(
        f"{kinds.ML}/workspaces/schedules", ("trigger",), "scheduleTime", (), "MissingField",
        "'scheduleTime' is missing; expected the time of the scheduled run.", body=True,
    ),
    Demand(
        "Microsoft.ContainerRegistry/registries", ("listcredentials", "regeneratecredential"), "properties.adminUserEnabled",
        ("true",), "UnAuthorizedForCredentialOperations",
        "The registry's admin user is disabled. PATCH it with properties.adminUserEnabled true first.",
    ),
    Demand(
        "Microsoft.ContainerRegistry/registries", ("regeneratecredential",), "name", ("password", "password2"),
        "InvalidPasswordName", "'name' is '{found}'; expected password or password2.", body=True,
    ),
    Demand(
        "Microsoft.Storage/storageAccounts", ("listkeys", "regeneratekey"), "properties.provisioningState", ("succeeded",),
        "StorageAccountIsNotProvisioned", "The account is {found}; expected Succeeded. Wait until the current change has ended.",
    ),
    Demand(
        "Microsoft.Storage/storageAccounts", ("regeneratekey",), "keyName", ("key1", "key2", "kerb1", "kerb2"), "InvalidValue",
        "'keyName' is '{found}'; expected key1 or key2.", body=True,
    ),
)  # fmt: skip


def check(question: Question) -> Iterator[Finding]:
    """Yield whether the resource exists, and what prevents the change."""
    target, wanted = question.target, question.wanted
    if "GET" not in target.kind.verbs or wanted in _MADE_BY or target.id.is_collection:
        yield from _demanded(question, None)
        return
    answer = question.get(target.id, target.api_version)
    if answer.status == 404:
        message = "The resource does not exist." if wanted != DELETE else "The resource does not exist: there is nothing to delete."
        yield Finding(check=CHECK, target=target.id.path, ok=False, code="ResourceNotFound", message=message)
    elif not answer.ok:
        yield unknown(CHECK, target.id.path, answer.error())
    else:
        found = [*_at_work(question, answer.body), *_demanded(question, answer.body), *_special(question, answer.body)]
        message = f"Its current state allows this {question.method}."
        yield from found or [Finding(check=CHECK, target=target.id.path, ok=True, code="Ok", message=message)]


def _at_work(question: Question, there: Any) -> Iterator[Finding]:
    state, kind = str(bodies.dig(there, "properties.provisioningState") or ""), question.target.kind
    if state.lower() not in needs.BUSY or (question.target.action and question.target.action.direct):
        return
    if question.method == DELETE and state.lower() != "deleting" and kind.full_type not in _DELETED_AT_REST:
        return
    yield _wrong(question.target.id.path, "ResourceBusy", f"The resource is {state}: Azure refuses changes until that has ended.")


def _demanded(question: Question, there: Any) -> Iterator[Finding]:
    for row in DEMANDS:
        if question.target.kind.full_type != row.kind or question.wanted not in row.on or not (row.body or there):
            continue
        value = bodies.dig(question.body if row.body else there, row.path)
        if value in (None, "") and not row.body:
            continue  # Azure does not show it
        text = "" if value is None else str(value).lower()
        if (text in row.said) if row.never else (text not in row.said if row.said else not text):
            yield _wrong(row.path, row.code, row.why.format(found=str(value)[:100]))


def _special(question: Question, there: Any) -> Iterator[Finding]:
    """Yield problems that need more than one field to see."""
    target, wanted = question.target.id, question.wanted
    full_type = question.target.kind.full_type
    if full_type == f"{_ENDPOINTS}/deployments" and wanted == DELETE:
        above = target.ancestor(2)
        endpoint = question.get(above, needs.REFERENCE_VERSIONS[above.full_type.lower()])
        shares = bodies.dig(endpoint.body, "properties.traffic") if endpoint.ok else None
        share = next((each for name, each in shares.items() if name.lower() == target.name.lower()), 0) if shares else 0
        if share:
            message = f"The deployment gets {share} % of the endpoint's traffic. Set its share to 0 first."
            yield _wrong("properties.traffic", "DeploymentHasTraffic", message)
    elif full_type == f"{kinds.ML}/workspaces/jobs" and wanted == "cancel":
        status = str(bodies.dig(there, "properties.status") or "")
        if status.lower() in _ENDED:
            ok = False if str(bodies.dig(there, "properties.jobType")).lower() == "pipeline" else None
            message = f"The job is {status}: there is nothing to cancel."
            yield Finding(check=CHECK, target="properties.status", ok=ok, code="JobEnded", message=message)
    elif wanted == "updateidleshutdownsetting":
        yield from _idle_time(bodies.dig(question.body, "idleTimeBeforeShutdown"))
    elif wanted == "resize" and (size := bodies.dig(question.body, "targetVMSize")):
        yield from _offered(question, str(size))


def _idle_time(given: Any) -> Iterator[Finding]:
    try:
        long = durations.parse(given) if isinstance(given, str) and given.upper().startswith("P") else timedelta()
    except ValueError:
        long = timedelta()
    if not timedelta(minutes=15) <= long <= timedelta(days=3):
        message = f"'idleTimeBeforeShutdown' is '{str(given or '')[:80]}'; expected PT15M (15 minutes) to P3D (3 days)."
        yield _wrong("idleTimeBeforeShutdown", "InvalidPropertyValue", message)


def _offered(question: Question, size: str) -> Iterator[Finding]:
    base = ids.provider(question.target.id.subscription, kinds.ML, "locations", question.location)
    sizes = rows_of(question.read(ids.below(base, "vmSizes"), kinds.ML_VERSION).body)
    if sizes and size.lower() not in {str(each.get("name")).lower() for each in sizes}:
        yield _wrong("targetVMSize", "SizeNotAvailable", f"The VM size '{size[:80]}' does not exist in {question.location}.")


def _wrong(target: str, code: str, message: str) -> Finding:
    return Finding(check=CHECK, target=target, ok=False, code=code, message=message)
