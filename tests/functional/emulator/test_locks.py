"""Management locks: listed at, above and below a scope, and obeyed."""

from infra.local.emulator import scene
from tests.functional.emulator.client import Client

VERSION = "2020-05-01"
LOCKS = "providers/Microsoft.Authorization/locks"


def lock(azure: Client, scope: str, name: str, level: str) -> int:
    """Put one; its status."""
    return azure.arm("PUT", f"{scope}/{LOCKS}/{name}", {"properties": {"level": level}}, version=VERSION).status_code


def names(azure: Client, scope: str, query: str = "") -> set[str]:
    """The locks listed at a scope."""
    return {one["name"] for one in azure.arm("GET", f"{scope}/{LOCKS}{query}", version=VERSION).json()["value"]}


def test_a_lock_on_the_group_or_the_resource_or_in_it_stops_a_delete(azure: Client) -> None:
    """409 `ScopeLocked`, naming the locked scope; taken away, the delete goes through."""
    workspace = azure.workspace()
    for scope in (scene.GROUP_ID, workspace, f"{workspace}/computes/box"):
        assert lock(azure, scope, "keep", "CanNotDelete") == 201
        refused = azure.arm("DELETE", workspace)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "ScopeLocked")
        assert scope in refused.json()["error"]["message"]
        assert azure.arm("PATCH", workspace, {"tags": {"a": "b"}}).status_code == 202
        assert azure.arm("DELETE", f"{scope}/{LOCKS}/keep", version=VERSION).status_code == 200
    assert azure.arm("DELETE", workspace).status_code == 202


def test_read_only_stops_changes_and_actions_too(azure: Client) -> None:
    """PATCH and POST are refused; GET and the lock's own DELETE are not."""
    workspace = azure.workspace()
    assert lock(azure, workspace, "frozen", "readonly") == 201
    assert azure.arm("PATCH", workspace, {"tags": {"a": "b"}}).status_code == 409
    assert azure.arm("POST", f"{workspace}/listKeys").status_code == 409
    assert azure.arm("GET", workspace).status_code == 200
    assert azure.arm("DELETE", f"{workspace}/{LOCKS}/frozen", version=VERSION).status_code == 200


def test_lists_hold_what_is_above_and_below(azure: Client) -> None:
    """Without a filter all three; `atScope()` leaves out what is below."""
    workspace = azure.workspace()
    for scope, name in ((scene.GROUP_ID, "above"), (workspace, "at"), (f"{workspace}/computes/box", "below")):
        lock(azure, scope, name, "CanNotDelete")
    assert names(azure, workspace) == {"above", "at", "below"}
    assert names(azure, workspace, "?$filter=atScope()") == {"above", "at"}
    assert lock(azure, workspace, "odd", "Sometimes") == 400
