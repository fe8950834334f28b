"""Connections are synchronous and keep their secret; outbound rules are operations whose results are data."""

from tests.functional.emulator.client import Client


def test_a_connection_is_put_with_200_and_shows_its_secret_to_listsecrets_alone(azure: Client) -> None:
    """PUT 200, PATCH 200, DELETE 200 empty, then 204; an unknown one is a 404 in shape (c)."""
    arm_id = f"{azure.workspace()}/connections/search"
    properties = {"category": "CognitiveSearch", "target": "https://s", "authType": "ApiKey", "credentials": {"key": "hidden-key"}}
    assert azure.arm("PUT", arm_id, {"properties": properties}).status_code == 200
    assert "hidden-key" not in azure.arm("GET", arm_id).text
    assert azure.arm("POST", f"{arm_id}/listsecrets").json()["properties"]["credentials"] == {"key": "hidden-key"}
    assert azure.arm("PATCH", arm_id, {"properties": {"target": "https://t"}}).json()["properties"]["target"] == "https://t"
    assert len(azure.arm("GET", f"{arm_id.rpartition('/')[0]}?category=cognitivesearch").json()["value"]) == 1
    gone = azure.arm("DELETE", arm_id)
    assert (gone.status_code, gone.content) == (200, b"")
    assert azure.arm("DELETE", arm_id).status_code == 204
    missing = azure.arm("GET", arm_id)
    assert missing.status_code == 404
    assert "correlation" in missing.json()


def test_an_outbound_rules_location_ends_with_data(azure: Client) -> None:
    """PUT: the rule, whose `status: Active` is no operation's state; DELETE: the workspace's body, as recorded."""
    workspace = azure.workspace()
    arm_id = f"{workspace}/outboundRules/pypi"
    first = azure.arm("PUT", arm_id, {"properties": {"type": "FQDN", "destination": "pypi.org"}})
    assert (first.status_code, first.content) == (202, b"")
    assert azure.arm("GET", first.headers["Location"]).json()["properties"]["status"] == "Active"
    gone = azure.arm("DELETE", arm_id)
    assert azure.arm("GET", gone.headers["Location"]).json()["id"] == workspace
    assert azure.arm("GET", arm_id).status_code == 404


def test_provisioning_the_network_ends_with_a_status_that_is_data(azure: Client) -> None:
    """`{"status":"Active","sparkReady":false}`."""
    first = azure.arm("POST", f"{azure.workspace()}/provisionManagedNetwork", {"includeSpark": False})
    assert (first.status_code, "Azure-AsyncOperation" in first.headers) == (202, True)
    assert azure.arm("GET", first.headers["Location"]).json() == {"status": "Active", "sparkReady": False}


def test_what_a_workspace_here_never_has_is_an_empty_list(azure: Client) -> None:
    """Features, private links, outbound dependencies."""
    workspace = azure.workspace()
    for name in ("features", "privateLinkResources", "privateEndpointConnections", "outboundNetworkDependenciesEndpoints"):
        assert azure.arm("GET", f"{workspace}/{name}").json() == {"value": []}
