"""The first answer of each operation, as recorded: status, which headers, which body. No Retry-After anywhere."""

from collections.abc import Callable

import pytest
import requests

from infra.local.emulator import scene
from tests.functional.emulator.bodies import CLUSTER, INSTANCE, PLACE, SCHEDULE
from tests.functional.emulator.client import ARM, Client, workspace_body


def header(answer: requests.Response, name: str) -> str | None:
    """A header by its exact name (requests compares in any case; the recorded case is part of the fact)."""
    return dict(answer.raw.headers.items()).get(name)


def test_a_workspace_answers_202_with_both_headers_and_nothing_else(azure: Client) -> None:
    """Create, update, PATCH and DELETE alike: `Content-Length: 0`, Location and Azure-AsyncOperation."""
    arm_id = azure.workspace()
    answers = [
        azure.arm("PUT", arm_id, workspace_body()),
        azure.arm("PATCH", arm_id, {"tags": {"a": "b"}}),
        azure.arm("POST", f"{arm_id}/resyncKeys"),
        azure.arm("DELETE", arm_id),
    ]
    for answer in answers:
        assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (202, b"", "0")
        assert "&type=location" in str(header(answer, "Location"))
        assert "&type=async" in str(header(answer, "Azure-AsyncOperation"))
        assert "Retry-After" not in answer.headers


def test_diagnose_has_a_location_only(azure: Client) -> None:
    """202 empty; the Location answers 200 with the result, one key of which is literally "9"."""
    arm_id = azure.workspace()
    answer = azure.arm("POST", f"{arm_id}/diagnose", {"value": {}})
    assert (answer.status_code, answer.content) == (202, b"")
    assert "Azure-AsyncOperation" not in answer.headers
    result = azure.arm("GET", answer.headers["Location"])
    assert result.json()["value"]["9"] == []


def test_a_compute_has_no_location_header(azure: Client) -> None:
    """PUT 201 with the resource, PATCH 202 with it, DELETE 202 empty: azure-asyncoperation only, in lower case."""
    arm_id = f"{azure.workspace()}/computes/cpu-cluster"
    made = azure.arm("PUT", arm_id, CLUSTER)
    assert (made.status_code, made.json()["properties"]["provisioningState"]) == (201, "Creating")
    azure.arm("GET", made.headers["azure-asyncoperation"])
    changed = azure.arm("PATCH", arm_id, {"properties": {"properties": {"scaleSettings": {"maxNodeCount": 2}}}})
    assert (changed.status_code, changed.json()["properties"]["provisioningState"]) == (202, "Updating")
    again = azure.arm("PUT", arm_id, CLUSTER)
    assert again.status_code == 201
    gone = azure.arm("DELETE", f"{arm_id}?underlyingResourceAction=Delete")
    assert (gone.status_code, gone.content) == (202, b"")
    for answer in (made, changed, again, gone):
        assert "Location" not in answer.headers
        assert "&service=new" in str(header(answer, "azure-asyncoperation"))


@pytest.mark.parametrize("action", ["stop", "start", "restart"])
def test_starting_and_stopping_an_instance_answers_202(azure: Client, action: str) -> None:
    """Azure-AsyncOperation only, empty body."""
    arm_id = f"{azure.workspace()}/computes/workstation"
    azure.arm("GET", azure.arm("PUT", arm_id, INSTANCE).headers["azure-asyncoperation"])
    answer = azure.arm("POST", f"{arm_id}/{action}")
    assert (answer.status_code, answer.content) == (202, b"")
    assert "Location" not in answer.headers
    assert azure.arm("GET", answer.headers["azure-asyncoperation"]).json()["status"] == "Succeeded"


def test_the_location_of_an_endpoints_201_is_the_endpoint(azure: Client) -> None:
    """Create and update: 201, Location = the resource, status URL in a header and in `properties.properties`."""
    arm_id = f"{azure.workspace()}/onlineEndpoints/line"
    for state in ("Creating", "Updating"):
        answer = azure.arm("PUT", arm_id, {**PLACE, "properties": {"authMode": "Key"}})
        assert (answer.status_code, answer.json()["properties"]["provisioningState"]) == (201, state)
        assert str(header(answer, "location")).startswith(f"{ARM}{arm_id}?api-version=")
        status_url = str(header(answer, "azure-asyncoperation"))
        assert "/mfeOperationsStatus/oe:" in status_url
        assert answer.json()["properties"]["properties"]["AzureAsyncOperationUri"] == status_url
        assert answer.headers["x-ms-async-operation-timeout"] == "PT30M"
        assert azure.arm("GET", status_url).json()["status"] == "Succeeded"


@pytest.mark.parametrize("collection", ["onlineEndpoints", "batchEndpoints"])
def test_deleting_an_endpoint_answers_the_four_characters_null(azure: Client, collection: str) -> None:
    """202, body `null`; Location names mfeOperationResults, Azure-AsyncOperation mfeOperationsStatus."""
    arm_id = f"{azure.workspace()}/{collection}/line"
    made = azure.arm("PUT", arm_id, {**PLACE, "properties": {"authMode": "AADToken"}})
    azure.arm("GET", made.headers["azure-asyncoperation"])
    answer = azure.arm("DELETE", arm_id)
    assert (answer.status_code, answer.content) == (202, b"null")
    assert "/mfeOperationResults/" in answer.headers["Location"]
    assert "/mfeOperationsStatus/" in answer.headers["azure-asyncoperation"]


