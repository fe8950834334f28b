"""Existing resources that would stop a PUT: the resource is busy, has immutable fields, or its name is used elsewhere.

Not here: references of the body, and names that are unique in all of Azure (preflight.checks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, kinds, needs
from shared.preflight.findings import Finding, rows_of
from shared.rest import azure_versions, errors, ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.preflight.findings import Question

CHECK = "present"
NEIGHBOURS_LIMIT = 20  # workspaces of the region that are searched for a name at most
# Immutable fields of existing resources; a name includes everything below it.
IMMUTABLE: dict[str, tuple[str, ...]] = {
    f"{kinds.ML}/workspaces": ("properties.storageAccount", "properties.keyVault"),
    f"{kinds.ML}/workspaces/computes": ("properties.computeType", "properties.properties.vmSize"),
    f"{kinds.ML}/workspaces/jobs": tuple(
        f"properties.{name}" for name in ("jobType", "command", "environmentId", "codeId", "computeId", "experimentName", "inputs")
    ),
    f"{kinds.ML}/workspaces/data/versions": ("properties.dataUri", "properties.dataType"),
    f"{kinds.ML}/workspaces/models/versions": ("properties.modelUri", "properties.modelType"),
    f"{kinds.ML}/workspaces/environments/versions": ("properties.image", "properties.build", "properties.condaFile"),
    f"{kinds.ML}/workspaces/codes/versions": ("properties.codeUri",),
    f"{kinds.ML}/workspaces/components/versions": ("properties.componentSpec",),
}
# Kinds whose names are unique in a region or in all of Azure, without an API to check a name.
NAMES_UNSEEN = frozenset(f"{kinds.ML}/{path}" for path in ("workspaces/onlineEndpoints", "workspaces/batchEndpoints")) | {
    f"{kinds.ML}/workspaces/serverlessEndpoints", f"{kinds.ML}/registries",
}  # fmt: skip
# Resources that a workspace cannot use: its field, the field of the other resource, the bad value, code and message.
_UNFIT = (
    (
        "containerRegistry", "adminUserEnabled", "false", "AdminUserDisabled",
        "The container registry has its admin user disabled. Set its properties.adminUserEnabled to true.",
    ),
    (
        "storageAccount", "isHnsEnabled", "true", "HierarchicalNamespace",
        "The storage account has a hierarchical namespace, which a workspace's own account cannot have. Use another account.",
    ),
)  # fmt: skip


def check(question: Question) -> Iterator[Finding]:
    """Yield the problems that the existing resource or its region causes."""
    target = question.target
    if target.kind.full_type == needs.GROUPS:
        yield from _region_of_a_group(question)
        return
    answer = question.get(target.id, target.api_version)
    if not answer.ok:
        if _is_a_name_of_the_region(question) and answer.status == 404:
            yield _elsewhere(question)
    else:
        yield from _as_it_stands(question, answer.body)
    if target.kind.full_type == f"{kinds.ML}/workspaces":
        yield from _neighbours_of_a_workspace(question)


def _is_a_name_of_the_region(question: Question) -> bool:
    instance = str(bodies.dig(question.body, "properties.computeType")).lower() == "computeinstance"
    return instance or question.target.kind.full_type in NAMES_UNSEEN


def _elsewhere(question: Question) -> Finding:
    """Check whether a workspace elsewhere, or a registry of another group, has the name, as far as this app can see."""
    target = question.target.id
    own, known = target.ancestor(1), kinds.by_type()["arm", kinds.ML.lower(), target.types[0].lower()]
    base = ids.below(ids.provider(target.subscription, kinds.ML), target.types[0])
    listed = rows_of(question.read(base, known.api_version).body)
    there = [each for each in listed if str(each.get("id", "")).lower() != own.key and each.get("id")]
    if len(target.names) == 1:
        taken = [str(each["id"]) for each in there if str(each.get("name", "")).lower() == target.name.lower()]
    else:
        near = [each for each in there if ids.location(each.get("location")) == question.location][:NEIGHBOURS_LIMIT]
        places = [ids.parse(str(each["id"])).child(target.types[1], target.name) for each in near]
        taken = [each.path for each in places if question.get(each, question.target.api_version).ok]
    if taken:
        message = f"{taken[0]} already has the name, which must be unique in the region. Use another name."
        return Finding(check=CHECK, target=target.name, ok=False, code="NameTaken", message=message)
    message = (
        "No resource that this app can see has the name; whether another one in the region has it, Azure shows only on create."
    )
    return Finding(check=CHECK, target=target.name, ok=None, code="Unknown", message=message)


def _as_it_stands(question: Question, there: Any) -> Iterator[Finding]:
    state = bodies.dig(there, "properties.provisioningState")
    if str(state).lower() in needs.BUSY:
        message = f"The resource is {state}: Azure refuses changes until that has ended. This app retries then."
        yield Finding(check=CHECK, target=question.target.id.path, ok=False, code="ResourceBusy", message=message)
    yield from fixed(question, there)


def fixed(question: Question, there: Any) -> Iterator[Finding]:
    """Yield the immutable fields that the body would change."""
    for path in ("location", *IMMUTABLE.get(question.target.kind.full_type, ())):
        wanted, found = bodies.dig(question.body, path), bodies.dig(there, path)
        if wanted not in (None, "") and found not in (None, "") and _plain(wanted) != _plain(found):
            message = f"'{path}' of the existing resource is '{str(found)[:150]}' and cannot change. Keep it, or use another name."
            yield Finding(check=CHECK, target=path, ok=False, code="ImmutableProperty", message=message)


def _neighbours_of_a_workspace(question: Question) -> Iterator[Finding]:
    for field, path, unfit, code, message in _UNFIT:
        given = bodies.dig(question.body, f"properties.{field}")
        try:
            named = ids.parse(given) if isinstance(given, str) else None
        except errors.BadRequestError:
            continue  # reported by preflight.values
        version = needs.REFERENCE_VERSIONS.get(named.full_type.lower(), "") if named else ""
        answer = question.get(named, version) if named and version else None
        if answer and answer.ok and str(bodies.dig(answer.body, f"properties.{path}")).lower() == unfit:
            yield Finding(check=CHECK, target=f"properties.{field}", ok=False, code=code, message=message)


def _region_of_a_group(question: Question) -> Iterator[Finding]:
    base = ids.below("", "subscriptions", question.target.id.subscription)
    known = [
        str(each.get("name", "")).lower()
        for each in rows_of(question.read(ids.below(base, "locations"), azure_versions.SUBSCRIPTIONS).body)
    ]
    given = ids.location(bodies.dig(question.body, "location"))
    if known and given not in known:
        message = f"'{str(bodies.dig(question.body, 'location'))[:80]}' is not a region of the subscription."
        yield Finding(check=CHECK, target="location", ok=False, code="LocationNotAvailableForResourceGroup", message=message)
    there = question.read(question.target.id.path, azure_versions.RESOURCES)
    if there.ok:
        yield from _as_it_stands(question, there.body)


def _plain(value: Any) -> str:
    """Return a value in a form for comparison: ids, regions and enums in lower case."""
    text = value if isinstance(value, str) else repr(sorted(value.items()) if isinstance(value, dict) else value)
    return "".join(text.lower().split()).strip("/")
