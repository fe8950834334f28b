"""The checks of a preflight: everything that would stop a request, all at once, found with requests that only read.

One finding per row. If Azure does not answer, the finding is unknown, never ok. Not here: missing fields of the body
(catalog.bodies), permissions (preflight.access), size and quota (preflight.quota), the vault of customer-managed keys
(preflight.customer_keys).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, kinds, needs, paths
from shared.preflight import access, changes, customer_keys, existing, fields, guards, quota, uses, value_types, values, wiring
from shared.preflight.findings import VALUES, Finding, Question, rows_of, unknown
from shared.rest import azure_versions, errors, ids
from shared.telemetry import threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.catalog.paths import Target
    from shared.rest.client import Client

REFERENCE_LIMIT = 50  # ids of one body that are looked up at most
DEPTH_LIMIT = 30
_ARM_ID = re.compile(r"/?subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/[^\s?#]+", re.IGNORECASE)


def run(target: Target, body: dict[str, Any], client: Client, *, preview: bool = False, **more: Any) -> list[Finding]:
    """Return all findings about a request with `body` to `target`, in the order of the checks.

    Args:
        target: The resource, with the action of a POST.
        body: The body of the request; {} for none.
        client: The client for ARM.
        preview: The request uses a preview api-version.
        more: `method` unless it is a PUT, `query`, `force`, `settings`: see `Question`.
    """
    question = Question(target=target, body=body, client=client, **more)
    found = list(_local(question, preview=preview))
    names = _CHECKED.get(question.method, tuple(_CHECKS))
    with threads.Pool(max_workers=len(names), thread_name_prefix="preflight") as pool:
        for findings in pool.map(lambda name: _carefully(name, question), names):
            found += findings
    return found


def report(findings: list[Finding]) -> dict[str, Any]:
    """Return the caller's answer: `status` is `problems` if any check failed, `unknown` if some could not be made."""
    judged = {finding.ok for finding in findings}
    status = "problems" if False in judged else "unknown" if None in judged else "ok"
    return {"status": status, "value": [finding.to_json() for finding in findings]}


def _carefully(name: str, question: Question) -> list[Finding]:
    out: list[Finding] = []
    try:
        out.extend((_OF_CHANGES | _CHECKS)[name](question))
    except errors.StewardError as problem:
        out.append(unknown(name, question.target.id.path, problem.error))
    return out


def _local(question: Question, *, preview: bool) -> Iterator[Finding]:
    """Check names and fields as for the real request, without Azure."""
    target, body = question.target, question.body
    if question.method not in _OF_BODIES:
        return
    if question.method == "PUT":
        problems = list(bodies.problems(target.kind, body, preview=preview))
        try:
            paths.check_name(target)
            yield Finding(check="name", target=target.id.name, ok=True, code="Ok", message="The name is valid.")
        except errors.BadRequestError as problem:
            yield Finding.of("name", problem.error, target=target.id.name)
    else:
        problems = [] if preview else list(bodies.patch_problems(target.kind, body))
    for each in problems:
        yield Finding.of("fields", each.error)
    near = list(fields.near_misses(target.kind, body))
    yield from near
    if not problems and not near:
        yield Finding(check="fields", target="body", ok=True, code="Ok", message=_OF_BODIES[question.method])


def _parents(question: Question) -> Iterator[Finding]:
    """Check that the resource group and all parents of the target exist."""
    target = question.target.id
    if target.resource_group and target.types:
        group = ids.ResourceId(subscription=target.subscription, resource_group=target.resource_group)
        yield question.exists("parent", group, azure_versions.RESOURCES)
    for depth in range(1, len(target.names)):
        parent = target.ancestor(depth)
        if parent.types[-1] not in needs.MADE_WITH_FIRST_VERSION:
            yield question.exists("parent", parent, needs.REFERENCE_VERSIONS.get(parent.full_type.lower(), ""))


