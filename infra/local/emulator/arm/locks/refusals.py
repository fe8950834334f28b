"""The refusals of locks, as rows: what Azure says, when, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator.arm import refusals
from infra.local.emulator.refusal import GITHUB, LEARN, Proof, Refusal

if TYPE_CHECKING:
    from infra.local.emulator import web
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World


ROWS: tuple[Refusal, ...] = (
    Refusal(name="locked against deletion", status=409, code="ScopeLocked", message=(
            "The scope '{}' cannot perform delete operation because following scope(s) are locked: '{}'. Please remove the lock "
            "and try again."
        ), proof=Proof.TEXT, source=f"{GITHUB}Azure/azure-cli/issues/20232"),
    Refusal(name="locked against writes", status=409, code="ScopeLocked", message=(
            "The scope '{}' cannot perform write operation because following scope(s) are locked: '{}'. Please remove the lock and "
            "try again."
        ), proof=Proof.CODE, source=f"{LEARN}azure-resource-manager/management/lock-resources"),
    Refusal(name="lock level unknown", status=400, code="InvalidLockLevel", message="The lock level '{}' is not one of {}."),
    Refusal(name="lock missing", status=404, code="LockNotFound", message="The lock '{}' could not be found."),
)  # fmt: skip


TYPE = "Microsoft.Authorization/locks"
PROVIDER = f"/providers/{TYPE}"


def check(world: World, request: web.Request) -> None:
    """Refuse what a lock at the scope or above it (for a DELETE: also below it) forbids.

    Raises:
        web.Refused: 409 `ScopeLocked`.
    """
    locks = world.resources.of_type(TYPE.lower())
    if not locks or request.method in {"GET", "HEAD", "OPTIONS"} or PROVIDER.lower() in request.path.lower():
        return
    deleting, wanted = request.method == "DELETE", world.resources.key(request.path)
    holding = [
        lock
        for lock in locks
        if (deleting or lock.properties["level"] == "ReadOnly")
        and (covers(scope := scope_of(lock), wanted) or (deleting and covers(wanted, scope)))
    ]
    if not holding:
        return
    verb, scopes = ("delete" if deleting else "write"), ",".join(sorted({lock.id[: -len(_tail(lock))] for lock in holding}))
    text = (
        f"The scope '{request.path}' cannot perform {verb} operation because following scope(s) are locked: '{scopes}'. "
        "Please remove the lock and try again."
    )
    raise refusals.refuse(409, "ScopeLocked", text)


def _tail(lock: Resource) -> str:
    return lock.id[lock.id.lower().rindex(PROVIDER.lower()) :]


def scope_of(lock: Resource) -> str:
    """What the lock is put on."""
    return lock.id[: -len(_tail(lock))].lower()


def covers(scope: str, below: str) -> bool:
    """Whether a scope is the other one, or lies above it."""
    return below == scope or below.startswith(scope + "/")
