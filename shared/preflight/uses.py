"""Which deployments name the version that a DELETE is about: it is not known whether Azure refuses, so the answer is `null`.

Not here: what the clean-up keeps (cleanup.facts.mentions), what the app refuses to delete (preflight.guards).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog import kinds
from shared.preflight.findings import Finding, unknown
from shared.rest import errors, ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.preflight.findings import Question

_USED = frozenset(("models", "environments", "codes", "data"))
_FAMILIES = ("onlineEndpoints", "batchEndpoints")
_MOST = 50  # endpoints of a family whose deployments are read; deployments that are named


def check(question: Question) -> Iterator[Finding]:
    """Yield that deployments of the workspace name the asset, or one of its versions."""
    asset = question.target.id
    if question.method != "DELETE" or asset.namespace.lower() != kinds.ML.lower() or len(asset.types) < 2:
        return
    if asset.types[0].lower() != "workspaces" or asset.types[1] not in _USED:
        return
    cut: list[str] = []
    try:
        users = list(_users(question, cut))
    except errors.StewardError as problem:
        yield unknown("guard", asset.path, problem.error)
        return
    if users:
        message = (
            f"It is named by {', '.join(users[:_MOST])}. Azure may delete it all the same; a deployment that restarts or scales "
            "then does not find it. Delete or change the deployment first."
        )
        yield Finding(check="guard", target=asset.path, ok=None, code="InUse", message=message)
    elif cut:
        message = f"There are more than {_MOST} {cut[0]}; the app has not read the deployments of all."
        yield Finding(check="guard", target=asset.path, ok=None, code="Unknown", message=message)


def _users(question: Question, cut: list[str]) -> Iterator[str]:
    """Yield the deployments whose bodies name the asset; `cut` gets the families that have more endpoints than are read."""
    client, workspace, key = question.client, question.target.id.ancestor(1), question.target.id.key
    for family in _FAMILIES:
        version = kinds.by_type()["arm", kinds.ML.lower(), f"workspaces/{family.lower()}"].api_version
        listed = client.pages(ids.url(client.cloud.arm, ids.below(workspace.path, family), version))
        for count, endpoint in enumerate(listed):
            if count == _MOST:
                cut.append(family)
                break
            place = workspace.child(family, str(endpoint.get("name")))
            url = ids.url(client.cloud.arm, ids.below(place.path, "deployments"), version)
            for each in client.pages(url):
                if any(f"{text.lower()}/".startswith(f"{key}/") for text in _texts(each.get("properties"))):
                    yield f"{family}/{place.name}/deployments/{each.get('name')}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
