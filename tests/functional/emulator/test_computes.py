"""Computes: the article's cluster, sizes and quota, instances that start and stop, what is refused for which type."""

from typing import Any

import pytest

from tests.functional.emulator.bodies import CLUSTER, INSTANCE
from tests.functional.emulator.client import Client


def cluster(**inner: Any) -> dict[str, Any]:
    """The article's body with other inner properties."""
    properties = CLUSTER["properties"]
    return {**CLUSTER, "properties": {**properties, "properties": {**properties["properties"], **inner}}}  # type: ignore[dict-item]


def made(azure: Client, name: str, body: dict[str, Any]) -> str:
    """A finished compute's id."""
    arm_id = f"{azure.workspace()}/computes/{name}"
    answer = azure.arm("PUT", arm_id, body, version="2019-11-01")
    assert answer.status_code == 201, answer.text
    assert azure.arm("GET", answer.headers["azure-asyncoperation"]).json()["status"] == "Succeeded"
    return arm_id


def test_the_articles_cluster_ends_succeeded_and_shows_no_password(azure: Client) -> None:
    """2019-11-01, Standard_D1, 0 to 1 nodes; userAccountCredentials are never shown."""
    found = azure.arm("GET", made(azure, "cpu-cluster", CLUSTER), version="2019-11-01")
    properties = found.json()["properties"]
    assert (properties["provisioningState"], properties["properties"]["currentNodeCount"]) == ("Succeeded", 0)
    assert properties["properties"]["vmSize"] == "STANDARD_D1"
    assert "never-shown" not in found.text


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (cluster(vmSize="Standard_Huge"), "InvalidPropertyValue"),
        (cluster(scaleSettings={"minNodeCount": 3, "maxNodeCount": 1}), "InvalidPropertyValue"),
        (cluster(scaleSettings={}), "InvalidPropertyValue"),
        ({"location": "westeurope", "properties": {"computeType": "Quantum"}}, "ValidationError"),
        ({"location": "westeurope", "properties": {}}, "ValidationError"),
    ],
)
def test_an_impossible_compute_is_refused_early(azure: Client, body: dict[str, Any], code: str) -> None:
    """400 in shape (c): code UserError, the useful code innermost."""
    answer = azure.arm("PUT", f"{azure.workspace()}/computes/cpu", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UserError")
    assert answer.json()["error"]["innerError"]["innerError"]["code"] == code
    assert {"correlation", "environment", "location", "componentName"} <= set(answer.json())


def test_an_unknown_size_is_answered_with_the_known_ones(azure: Client) -> None:
    """The message lists them, as recorded."""
    answer = azure.arm("PUT", f"{azure.workspace()}/computes/cpu", cluster(vmSize="Standard_Huge"))
    assert "STANDARD_D1," in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["c", "1st", "a" * 25, "cluster-7", "under_score"])
def test_a_bad_name_is_refused(azure: Client, name: str) -> None:
    """Azure's own pattern: not ending in a dash and digits."""
    assert azure.arm("PUT", f"{azure.workspace()}/computes/{name}", CLUSTER).status_code == 400


def test_a_minimum_over_the_quota_fails_later_with_provisioning_errors(azure: Client) -> None:
    """201; then Failed with HTTP 200 and ClusterMinNodesExceedCoreQuota."""
    azure.control("PUT", "limits", {"vm_quota_cores": 4})
    arm_id = f"{azure.workspace()}/computes/cpu"
    first = azure.arm("PUT", arm_id, cluster(scaleSettings={"minNodeCount": 5, "maxNodeCount": 5}))
    assert first.status_code == 201
    assert azure.arm("GET", first.headers["azure-asyncoperation"]).json()["error"]["code"] == "ClusterMinNodesExceedCoreQuota"
    properties = azure.arm("GET", arm_id).json()["properties"]
    assert properties["provisioningState"] == "Failed"
    assert properties["provisioningErrors"][0]["error"]["code"] == "ClusterMinNodesExceedCoreQuota"


