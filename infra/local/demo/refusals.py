"""Step 7: what cannot be is refused clearly: early where Azure says so at once, in the operation where it fails later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.demo.story import WORKSPACE_PATH, check, cluster_body, workspace_body
from infra.local.emulator import scene

if TYPE_CHECKING:
    import requests

    from infra.local.demo.story import Story

REFUSED = 400
NOT_FOUND = 404


def unknown_vm_size(story: Story) -> str:
    """Azure refuses a size it does not have before it starts anything."""
    path = f"{WORKSPACE_PATH}/computes/impossible"
    return _error(story.app.send("PUT", path, json=cluster_body("Standard_Z999"), expect=REFUSED), "Standard_Z999")


def missing_dependency(story: Story) -> str:
    """A key vault that does not exist."""
    body = workspace_body(key_vault_id=f"{scene.GROUP_ID}/providers/Microsoft.KeyVault/vaults/no-such-vault")
    answer = story.app.send("PUT", "workspaces/ml-no-vault", json=body, expect=(REFUSED, NOT_FOUND))
    return _error(answer, "no-such-vault")


def registry_without_admin(story: Story) -> str:
    """The article's own example: accepted, then failed by the workspace service; the operation says why."""
    body = workspace_body(scene.REGISTRY_WITHOUT_ADMIN_ID)
    ended = story.app.follow(story.app.send("PUT", "workspaces/ml-no-admin", json=body, expect=202))
    check(ended.status == "Failed", f"it ended {ended.status}")
    check("admin" in str(ended.error.get("message", "")).lower(), f"the error does not say why: {ended.error}")
    story.app.send("GET", f"operations/{ended.operation['name']}/result", expect=tuple(range(400, 500)))
    return f"{ended.status}: {ended.error['code']}: {_short(ended.error['message'])}"


def no_such_workspace(story: Story) -> str:
    """A child of a workspace that is not there, and the workspace itself."""
    story.app.send("PUT", "workspaces/ml-nowhere/computes/cpu", json=cluster_body(), expect=NOT_FOUND)
    return _error(story.app.send("GET", "workspaces/ml-nowhere", expect=NOT_FOUND), "ml-nowhere")


def _error(answer: requests.Response, named: str) -> str:
    error = answer.json()["error"]
    check(named.lower() in error["message"].lower(), f"the message does not name {named}: {error['message']}")
    return f"{answer.status_code} {error['code']}: {_short(error['message'])}"


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= 90 else f"{line[:87]}..."