def test_a_newer_batch_endpoint_deletes_with_an_empty_body(azure: Client) -> None:
    """The newest recordings: 202 without the `null`, ids beginning `bebes:`."""
    arm_id = f"{azure.workspace()}/batchEndpoints/line"
    made = azure.arm("PUT", arm_id, {**PLACE, "properties": {"authMode": "AADToken"}}, version="2025-06-01")
    assert "/bebes:" in made.headers["azure-asyncoperation"]
    azure.arm("GET", made.headers["azure-asyncoperation"])
    assert azure.arm("DELETE", arm_id, version="2025-06-01").content == b""


def test_a_schedule_answers_201_with_both_headers_and_is_deleted_with_null(azure: Client) -> None:
    """PUT: resource, Creating; DELETE: 202 `null`."""
    arm_id = f"{azure.workspace()}/schedules/nightly"
    made = azure.arm("PUT", arm_id, SCHEDULE)
    assert (made.status_code, made.json()["properties"]["provisioningState"]) == (201, "Creating")
    assert made.headers["Location"].startswith(f"{ARM}{arm_id}?")
    azure.arm("GET", made.headers["azure-asyncoperation"])
    gone = azure.arm("DELETE", arm_id)
    assert (gone.status_code, gone.content) == (202, b"null")


def test_assets_are_synchronous(azure: Client, upload: Callable[[str, dict[str, bytes]], str]) -> None:
    """PUT 201 with Location = the resource and no operation; again 200; DELETE 200 empty, then 204."""
    workspace = azure.workspace()
    uri = upload(workspace, {"model.txt": b"weights"})
    for collection, properties in {
        "models": {"modelUri": f"{uri}/model.txt"},
        "codes": {"codeUri": uri},
        "data": {"dataUri": uri, "dataType": "uri_folder"},
        "environments": {"image": "python:3"},
        "components": {"componentSpec": {"type": "command"}},
    }.items():
        arm_id = f"{workspace}/{collection}/thing/versions/1"
        made = azure.arm("PUT", arm_id, {"properties": properties})
        state = None if collection == "data" else "Succeeded"  # no version describes one of data
        assert (made.status_code, made.json()["properties"].get("provisioningState")) == (201, state), made.text
        assert made.headers["Location"].startswith(f"{ARM}{arm_id}?")
        assert "azure-asyncoperation" not in made.headers
        assert azure.arm("PUT", arm_id, {"properties": properties}).status_code == 200
        gone = azure.arm("DELETE", arm_id)
        assert (gone.status_code, gone.content) == (200, b"")
        assert azure.arm("DELETE", arm_id).status_code == 204


def test_a_datastore_is_deleted_with_an_empty_200(azure: Client) -> None:
    """No operation; its secret is shown by listSecrets alone."""
    workspace = azure.workspace()
    credentials = {
        "credentialsType": "AccountKey",
        "secrets": {"secretsType": "AccountKey", "key": scene.storage_keys(scene.STORAGE_ACCOUNT)[0]},
    }
    properties = {
        "datastoreType": "AzureBlob",
        "accountName": scene.STORAGE_ACCOUNT,
        "containerName": "azureml",
        "credentials": credentials,
    }
    made = azure.arm("PUT", f"{workspace}/datastores/mine", {"properties": properties})
    assert made.status_code == 201, made.text
    assert credentials["secrets"]["key"] not in azure.arm("GET", f"{workspace}/datastores/mine").text
    secret = azure.arm("POST", f"{workspace}/datastores/mine/listSecrets").json()
    assert secret == {"secretsType": "AccountKey", "key": credentials["secrets"]["key"]}
    gone = azure.arm("DELETE", f"{workspace}/datastores/mine")
    assert (gone.status_code, gone.content) == (200, b"")
    wrong = {**properties, "credentials": {**credentials, "secrets": {"secretsType": "AccountKey", "key": "wrong"}}}
    assert azure.arm("PUT", f"{workspace}/datastores/mine", {"properties": wrong}).status_code == 400
    assert azure.arm("PUT", f"{workspace}/datastores/mine?skipValidation=true", {"properties": wrong}).status_code == 201


def test_regenerated_keys_answer_null_and_their_location_is_soon_unknown(azure: Client) -> None:
    """202 `null`, Location only, no timeout header; the Location answers 404, yet the key is new."""
    arm_id = f"{azure.workspace()}/onlineEndpoints/line"
    azure.arm("GET", azure.arm("PUT", arm_id, {**PLACE, "properties": {"authMode": "Key"}}).headers["azure-asyncoperation"])
    before = azure.arm("POST", f"{arm_id}/listKeys").json()
    answer = azure.arm("POST", f"{arm_id}/regenerateKeys", {"keyType": "Primary"})
    assert (answer.status_code, answer.content) == (202, b"null")
    assert "azure-asyncoperation" not in answer.headers
    assert "x-ms-async-operation-timeout" not in answer.headers
    poll = azure.arm("GET", answer.headers["Location"])
    assert (poll.status_code, poll.json()["error"]["code"]) == (404, "NotFound")
    assert "OperationNotFound" in poll.text
    after = azure.arm("POST", f"{arm_id}/listKeys").json()
    assert after["primaryKey"] != before["primaryKey"]
    assert after["secondaryKey"] == before["secondaryKey"]