def _name_is_free(question: Question) -> Iterator[Finding]:
    """Check whether the name is free, used by this same resource, or held by a deleted workspace (visible only on create)."""
    target = question.target
    answer = question.get(target.id, target.api_version)
    if answer.ok:
        yield Finding(check="free", target=target.id.path, ok=True, code="Exists", message="It exists; the PUT changes it.")
    elif answer.status != 404:
        yield unknown("free", target.id.path, answer.error())
    elif target.kind.full_type == f"{kinds.ML}/workspaces":
        message = (
            "No workspace has the name. Azure shows only on create whether a deleted workspace still holds it (for 14 days); then "
            "properties.allowRecoverSoftDeletedWorkspace brings the old one back, DELETE with ?forceToPurge=true frees the name."
        )
        yield Finding(check="free", target=target.id.path, ok=None, code="Unknown", message=message)
    elif target.kind.full_type in needs.NAMES_WORLDWIDE:
        yield from _name_is_free_worldwide(question)
    else:
        yield Finding(check="free", target=target.id.path, ok=True, code="Ok", message="The name is free.")


def _name_is_free_worldwide(question: Question) -> Iterator[Finding]:
    """Check names that must be unique in all of Azure (storage accounts, vaults, registries); deleted vaults keep their names."""
    target, at = question.target, question.target.id.path
    base = ids.provider(target.id.subscription, target.kind.namespace)
    if target.kind.full_type == needs.VAULTS and question.location:
        held = ids.below(base, "locations", question.location, "deletedVaults", target.id.name)
        deleted = question.read(held, target.api_version)
        if deleted.ok:
            purged = bodies.dig(deleted.body, "properties.scheduledPurgeDate")
            message = f"A deleted vault of yours holds the name until {purged}; properties.createMode 'recover' restores it."
            yield Finding(check="free", target=at, ok=False, code="NameHeldByDeletedVault", message=message)
            return
    told = question.name_available(base, target.id.name, target.kind.full_type, target.api_version)
    available = bodies.dig(told.body, "nameAvailable") if told.ok else None
    if available is True:
        yield Finding(check="free", target=at, ok=True, code="Ok", message="The name is free in all of Azure.")
    elif available is False:
        code, message = (
            str(bodies.dig(told.body, "reason") or "NameTaken"),
            str(bodies.dig(told.body, "message") or "The name is already used in Azure. Use another name."),
        )
        yield Finding(check="free", target=at, ok=False, code=code, message=message)
    else:
        yield unknown("free", at, told.error())


def _providers(question: Question) -> Iterator[Finding]:
    """Check that the resource providers which this body needs are registered."""
    kind = question.target.kind
    wanted = {kind.namespace: "the resource itself"} if kind.namespace != kinds.RESOURCES else {}
    for need in needs.NEEDS:
        found = bodies.dig(question.body, need.when) if need.when else True
        said = not need.values or str(found).lower() in (value.lower() for value in need.values)
        needless = bool(need.unless and bodies.dig(question.body, need.unless))
        if kind.namespace == kinds.ML and need.path == kind.path and found and said and not needless:
            wanted.setdefault(need.namespace, need.why)
    for namespace, why in wanted.items():
        answer = question.provider(namespace)
        state = str(bodies.dig(answer.body, "registrationState") or "")
        if not answer.ok or not state:
            yield unknown("provider", namespace, answer.error())
        elif state.lower() == "registered":
            yield Finding(check="provider", target=namespace, ok=True, code="Ok", message=f"Registered ({why}).")
        else:
            message = f"The provider is {state}, and needed for {why}. Register it: POST providers/{namespace}/register."
            yield Finding(check="provider", target=namespace, ok=False, code="ProviderNotRegistered", message=message)


def _region(question: Question) -> Iterator[Finding]:
    """Check whether the kind is available in the body's region."""
    kind, location = question.target.kind, bodies.dig(question.body, "location")
    if not isinstance(location, str) or not location or kind.namespace == kinds.RESOURCES:
        return
    types = rows_of(question.provider(kind.namespace).body, "resourceTypes")
    row = next((each for each in types if str(each.get("resourceType", "")).lower() == kind.path.lower()), {})
    offered = row.get("locations")
    if not isinstance(offered, list) or not offered:
        yield Finding(check="region", target=location, ok=None, code="Unknown", message="Azure does not list the kind's regions.")
        return
    if ids.location(location) in map(ids.location, offered):
        yield Finding(check="region", target=location, ok=True, code="Ok", message=f"{kind.full_type} is available in this region.")
    else:
        message = f"{kind.full_type} is not available in this region; expected one of {', '.join(map(str, offered))}."
        yield Finding(check="region", target=location, ok=False, code="LocationNotAvailable", message=message)


