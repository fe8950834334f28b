"""What ARM refuses before any provider sees the request, in ARM's words; and what every answer carries."""

from typing import Any

import pytest

from infra.local.emulator import scene
from infra.local.emulator.authorization.roles import OWNER
from tests.functional.emulator.bodies import COMPONENT, REGISTRY, VAULT
from tests.functional.emulator.client import ARM, VERSION, WORKSPACES, Client, workspace_body

SUBSCRIPTION = f"/subscriptions/{scene.SUBSCRIPTION_ID}"
OTHER = "/subscriptions/00000000-0000-0000-0000-0000000000ff"


@pytest.mark.parametrize(
    ("method", "path", "version", "status", "code"),
    [
        ("GET", "/subscriptions", None, 400, "MissingApiVersionParameter"),
        ("GET", f"{SUBSCRIPTION}/resourceGroups", "1999-01-01", 400, "InvalidApiVersionParameter"),
        ("GET", WORKSPACES, "1999-01-01", 400, "NoRegisteredProviderFound"),
        ("GET", f"{WORKSPACES}/w/jobs", "2019-11-01", 400, "NoRegisteredProviderFound"),
        ("GET", f"{OTHER}/resourceGroups", "2022-09-01", 404, "SubscriptionNotFound"),
        ("GET", "/subscriptions/nonsense/resourceGroups", "2022-09-01", 400, "InvalidSubscriptionId"),
        ("GET", f"{SUBSCRIPTION}/resourceGroups/none", "2022-09-01", 404, "ResourceGroupNotFound"),
        ("DELETE", WORKSPACES.replace("rg-steward", "none") + "/w", VERSION, 404, "ResourceGroupNotFound"),
        ("GET", f"{scene.GROUP_ID}/providers/Microsoft.Nothing/things/a", VERSION, 404, "InvalidResourceNamespace"),
        ("GET", f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/things/a", VERSION, 404, "InvalidResourceType"),
        ("GET", f"{WORKSPACES}/none", VERSION, 404, "ResourceNotFound"),
        ("GET", f"{WORKSPACES}/none/computes/c", VERSION, 404, "ParentResourceNotFound"),
        ("PUT", f"{WORKSPACES}/none/models/m/versions/1", VERSION, 404, "ParentResourceNotFound"),
        ("GET", f"{scene.GROUP_ID}/providers/Microsoft.Storage/storageAccounts/none", "2023-05-01", 404, "ResourceNotFound"),
    ],
)
def test_arm_refuses_in_its_own_words(azure: Client, method: str, path: str, version: str | None, status: int, code: str) -> None:
    """Shape (a): `{"error":{"code","message"}}` with `x-ms-failure-cause: gateway`."""
    answer = azure.arm(method, path, {} if method == "PUT" else None, version=version)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["x-ms-failure-cause"] == "gateway"


def test_a_version_refusal_lists_the_supported_ones(azure: Client) -> None:
    """The article: the answer holds a human-readable list."""
    message = azure.arm("GET", WORKSPACES, version="1999-01-01").json()["error"]["message"]
    assert "The supported api-versions are '2019-11-01, " in message
    assert "2025-12-01" in message
    assert "for type 'workspaces'" in message


@pytest.mark.parametrize("body", ["{", "[]", "nothing", '"text"', "[" * 100_000, '{"a":NaN}', "\ufeff", ""], ids=range(8))
def test_a_body_that_is_no_json_object_is_refused(azure: Client, body: str) -> None:
    """InvalidRequestContent, never a 500."""
    answer = azure.arm("PUT", f"{WORKSPACES}/lab", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")


def test_text_that_utf_8_cannot_hold_is_kept_as_its_escape(azure: Client) -> None:
    """A lone surrogate in a description comes back as it was sent."""
    arm_id = azure.workspace()
    azure.arm("PATCH", arm_id, '{"properties":{"description":"\\ud800 und Köln"}}')
    assert azure.arm("GET", arm_id).json()["properties"]["description"] == "\ud800 und Köln"


def test_a_tracked_resource_needs_a_location_that_exists(azure: Client) -> None:
    """LocationRequired, then LocationNotAvailableForResourceType with the list."""
    body = workspace_body()
    without = {key: value for key, value in body.items() if key != "location"}
    assert azure.arm("PUT", f"{WORKSPACES}/lab", without).json()["error"]["code"] == "LocationRequired"
    answer = azure.arm("PUT", f"{WORKSPACES}/lab", {**body, "location": "atlantis"})
    assert answer.json()["error"]["code"] == "LocationNotAvailableForResourceType"
    assert "westeurope" in answer.json()["error"]["message"]


def test_an_unregistered_provider_refuses_writes_until_it_is_registered(azure: Client) -> None:
    """409 MissingSubscriptionRegistration; POST register answers Registering; a GET later says Registered."""
    azure.control("PUT", "transitions", {"provider": "polls:2"})
    azure.control("PUT", "providers", {"Microsoft.MachineLearningServices": "NotRegistered"})
    answer = azure.arm("PUT", f"{WORKSPACES}/lab", workspace_body())
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "MissingSubscriptionRegistration")
    assert azure.arm("GET", WORKSPACES).status_code == 200
    provider = f"{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices"
    first = azure.arm("POST", f"{provider}/register", version="2021-04-01")
    assert (first.status_code, first.json()["registrationState"]) == (200, "Registering")
    states = [azure.arm("GET", provider, version="2021-04-01").json()["registrationState"] for _ in range(3)]
    assert states == ["Registering", "Registering", "Registered"]
    assert azure.arm("PUT", f"{WORKSPACES}/lab", workspace_body()).status_code == 202


def test_every_answer_carries_arms_headers(azure: Client) -> None:
    """Request id, correlation id, the reads that remain; the client's id only when asked for."""
    headers = {"x-ms-client-request-id": "mine", "x-ms-correlation-request-id": "c0ffee"}
    plain = azure.arm("GET", "/subscriptions", version="2022-12-01", headers=headers)
    assert plain.headers["x-ms-request-id"]
    assert plain.headers["x-ms-correlation-request-id"] == "c0ffee"
    assert "x-ms-client-request-id" not in plain.headers
    asked = azure.arm("GET", "/subscriptions", version="2022-12-01", headers={**headers, "x-ms-return-client-request-id": "true"})
    assert asked.headers["x-ms-client-request-id"] == "mine"
    remaining = int(asked.headers["x-ms-ratelimit-remaining-subscription-reads"])
    assert 200 <= remaining < 250
    assert int(asked.headers["x-ms-ratelimit-remaining-subscription-global-reads"]) > remaining


def test_the_token_bucket_empties_and_refills_when_limits_are_enforced(azure: Client) -> None:
    """429 SubscriptionRequestsThrottled with Retry-After; writes have a bucket of their own."""
    azure.control("PUT", "limits", {"enforced": True, "reads": 3, "reads_per_s": 0.5})
    path = f"{SUBSCRIPTION}/resourceGroups"
    statuses = [azure.arm("GET", path, version="2022-09-01").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = azure.arm("GET", path, version="2022-09-01")
    assert refused.json()["error"]["code"] == "SubscriptionRequestsThrottled"
    assert refused.headers["Retry-After"] in {"1", "2"}
    assert azure.arm("PUT", f"{path}/rg-new", {"location": "westeurope"}, version="2022-09-01").status_code == 201
    azure.control("POST", "clock", {"advance_s": 3})
    assert azure.arm("GET", path, version="2022-09-01").status_code == 200


def test_ids_are_found_in_any_case(azure: Client) -> None:
    """ARM's ids are not case-sensitive, nor are query names."""
    arm_id = azure.workspace()
    answer = azure.session.get(
        f"{ARM}{arm_id.upper()}?API-Version={VERSION}", headers={"Authorization": f"Bearer {azure.token()}"}, timeout=20
    )
    assert answer.json()["id"] == arm_id


@pytest.mark.parametrize(
    ("kind", "name", "body", "version", "status", "state"),
    [
        ("Microsoft.KeyVault/vaults", "kv-new", VAULT, "2023-07-01", 200, "Succeeded"),
        ("Microsoft.Insights/components", "ai-new", COMPONENT, "2020-02-02", 200, "Succeeded"),
        (
            "Microsoft.ContainerRegistry/registries",
            "acrnew",
            {**REGISTRY, "properties": {"adminUserEnabled": True}},
            "2023-07-01",
            201,
            "Creating",
        ),
    ],
)
def test_the_other_dependencies_have_first_answers_of_their_own(
    azure: Client, kind: str, name: str, body: dict[str, Any], version: str, status: int, state: str
) -> None:
    """A registry is followed at its status URL; then they are read, patched and deleted."""
    path = f"{scene.GROUP_ID}/providers/{kind}/{name}"
    made = azure.arm("PUT", path, {**body, "location": "westeurope"}, version=version)
    assert (made.status_code, made.json()["properties"]["provisioningState"]) == (status, state)
    assert ("azure-asyncoperation" in made.headers) == (state == "Creating")
    assert azure.arm("GET", path, version=version).json()["properties"]["provisioningState"] == "Succeeded"
    assert azure.arm("PATCH", path, {"tags": {"a": "b"}}, version=version).json()["tags"] == {"a": "b"}
    assert azure.arm("DELETE", path, version=version).status_code == 200
    assert azure.arm("DELETE", path, version=version).status_code == 204


def test_a_resource_group_goes_with_everything_in_it(azure: Client) -> None:
    """202 with Location and `Retry-After: 15`; then the Location answers 200 and the group is gone."""
    path = f"{SUBSCRIPTION}/resourceGroups/rg-sandbox"
    registry = f"{path}/providers/Microsoft.ContainerRegistry/registries/acrsandbox"
    assert azure.arm("PUT", registry, {**REGISTRY, "location": "eastus"}, version="2023-07-01").status_code == 201
    azure.control("PUT", "transitions", {"resourceGroup": "polls:2"})  # the GET is one look
    first = azure.arm("DELETE", path, version="2022-09-01")
    assert (first.status_code, first.headers["Retry-After"]) == (202, "15")
    assert azure.arm("GET", path, version="2022-09-01").json()["properties"]["provisioningState"] == "Deleting"
    assert [azure.arm("GET", first.headers["Location"]).status_code for _ in range(2)] == [202, 200]
    assert azure.arm("GET", path, version="2022-09-01").status_code == 404
    assert azure.arm("HEAD", path, version="2022-09-01").status_code == 404


def test_each_subscription_registers_for_itself(azure: Client) -> None:
    """What one has registered, the other has not."""
    lab = f"/subscriptions/{scene.LAB_SUBSCRIPTION_ID}"
    held = azure.control("GET", "roles")["assignments"]
    azure.control("PUT", "roles", {"assignments": [*held, {"scope": lab, "role": OWNER, "principal": scene.OBJECT_ID}]})
    azure.control("PUT", "providers", {"Microsoft.Search": "NotRegistered"})
    azure.arm("POST", f"{SUBSCRIPTION}/providers/Microsoft.Search/register", version="2021-04-01")
    states = [
        azure.arm("GET", f"{at}/providers/Microsoft.Search", version="2021-04-01").json()["registrationState"]
        for at in (SUBSCRIPTION, lab)
    ]
    assert states == ["Registered", "NotRegistered"]
    body, place = {"location": scene.LOCATION, "sku": {"name": "basic"}}, "providers/Microsoft.Search/searchServices/srch1"
    assert azure.arm("PUT", f"{scene.GROUP_ID}/{place}", body, version="2023-11-01").status_code < 300
    refused = azure.arm("PUT", f"{lab}/resourceGroups/{scene.LAB_GROUP}/{place}", body, version="2023-11-01")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "MissingSubscriptionRegistration")


OWN_KEY = {"status": "Enabled", "keyVaultProperties": {"keyVaultArmId": scene.KEY_VAULT_ID, "keyIdentifier": "k"}}


@pytest.mark.parametrize(
    ("namespace", "properties", "refused"),
    [
        ("Microsoft.Storage", {}, True),
        ("Microsoft.ContainerRegistry", {}, True),
        ("Microsoft.DocumentDB", {"encryption": OWN_KEY}, True),
        ("Microsoft.Search", {"encryption": OWN_KEY}, True),
        ("Microsoft.Network", {"managedNetwork": {"isolationMode": "AllowInternetOutbound"}}, True),
        ("Microsoft.DocumentDB", {}, False),
        ("Microsoft.Network", {"managedNetwork": {"isolationMode": "Disabled"}}, False),
    ],
)
def test_a_workspace_needs_the_providers_of_what_it_stands_on(
    azure: Client, namespace: str, properties: dict[str, Any], *, refused: bool
) -> None:
    """409 with the one that is missing; what the body does not ask for needs none."""
    azure.control("PUT", "providers", {namespace: "NotRegistered"})
    body = workspace_body()
    answer = azure.arm("PUT", f"{WORKSPACES}/lab", {**body, "properties": {**body["properties"], **properties}})
    assert answer.status_code == (409 if refused else 202), answer.text
    assert not refused or namespace in answer.json()["error"]["message"]


@pytest.mark.parametrize(("compute", "state"), [("", "Failed"), ("/subscriptions/s/k8s", "Succeeded")])
def test_a_managed_endpoint_needs_two_more_providers(azure: Client, compute: str, state: str) -> None:
    """It ends as Failed without them, and not at all on a Kubernetes cluster; registered, the same PUT makes it."""
    place = f"{azure.workspace()}/onlineEndpoints/line"
    body = {"location": scene.LOCATION, "properties": {"authMode": "Key", **({"compute": compute} if compute else {})}}
    azure.control("PUT", "providers", {"Microsoft.PolicyInsights": "NotRegistered"})
    azure.arm("PUT", place, body)
    assert azure.arm("GET", place).json()["properties"]["provisioningState"] == state
    azure.control("PUT", "providers", {"Microsoft.PolicyInsights": "Registered"})
    azure.arm("DELETE", place)
    azure.arm("PUT", place, body)
    assert azure.arm("GET", place).json()["properties"]["provisioningState"] == "Succeeded"
