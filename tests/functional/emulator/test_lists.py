"""Collections: pages, nextLink as ARM writes it, and views that hide what is archived."""

from collections.abc import Callable

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.client import Client

GROUPS = f"/subscriptions/{scene.SUBSCRIPTION_ID}/resourceGroups"


def test_three_groups_are_two_pages_of_two(azure: Client) -> None:
    """NextLink is a whole URL with `$skipToken` and the api-version; the last page has no nextLink at all."""
    azure.control("PUT", "limits", {"page_size": 2})
    first = azure.arm("GET", GROUPS, version="2022-09-01").json()
    assert [group["name"] for group in first["value"]] == ["rg-steward", "rg-analytics"]
    assert "$skipToken=Mg%3d%3d" in first["nextLink"]
    assert "api-version=2022-09-01" in first["nextLink"]
    second = azure.arm("GET", first["nextLink"]).json()
    assert [group["name"] for group in second["value"]] == ["rg-sandbox"]
    assert "nextLink" not in second


def test_an_empty_list_has_no_next_link(azure: Client) -> None:
    """`{"value":[]}`."""
    assert azure.arm("GET", f"{azure.workspace()}/jobs").json() == {"value": []}


def test_the_articles_trailing_slash_is_accepted(azure: Client) -> None:
    """`…/workspaces/?api-version=…`."""
    arm_id = azure.workspace()
    assert [item["id"] for item in azure.arm("GET", f"{arm_id.rpartition('/')[0]}/").json()["value"]] == [arm_id]


@pytest.mark.parametrize("bad", ["$top=zero", "$top=0", "$skipToken=%%%"])
def test_a_bad_page_query_is_refused(azure: Client, bad: str) -> None:
    """400, not a wrong page."""
    assert azure.arm("GET", f"{GROUPS}?{bad}", version="2022-09-01").status_code == 400


def test_versions_are_paged_with_the_query_encoded_anew(azure: Client) -> None:
    """`$top=1` still gives a nextLink; a space in `$orderBy` comes back as `+`."""
    workspace = azure.workspace()
    for n in (1, 2, 3):
        azure.arm("PUT", f"{workspace}/environments/env/versions/{n}", {"properties": {"image": f"python:3.{n}"}})
    page = azure.arm("GET", f"{workspace}/environments/env/versions?$orderBy=createdtime%20desc&$top=1&listViewType=All").json()
    assert [item["name"] for item in page["value"]] == ["3"]
    assert "$orderBy=createdtime+desc" in page["nextLink"]
    assert "listViewType=All" in page["nextLink"]
    names = []
    while page:
        names += [item["name"] for item in page["value"]]
        page = azure.arm("GET", page["nextLink"]).json() if "nextLink" in page else None
    assert names == ["3", "2", "1"]


def test_archived_and_anonymous_versions_hide_unless_asked_for(
    azure: Client, upload: Callable[[str, dict[str, bytes]], str]
) -> None:
    """listViewType: ActiveOnly (default), ArchivedOnly, All."""
    workspace = azure.workspace()
    uri = upload(workspace, {"m.bin": b"x"})
    for name, extra in {"1": {}, "2": {"isArchived": True}, "3": {"isAnonymous": True}}.items():
        azure.arm("PUT", f"{workspace}/models/m/versions/{name}", {"properties": {"modelUri": uri, **extra}})

    def names(view: str) -> list[str]:
        found = azure.arm("GET", f"{workspace}/models/m/versions{view}").json()["value"]
        return [item["name"] for item in found]

    assert names("") == ["1"]
    assert names("?listViewType=ArchivedOnly") == ["2"]
    assert names("?listViewType=All") == ["1", "2", "3"]


def test_version_numbers_go_on_after_a_delete(azure: Client) -> None:
    """After deleting all versions, nextVersion is still the next one."""
    workspace = azure.workspace()
    for n in (1, 2):
        azure.arm("PUT", f"{workspace}/environments/env/versions/{n}", {"properties": {"image": "python:3"}})
    for n in (1, 2):
        azure.arm("DELETE", f"{workspace}/environments/env/versions/{n}")
    container = azure.arm("GET", f"{workspace}/environments/env").json()["properties"]
    assert (container["latestVersion"], container["nextVersion"]) == (None, "3")


def test_a_registered_version_cannot_be_changed(azure: Client) -> None:
    """Only description, tags, properties and isArchived; 409 is where azure-ai-ml goes on to the next version."""
    arm_id = f"{azure.workspace()}/environments/env/versions/1"
    azure.arm("PUT", arm_id, {"properties": {"image": "python:3"}})
    assert azure.arm("PUT", arm_id, {"properties": {"image": "python:3", "tags": {"a": "b"}}}).status_code == 200
    refused = azure.arm("PUT", arm_id, {"properties": {"image": "python:4"}})
    assert refused.status_code == 409
    assert "already registered and cannot be changed" in refused.json()["error"]["message"]


def test_a_model_must_lie_somewhere(azure: Client) -> None:
    """`The specified path does not exist`, before anything is registered."""
    workspace = azure.workspace()
    uri = "azureml://datastores/workspaceblobstore/paths/nowhere/model.pkl"
    answer = azure.arm("PUT", f"{workspace}/models/m/versions/1", {"properties": {"modelUri": uri}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UserError")
    assert "does not exist" in answer.json()["error"]["message"]
    missing = azure.arm("GET", f"{workspace}/models/m/versions/1")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "UserError")
    assert "ModelNotFound" in missing.text