def _references(question: Question) -> Iterator[Finding]:
    """Check that each ARM id in the body exists."""
    yield from _assets(question)
    found = dict.fromkeys(_ids_in(question.body, 0))
    for text in list(found)[:REFERENCE_LIMIT]:
        try:
            named = ids.parse(text)
        except errors.BadRequestError as problem:
            yield Finding.of("reference", problem.error, target=text)
            continue
        if named.key != question.target.id.key:
            yield question.exists("reference", named, needs.REFERENCE_VERSIONS.get(named.full_type.lower(), ""))
    if len(found) > REFERENCE_LIMIT:
        message = f"{len(found) - REFERENCE_LIMIT} more ids were not looked up."
        yield Finding(check="reference", target="body", ok=None, code="Unknown", message=message)


def _assets(question: Question) -> Iterator[Finding]:
    """Check short references to assets: those of the workspace are looked up, those of a registry are not."""
    target = question.target.id
    for path, collection in needs.ASSETS.items() if len(target.names) > 1 else ():
        text = bodies.dig(question.body, path)
        if not isinstance(text, str) or not text.lower().startswith("azureml:"):
            continue
        if named := question.asset(collection, text):
            yield question.exists("reference", named, needs.REFERENCE_VERSIONS.get(named.full_type.lower(), ""))
        else:
            message = "This reference was not checked: it is not an azureml:NAME:VERSION of the workspace."
            yield Finding(check="reference", target=text[:200], ok=None, code="Unknown", message=message)


def _ids_in(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str) and _ARM_ID.fullmatch(value):
        yield value
    elif depth < DEPTH_LIMIT and isinstance(value, dict):
        for key, each in value.items():
            yield from _ids_in(key, depth + 1)  # identity.userAssignedIdentities has ids as keys
            yield from _ids_in(each, depth + 1)
    elif depth < DEPTH_LIMIT and isinstance(value, list):
        for each in value:
            yield from _ids_in(each, depth + 1)


def _patched(question: Question) -> Iterator[Finding]:
    """Check the fields that a PATCH changes with the rules of a PUT of the resulting resource."""
    yield from values.tags(question)
    yield from value_types.check(question)
    there = question.get(question.target.id, question.target.api_version)
    if there.ok and isinstance(there.body, dict):
        yield from existing.fixed(question, there.body)
        if question.body.keys() & {"properties", "sku"}:
            whole = replace(question, body=_merged(there.body, question.body))
            yield from values.ruled(whole)
            yield from quota.size_and_quota(whole)


def _merged(old: Any, change: Any) -> Any:
    """Return a value with a JSON merge patch applied (RFC 7396)."""
    if not isinstance(change, dict):
        return change
    out = dict(old) if isinstance(old, dict) else {}
    for name, value in change.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = _merged(out.get(name), value)
    return out


def _move(question: Question) -> Iterator[Finding]:
    """Apply the guards: resources that cannot be moved, and resources that a workspace needs."""
    try:
        guards.check_move(question.target, question.body)
        if question.method == "DELETE":
            guards.check_delete(question.target, question.client, question.settings, force=question.force)
    except errors.PermanentError as problem:
        yield Finding.of("guard", problem.error, target=question.target.id.path)
    yield from uses.check(question)


_OF_BODIES = {  # the messages of a valid body
    "PUT": "All fields that Azure always requires are present.",
    "PATCH": "Azure supports all operations that the body names.",
}
_CHECKS: dict[str, Callable[[Question], Iterator[Finding]]] = {
    "fields": fields.needed,
    "parent": _parents,
    "free": _name_is_free,
    "provider": _providers,
    "region": _region,
    "sku": quota.size_and_quota,
    "reference": _references,
    VALUES: values.check,
    wiring.CHECK: wiring.check,
    existing.CHECK: existing.check,
    customer_keys.CHECK: customer_keys.check,
    "permission": access.permissions,
    "deny": access.denials,
    "lock": access.locks,
}
_OF_CHANGES: dict[str, Callable[[Question], Iterator[Finding]]] = {
    changes.CHECK: changes.check,
    "patch": _patched,
    "guard": _move,
}
_ALWAYS = ("parent", changes.CHECK, "permission", "deny", "lock")
_CHECKED = {"PATCH": (*_ALWAYS, "patch", "reference"), "DELETE": (*_ALWAYS, "guard"), "POST": (*_ALWAYS, "guard")}
