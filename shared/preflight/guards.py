"""Guards: harmful requests that Azure would accept and the app refuses. Each row has the reason from Microsoft's documentation.

Not here: what Azure itself refuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, kinds
from shared.rest import errors, ids, permissions

if TYPE_CHECKING:
    from shared.catalog.paths import Target
    from shared.rest.client import Client
    from shared.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """A type that cannot be moved: POST `moveResources` and `validateMoveResources` with such a resource are refused."""

    full_type: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A type that must not be deleted while a workspace refers to it in `field`, except with `?force=true`."""

    full_type: str
    field: str
    reason: str


WORKSPACES = f"{kinds.ML}/workspaces"
FIXED = (
    Fixed(
        full_type=WORKSPACES,
        reason=(
            "Moving an Azure Machine Learning workspace to another subscription, or its subscription to another tenant, is not "
            "supported and breaks it. Create a new workspace there instead."
        ),
    ),
)
USED = (
    Used(
        full_type="Microsoft.ContainerRegistry/registries",
        field="properties.containerRegistry",
        reason="A workspace that loses its container registry no longer works. ?force=true deletes the registry anyway.",
    ),
)


def check_move(target: Target, body: Any) -> None:
    """Refuse a move that would break the moved resource.

    Raises:
        BadRequestError: `MoveNotSupported` (409), naming the resource.
    """
    if target.action is None or not target.action.name.lower().endswith("moveresources"):
        return
    named = bodies.dig(body, "resources")
    if named is not None and not isinstance(named, list):
        message = f"'resources' is a JSON {bodies.noun(named)}; expected a list of resource ids."
        raise errors.BadRequestError("InvalidValue", message, target="resources")
    for position, each in enumerate(named or ()):
        try:
            moved = ids.parse(str(each))
        except errors.BadRequestError as problem:
            raise errors.BadRequestError(problem.error.code, problem.error.message, target=f"resources[{position}]") from None
        row = next((row for row in FIXED if row.full_type.lower() == moved.full_type.lower()), None)
        if row:
            raise errors.BadRequestError("MoveNotSupported", row.reason, target=moved.path, status=409)


def check_delete(target: Target, client: Client, settings: Settings, *, force: bool) -> None:
    """Refuse to delete a resource that a workspace in one of the app's subscriptions needs.

    Raises:
        BadRequestError: `ResourceInUse` (409), naming the workspaces.
        RejectedError, TransientError: not all workspaces could be listed; with `force` they are not.
    """
    row = next((row for row in USED if row.full_type.lower() == target.id.full_type.lower()), None)
    if row is None or force:
        return
    version = kinds.by_type()["arm", kinds.ML.lower(), "workspaces"].api_version
    users: list[str] = []
    for subscription in settings.everywhere(target.id.subscription):
        permissions.check_seen("workspaces", subscription, client, f"{WORKSPACES}/read")
        url = ids.url(client.cloud.arm, ids.provider(subscription, kinds.ML, "workspaces"), version)
        users += [
            str(each.get("id"))
            for each in client.pages(url)
            if str(bodies.dig(each, row.field) or "").strip("/").lower() == _key(target)
        ]
    if users:
        message = f"{target.id.name} is used by {', '.join(users)}. {row.reason}"
        raise errors.BadRequestError("ResourceInUse", message, target=target.id.path, status=409)


def _key(target: Target) -> str:
    return target.id.key.strip("/")