def test_a_cluster_is_patched_two_levels_deep(azure: Client) -> None:
    """`properties.properties.scaleSettings` merges: the minimum stays."""
    arm_id = made(
        azure, "cpu-cluster", cluster(scaleSettings={"minNodeCount": 0, "maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": "PT5M"})
    )
    azure.arm("PATCH", arm_id, {"properties": {"properties": {"scaleSettings": {"maxNodeCount": 3}}}})
    scale = azure.arm("GET", arm_id).json()["properties"]["properties"]["scaleSettings"]
    assert scale == {"minNodeCount": 0, "maxNodeCount": 3, "nodeIdleTimeBeforeScaleDown": "PT5M"}


def test_an_instance_stops_and_starts(azure: Client) -> None:
    """State and lastOperation follow; stopping twice is harmless, restarting a stopped one is a 409."""
    arm_id = made(azure, "workstation", INSTANCE)

    def inner() -> Any:
        return azure.arm("GET", arm_id).json()["properties"]["properties"]

    assert inner()["state"] == "Running"
    azure.control("PUT", "transitions", {"compute": "polls:1"})
    poll = azure.arm("POST", f"{arm_id}/stop").headers["azure-asyncoperation"]
    assert inner()["state"] == "Stopping"
    assert azure.arm("POST", f"{arm_id}/start").status_code == 409
    for _ in range(2):
        azure.arm("GET", poll)
    assert inner()["state"] == "Stopped"
    assert inner()["lastOperation"]["operationName"] == "Stop"
    assert azure.arm("POST", f"{arm_id}/restart").status_code == 409


def test_what_a_type_cannot_do_is_refused_by_name(azure: Client) -> None:
    """`ComputeListNodes with computeType ComputeInstance is not supported.`, and start for a cluster."""
    instance = made(azure, "workstation", INSTANCE)
    assert "computeType ComputeInstance is not supported" in azure.arm("POST", f"{instance}/listNodes").text
    assert azure.arm("POST", f"{instance}/listKeys").status_code == 400
    azure.arm("PUT", f"{instance.rpartition('/')[0]}/cpu-cluster", CLUSTER)
    assert azure.arm("POST", f"{instance.rpartition('/')[0]}/cpu-cluster/start").status_code == 400
    assert azure.arm("POST", f"{instance.rpartition('/')[0]}/cpu-cluster/listNodes").json() == {"nodes": []}


@pytest.mark.parametrize(("given", "status"), [("PT30M", 200), ("P3D", 200), ("PT14M", 400), ("P4D", 400), ("soon", 400)])
def test_the_idle_shutdown_of_an_instance_is_between_15_minutes_and_3_days(azure: Client, given: str, status: int) -> None:
    """The POST that no client offers."""
    arm_id = made(azure, "workstation", INSTANCE)
    answer = azure.arm("POST", f"{arm_id}/updateIdleShutdownSetting", {"idleTimeBeforeShutdown": given}, version="2021-07-01")
    assert answer.status_code == status


def test_sizes_usages_and_quotas_are_told_per_region(azure: Client) -> None:
    """Running instances count against the quota of their family."""
    made(azure, "workstation", INSTANCE)
    base = f"{azure.workspace().partition('/resourceGroups')[0]}/providers/Microsoft.MachineLearningServices/locations/westeurope"
    assert "Standard_D1" in {size["name"] for size in azure.arm("GET", f"{base}/vmSizes").json()["value"]}
    used = {item["name"]["value"]: item["currentValue"] for item in azure.arm("GET", f"{base}/usages").json()["value"]}
    assert used["Standard DSv2 Family Cluster Dedicated vCPUs"] == 1
    assert azure.arm("GET", f"{base}/quotas").json()["value"][0]["limit"] == 100


def test_a_delete_may_omit_what_to_do_with_the_underlying_resource(azure: Client) -> None:
    """202 with and without underlyingResourceAction; any other value is refused; a second DELETE is a 404."""
    arm_id = made(azure, "cpu-cluster", CLUSTER)
    assert azure.arm("DELETE", f"{arm_id}?underlyingResourceAction=Explode").status_code == 400
    assert azure.arm("DELETE", arm_id).status_code == 202
    gone = azure.arm("DELETE", arm_id)
    assert (gone.status_code, gone.content) == (404, b"")
