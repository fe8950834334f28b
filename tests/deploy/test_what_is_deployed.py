"""What a deployment makes, for the parameter files and at the edges of parameters: it can be deployed, and is what the docs say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from infra.bicep.evaluation import Deployment, Made, WrongError
from infra.bicep.functions import SUBSCRIPTION
from tests.deploy.registered import scaling_alone

AZURE = Path(__file__).parents[2] / "infra" / "azure"
LEAST = {"environmentName": "e", "location": "westeurope"}
# As long as names can be, and with everything that can be had together.
MOST = {
    **LEAST,
    "environmentName": "an-environment-of-24-cha",
    "targetResourceGroups": ["rg-ml", "rg-other"],
    "mayWriteBlobs": True,
    "eventWorkspaces": [
        {"name": "a_workspace_name_of_33_characters", "resourceGroup": "rg-ml", "location": "westeurope"},
        {"name": "a_workspace_name_of_33_characters", "resourceGroup": "rg-other", "location": "northeurope"},
    ],
    "stewardSettings": {"STEWARD_RETENTION_DAYS": "7", "STEWARD_CLOUD": "AzureMars"},
    "keyVaultName": "kv1",
    "keyVaultResourceGroup": "rg-vaults",
    "authClientId": "66666666-7777-8888-9999-000000000000",
    "authAllowedApplications": ["77777777-7777-8888-9999-000000000000"],
    "alwaysReady": [{"name": "http", "instanceCount": 1}, {"name": "function:hooks_queue", "instanceCount": 2}],
    "siteUpdateStrategy": "RollingUpdate",
    "callerAddresses": ["203.0.113.0/24"],
    "uploadAddresses": ["203.0.113.7"],
    "uploadSubnetIds": [f"{SUBSCRIPTION}/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/hub/subnets/callers"],
    "healthTest": True,
    "resourceLogs": {
        "app": ["FunctionAppLogs"],
        "blobs": ["StorageDelete"],
        "queues": ["StorageDelete"],
        "tables": ["StorageWrite"],
        "vault": ["AuditEvent"],
    },
    "budget": {"amount": 500, "start": "2026-12-01"},
    "zoneRedundant": True,
    "privateNetworking": True,
    "privateApp": True,
    "alertEmails": ["a@contoso.com", "b@contoso.com"],
}
PUBLIC = {**MOST, "privateNetworking": False, "wholeSubscription": True, "eventResourceGroups": ["rg-ml", "rg-other"]}
LAB, PROD = (f"{number}1111111-2222-3333-4444-555555555555" for number in "23")
OTHERS = {
    **PUBLIC,
    "otherSubscriptions": [
        {
            "id": LAB,
            "resourceGroups": ["rg-lab"],
            "wholeSubscription": False,
            "eventResourceGroups": ["rg-lab", "rg-more"],
            "eventWorkspaces": [
                {"name": "a_workspace_name_of_33_characters", "resourceGroup": "rg-lab", "location": "westeurope"},
                {"name": "another", "resourceGroup": "rg-lab", "location": "westeurope"},
            ],
        },
        {"id": PROD, "resourceGroups": [], "wholeSubscription": True, "eventResourceGroups": [], "eventWorkspaces": []},
    ],
}
NAMES = {
    "Microsoft.Authorization/roleAssignments": r"[0-9a-f-]{36}",
    "Microsoft.Authorization/roleDefinitions": r"[0-9a-f-]{36}",
    "Microsoft.EventGrid/systemTopics": r"[A-Za-z0-9-]{3,50}",
    "Microsoft.Insights/actionGroups": r"[\w-]{1,260}",
    "Microsoft.Insights/scheduledQueryRules": r"[\w-]{1,260}",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][\w-]{2,127}",
    "Microsoft.Network/privateEndpoints": r"[A-Za-z0-9][\w.-]{0,62}\w",
    "Microsoft.Network/virtualNetworks": r"[A-Za-z0-9][\w.-]{0,62}\w",
    "Microsoft.OperationalInsights/workspaces": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "Microsoft.Resources/deployments": r"[\w.()-]{1,64}",
    "Microsoft.Resources/resourceGroups": r"[\w.()-]{0,89}[\w()-]",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Storage/storageAccounts/blobServices/containers": r"[a-z0-9](-?[a-z0-9]){2,62}",
    "Microsoft.Storage/storageAccounts/queueServices/queues": r"[a-z0-9](-?[a-z0-9]){2,62}",
    "Microsoft.Storage/storageAccounts/tableServices/tables": r"[a-z][a-z0-9]{2,62}",
    # The host takes the first 32 characters for its id: longer names of two apps could be one host to storage.
    "Microsoft.Web/sites": r"[a-z0-9][a-z0-9-]{0,30}[a-z0-9]",
}
ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": "Storage Queue Data Message Sender",
}
# https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations
NOT_ON_FLEX = re.compile(r"FUNCTIONS_\w+|ENABLE_ORYX_BUILD|SCM_DO_BUILD_DURING_DEPLOYMENT|WEBSITE_\w+|TZ")


def file_parameters(name: str) -> dict[str, Any]:
    """Return what a parameter file gives; azd's reads its environment."""
    environ = {"AZURE_ENV_NAME": "dev", "DEPLOY_TARGET_GROUPS": "rg-ml, rg-other", "DEPLOY_ALERT_EMAILS": "a@contoso.com"}
    return Deployment(file=AZURE / f"{name}.bicepparam", environ=environ).parameters()


def deployed(given: dict[str, Any]) -> list[Made]:
    """Return what a deployment with these parameters makes."""
    deployment = Deployment(file=AZURE / "main.bicep", given=given)
    deployment.run()
    return deployment.made


CASES = {name: file_parameters(name) for name in ("dev", "prod", "main")} | {
    "least": LEAST,
    "most": MOST,
    "public": PUBLIC,
    "others": OTHERS,
}


@pytest.fixture(scope="session", params=sorted(CASES))
def made(request: pytest.FixtureRequest) -> list[Made]:
    """What each of the cases makes."""
    return deployed(CASES[request.param])


def of(made: list[Made], kind: str) -> list[Made]:
    """Return the resources of a type."""
    return [each for each in made if each.kind == kind]


def test_nothing_is_made_twice(made: list[Made]) -> None:
    """One deployment that names a resource twice is refused."""
    ids = [each.id.lower() for each in made]
    assert len(ids) == len(set(ids)) > 40


def test_azure_takes_every_name(made: list[Made]) -> None:
    """Also with the longest environment and workspace names."""
    for each in made:
        pattern = NAMES.get(each.kind)
        assert not pattern or re.fullmatch(pattern, each.name), each.id
    assert set(NAMES) <= {each.kind for name in ("most", "public") for each in deployed(CASES[name])}


@pytest.mark.parametrize("other", [{"environmentName": "other"}, {"location": "northeurope"}], ids=["name", "region"])
def test_two_environments_of_a_subscription_share_nothing_but_roles_of_the_same_name(other: dict[str, str]) -> None:
    """Nor the name of a nested deployment: in two regions Resource Manager refuses the second one."""
    own_group = {"resourceGroupName": "rg-second"} if "location" in other else {}
    first, second = ({each.id for each in deployed({**OTHERS, **more})} for more in ({}, {**other, **own_group}))
    shared = {identity for identity in first & second if "/roleDefinitions/" not in identity}
    assert shared == set()
    assert bool(first & second) == ("location" in other)


def granted(made: list[Made]) -> set[tuple[str, str, str]]:
    """Return who has which role where, by the last words of each."""
    custom = {
        each.name: each.body["properties"]["roleName"].partition(" (")[0] for each in made if each.kind.endswith("roleDefinitions")
    }
    out = set()
    for each in of(made, "Microsoft.Authorization/roleAssignments"):
        properties = each.body["properties"]
        assert properties["principalType"] == "ServicePrincipal", "else a new identity is looked for before it is everywhere"
        role = properties["roleDefinitionId"].rpartition("/")[2]
        where = each.id.partition("/providers/Microsoft.Authorization/")[0].removeprefix(SUBSCRIPTION)
        who = re.sub(r"-\d{13}.*", "", properties["principalId"].strip("<>"))
        out.add((re.sub(r"^evgt-.*", "evgt", who), (ROLES | custom)[role], re.sub(r"\d{13}", "…", where)))
    return out


def test_who_may_do_what_is_what_the_docs_say() -> None:
    """Nothing more, and nowhere else."""
    group, account = "/resourceGroups/rg-steward-an-environment-of-24-cha/providers/", "Microsoft.Storage/storageAccounts/steward…"
    assert granted(deployed(MOST)) == {
        *(
            ("id-steward", f"azureml-steward{role}", f"/resourceGroups/{name}")
            for role in ("", " provisioner")
            for name in ("rg-ml", "rg-other")
        ),
        *(("id-steward", "Storage Blob Data Contributor", f"/resourceGroups/{name}") for name in ("rg-ml", "rg-other")),
        *(("id-steward", f"azureml-steward {role}", "") for role in ("reader", "registrar")),
        *(
            ("id-steward", f"Storage {role}", f"{group}{account}")
            for role in ("Blob Data Owner", "Queue Data Contributor", "Table Data Contributor")
        ),
        ("id-steward", "Monitoring Metrics Publisher", f"{group}Microsoft.Insights/components/appi-steward-…"),
        (
            "id-steward",
            "Key Vault Secrets User",
            "/resourceGroups/rg-vaults/providers/Microsoft.KeyVault/vaults/kv1/secrets/steward-webhook-secrets",
        ),
        ("evgt", "Storage Queue Data Message Sender", f"{group}{account}/queueServices/default/queues/steward-events"),
        ("evgt", "Storage Blob Data Contributor", f"{group}{account}/blobServices/default/containers/steward-dead-letters"),
    }
    events = {(role, where.rpartition("/")[2]) for who, role, where in granted(deployed(PUBLIC)) if who == "id-steward-events"}
    assert events == {
        ("Storage Queue Data Message Sender", "steward-events"),
        ("Storage Blob Data Contributor", "steward-dead-letters"),
    }
    wide = {role for who, role, where in granted(deployed(PUBLIC)) if where == ""}
    own = {f"azureml-steward{name}" for name in ("", " provisioner", " reader", " registrar")}
    assert wide == own | {"Storage Blob Data Contributor"}


def test_other_subscriptions_get_their_own_roles_and_are_listed() -> None:
    """What only reads on all of each, the others where it says; the home comes first."""
    made = deployed({**LEAST, "targetResourceGroups": ["rg-ml"], "otherSubscriptions": OTHERS["otherSubscriptions"]})
    found = {
        (role, where)
        for who, role, where in granted(made)
        if who == "id-steward" and where.startswith(("/sub", "/resourceGroups/rg-ml"))
    }
    managing = ("azureml-steward", "azureml-steward provisioner")
    reading = ("azureml-steward reader", "azureml-steward registrar")
    assert found == {
        *((role, "/resourceGroups/rg-ml") for role in managing),
        *((role, f"/subscriptions/{LAB}/resourceGroups/rg-lab") for role in managing),
        *((role, f"/subscriptions/{LAB}") for role in reading),
        *((role, f"/subscriptions/{PROD}") for role in (*managing, *reading)),
    }
    for each in of(made, "Microsoft.Authorization/roleDefinitions"):  # a role of one subscription cannot be given in another
        assert each.body["properties"]["assignableScopes"] == [each.id.partition("/providers/")[0]]
    (settings,) = (each.body["properties"] for each in of(made, "Microsoft.Web/sites/config") if each.name == "appsettings")
    assert settings["STEWARD_SUBSCRIPTIONS"].split(",") == [SUBSCRIPTION.rpartition("/")[2], LAB, PROD]
    assert settings["STEWARD_SUBSCRIPTION_ID"] == SUBSCRIPTION.rpartition("/")[2]


def test_events_of_other_subscriptions_come_into_the_apps_queue() -> None:
    """Topics, their identity and alerts are where their sources are; they may write to one queue and one container, of the home."""
    made = deployed(OTHERS)
    there = f"/subscriptions/{LAB}/resourceGroups"
    topics = [each for each in of(made, "Microsoft.EventGrid/systemTopics") if each.id.startswith("/subscriptions/")]
    topics = [each for each in topics if not each.id.startswith(SUBSCRIPTION)]
    ml = f"{there}/rg-lab/providers/Microsoft.MachineLearningServices/workspaces"
    groups = {f"/subscriptions/{LAB}/providers/Microsoft.Resources/resourceGroups/{name}" for name in ("rg-lab", "rg-more")}
    sources = {each.body["properties"]["source"] for each in topics}
    assert sources == {f"{ml}/a_workspace_name_of_33_characters", f"{ml}/another", *groups}
    assert all(each.id.startswith(f"{there}/rg-lab/") for each in topics)
    (account,) = (each.id for each in of(made, "Microsoft.Storage/storageAccounts"))
    for each in of(made, "Microsoft.EventGrid/systemTopics/eventSubscriptions"):
        wanted = each.body["properties"]["deliveryWithResourceIdentity"]["destination"]["properties"]
        assert (wanted["resourceId"], wanted["queueName"]) == (account, "steward-events")
    roles = [each for each in of(made, "Microsoft.Authorization/roleAssignments") if each.file == "delivery-roles.bicep"]
    assert all(each.id.startswith(f"{account}/") for each in roles)
    assert all(SUBSCRIPTION in each.body["properties"]["roleDefinitionId"] for each in roles)
    assert len(roles) == 2 * (2 + 1 + 2 + 1), "a queue and a container for two workspaces and the groups, here and there"
    watched = [each for each in of(made, "Microsoft.Insights/metricAlerts") if "dead-letters" in each.name]
    for each in watched:  # Azure takes no alert in one subscription on a resource of another
        (scope,) = each.body["properties"]["scopes"]
        assert scope.split("/")[2] == each.id.split("/")[2]


def test_settings_are_texts_that_flex_consumption_takes(made: list[Made]) -> None:
    """What the platform sets itself is refused or ignored there."""
    (settings,) = (each.body["properties"] for each in of(made, "Microsoft.Web/sites/config") if each.name == "appsettings")
    assert all(isinstance(value, str) for value in settings.values())
    assert [name for name in settings if NOT_ON_FLEX.fullmatch(name)] == []


def test_the_site_is_configured_by_what_flex_consumption_takes(made: list[Made]) -> None:
    """It refuses most of siteConfig, also what was meant well (FtpsState): https://github.com/Azure/terraform-azurerm-avm-res-web-site/pull/345."""
    (site,) = of(made, "Microsoft.Web/sites")
    config = site.body["properties"]["siteConfig"]
    assert set(config) == {"minTlsVersion", "ipSecurityRestrictions", "ipSecurityRestrictionsDefaultAction"}
    assert config["minTlsVersion"] == "1.2"


def test_who_may_call_is_bounded_by_addresses_where_that_is_asked_for() -> None:
    """Azure's own senders come in, too; without the parameter everybody may knock, and a removed one is taken back."""
    bounded, free = (
        of(deployed(each), "Microsoft.Web/sites")[0].body["properties"]["siteConfig"]
        for each in (MOST, {**MOST, "callerAddresses": []})
    )
    assert bounded["ipSecurityRestrictionsDefaultAction"] == "Deny"
    assert {(each["ipAddress"], each["tag"], each["action"]) for each in bounded["ipSecurityRestrictions"]} == {
        ("203.0.113.0/24", "Default", "Allow"),
        ("ApplicationInsightsAvailability", "ServiceTag", "Allow"),
        ("AzureEventGrid", "ServiceTag", "Allow"),
    }
    assert (free["ipSecurityRestrictionsDefaultAction"], free["ipSecurityRestrictions"]) == ("Allow", [])


HUB = f"{SUBSCRIPTION}/resourceGroups/rg-hub/providers/Microsoft.Network"
EXISTING = {
    **MOST,
    "appSubnetId": f"{HUB}/virtualNetworks/spoke/subnets/steward",
    "endpointsSubnetId": f"{HUB}/virtualNetworks/hub/subnets/endpoints",
}
ZONES = {name: f"{HUB}/privateDnsZones/{name}" for name in ("blob", "queue", "table", "sites")}


def zones_of(made: list[Made]) -> set[str]:
    """Return the zones into which the private endpoints are entered."""
    groups = of(made, "Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
    return {
        config["properties"]["privateDnsZoneId"] for each in groups for config in each.body["properties"]["privateDnsZoneConfigs"]
    }


def test_zones_that_are_made_ask_the_public_dns_for_what_they_do_not_know() -> None:
    """Else every account with a private endpoint anywhere is gone for the app: one network has one zone of a name."""
    links = of(deployed(MOST), "Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    assert len(links) == 4
    assert {each.body["properties"]["resolutionPolicy"] for each in links} == {"NxDomainRedirect"}
    assert {each.version for each in links} == {"2024-06-01"}, "an older one has no such property"


def test_a_network_that_is_there_already_is_used_and_none_is_made() -> None:
    """Neither network, NAT gateway nor rules of it; zones are linked to the network of the endpoints."""
    made = deployed(EXISTING)
    kinds = {each.kind for each in made}
    assert not kinds & {f"Microsoft.Network/{name}" for name in ("virtualNetworks", "natGateways", "networkSecurityGroups")}
    (site,) = of(made, "Microsoft.Web/sites")
    assert site.body["properties"]["virtualNetworkSubnetId"] == EXISTING["appSubnetId"]
    ends = of(made, "Microsoft.Network/privateEndpoints")
    assert {each.body["properties"]["subnet"]["id"] for each in ends} == {EXISTING["endpointsSubnetId"]}
    links = of(made, "Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    assert {each.body["properties"]["virtualNetwork"]["id"] for each in links} == {f"{HUB}/virtualNetworks/hub"}


def test_zones_that_are_there_already_are_used_and_none_is_made() -> None:
    """Their owner links them; with a policy of the platform's nothing is entered at all."""
    made = deployed({**EXISTING, "privateDnsZones": ZONES})
    assert not of(made, "Microsoft.Network/privateDnsZones")
    assert not of(made, "Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    assert zones_of(made) == set(ZONES.values())
    by_policy = deployed({**EXISTING, "privateDnsByPolicy": True})
    assert not of(by_policy, "Microsoft.Network/privateDnsZones")
    assert zones_of(by_policy) == set()
    assert len(of(by_policy, "Microsoft.Network/privateEndpoints")) == 4


@pytest.mark.parametrize("given", [(), *((name,) for name in ZONES), ("blob", "table"), ("queue", "table", "sites"), tuple(ZONES)])
def test_each_zone_may_be_there_already_or_not(given: tuple[str, ...]) -> None:
    """What is left empty is made and linked; every endpoint has one name, in its own zone."""
    made = deployed({**EXISTING, "privateDnsZones": {name: ZONES[name] if name in given else "" for name in ZONES}})
    links = of(made, "Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    own = {each.id for each in of(made, "Microsoft.Network/privateDnsZones")}
    assert len(own) == len(links) == len(ZONES) - len(given)
    assert zones_of(made) == own | {ZONES[name] for name in given}
    assert all("privatelink." in each for each in own)


def test_the_rooms_of_the_network_let_in_what_belongs_there() -> None:
    """Nothing to the instances; https from the network to the endpoints, for which the rules are switched on."""
    made = deployed(MOST)
    rules = {
        each.name.split("-")[2]: [(rule["properties"]["access"], rule["properties"]["destinationPortRange"]) for rule in listed]
        for each in of(made, "Microsoft.Network/networkSecurityGroups")
        for listed in [each.body["properties"]["securityRules"]]
    }
    assert rules == {"app": [("Deny", "*")], "endpoints": [("Allow", "443"), ("Deny", "*")]}
    (network,) = of(made, "Microsoft.Network/virtualNetworks")
    app, endpoints = (each["properties"] for each in network.body["properties"]["subnets"])
    assert "nsg-steward-app" in app["networkSecurityGroup"]["id"]
    assert "nsg-steward-endpoints" in endpoints["networkSecurityGroup"]["id"]
    assert endpoints["privateEndpointNetworkPolicies"] == "NetworkSecurityGroupEnabled"


def test_uploads_come_from_outside_only_where_that_is_asked_for() -> None:
    """The signed URL that POST uploads gives is for the app's own account, whose firewall refuses everybody else."""
    (account,) = of(deployed(MOST), "Microsoft.Storage/storageAccounts")
    rules = account.body["properties"]["networkAcls"]
    assert rules["ipRules"] == [{"value": "203.0.113.7", "action": "Allow"}]
    assert [each["id"].rpartition("/")[2] for each in rules["virtualNetworkRules"]] == ["callers"]
    (account,) = of(deployed({**MOST, "privateNetworking": False, "privateApp": False}), "Microsoft.Storage/storageAccounts")
    rules = account.body["properties"]["networkAcls"]
    assert (rules["defaultAction"], rules["ipRules"], rules["virtualNetworkRules"]) == ("Allow", [], [])


def test_what_keeps_warm_are_groups_that_scale_by_themselves() -> None:
    """All HTTP is one, each other function is one: a name that is neither keeps nothing warm, silently."""
    alone = scaling_alone()
    assert len(alone) == 12
    for given in CASES.values():
        (site,) = of(deployed(given), "Microsoft.Web/sites")
        ready = site.body["properties"]["functionAppConfig"]["scaleAndConcurrency"]["alwaysReady"]
        assert {each["name"] for each in ready} <= {"http", *(f"function:{name}" for name in alone)}
    prod = CASES["prod"]["alwaysReady"]
    assert [each["name"] for each in prod] == ["http", "function:poll_operation", "function:hooks_queue"]


def test_health_is_asked_for_from_outside_where_the_app_is_open() -> None:
    """A private app cannot be reached by the test; two of three places must fail before anybody is woken."""
    (test,) = of(deployed({**PUBLIC, "privateApp": False}), "Microsoft.Insights/webtests")
    assert test.body["properties"]["Request"]["RequestUrl"].endswith("/api/health")
    alert = next(each for each in deployed(PUBLIC) if each.kind.endswith("metricAlerts") and "-health-" in each.name)
    assert alert.body["properties"]["criteria"]["failedLocationCount"] < len(test.body["properties"]["Locations"])
    assert not of(deployed(MOST), "Microsoft.Insights/webtests")
    assert not of(deployed(LEAST), "Microsoft.Insights/webtests")


def test_every_topic_has_an_alert_for_what_it_cannot_deliver() -> None:
    """Those of workspaces and those of resource groups."""
    for given in (MOST, PUBLIC, OTHERS, CASES["prod"]):
        made = deployed(given)
        watched = [each for each in of(made, "Microsoft.Insights/metricAlerts") if "dead-letters" in each.name]
        scopes = {scope for each in watched for scope in each.body["properties"]["scopes"]}
        assert scopes == {each.id for each in of(made, "Microsoft.EventGrid/systemTopics")}
        assert len(watched) == len(scopes)


def test_logs_are_kept_by_the_categories_asked_for_and_none_by_default() -> None:
    """A setting without a category is refused by Azure."""
    kept = {
        each.id.partition("/providers/Microsoft.Insights/")[0].rpartition("/providers/")[2].split("/")[0]: each
        for each in of(deployed(MOST), "Microsoft.Insights/diagnosticSettings")
    }
    assert set(kept) == {"Microsoft.Web", "Microsoft.Storage", "Microsoft.KeyVault"}
    assert len(of(deployed(MOST), "Microsoft.Insights/diagnosticSettings")) == 5
    for each in of(deployed(MOST), "Microsoft.Insights/diagnosticSettings"):
        assert [log["enabled"] for log in each.body["properties"]["logs"]] == [True]
    assert not of(deployed(LEAST), "Microsoft.Insights/diagnosticSettings")


def test_a_budget_is_set_where_there_is_one() -> None:
    """It begins on a first of a month; mail goes to those whom alerts reach."""
    (budget,) = of(deployed(MOST), "Microsoft.Consumption/budgets")
    assert budget.body["properties"]["timePeriod"] == {"startDate": "2026-12-01"}
    assert budget.body["properties"]["notifications"]["spent"]["contactEmails"] == MOST["alertEmails"]
    assert not of(deployed(LEAST), "Microsoft.Consumption/budgets")
    # Microsoft.Consumption/budgets: at least one contact, or Azure refuses it
    assert not of(deployed({**MOST, "alertEmails": []}), "Microsoft.Consumption/budgets")
    for name in ("dev", "prod", "main"):
        assert CASES[name].get("budget", {"start": "2026-12-01"})["start"].endswith("-01")


def test_the_browsers_own_sign_in_is_not_shut_out_by_the_list_of_callers() -> None:
    """The dashboard signs in as the application itself."""
    (auth,) = (each for each in of(deployed(MOST), "Microsoft.Web/sites/config") if each.name == "authsettingsV2")
    directory = auth.body["properties"]["identityProviders"]["azureActiveDirectory"]
    allowed = directory["validation"]["defaultAuthorizationPolicy"]["allowedApplications"]
    assert allowed == [MOST["authClientId"], *MOST["authAllowedApplications"]]


def test_what_is_computed_cannot_be_set_to_something_else() -> None:
    """And a secret is a reference."""
    (settings,) = (
        each.body["properties"] for each in of(deployed(MOST), "Microsoft.Web/sites/config") if each.name == "appsettings"
    )
    assert (settings["STEWARD_CLOUD"], settings["STEWARD_RETENTION_DAYS"], settings["STEWARD_RESOURCE_GROUP"]) == (
        "AzureCloud",
        "7",
        "rg-ml",
    )
    secret = "https://kv1.vault.azure.net/secrets/steward-webhook-secrets"
    assert settings["STEWARD_WEBHOOK_SECRETS"] == f"@Microsoft.KeyVault(SecretUri={secret})"


@pytest.mark.parametrize(("networking", "app"), [(False, False), (False, True), (True, False), (True, True)])
def test_the_app_is_closed_only_where_there_is_another_way_in(networking: bool, app: bool) -> None:  # noqa: FBT001 - a table
    """`privateApp` alone would shut everybody out."""
    made = deployed({**LEAST, "privateNetworking": networking, "privateApp": app})
    (site,), (account,) = of(made, "Microsoft.Web/sites"), of(made, "Microsoft.Storage/storageAccounts")
    assert site.body["properties"]["publicNetworkAccess"] == ("Disabled" if networking and app else "Enabled")
    assert bool(site.body["properties"]["virtualNetworkSubnetId"]) == networking
    assert account.body["properties"]["networkAcls"] == {
        "bypass": "AzureServices",
        "defaultAction": "Deny" if networking else "Allow",
        "ipRules": [],
        "virtualNetworkRules": [],
    }
    ends = {each.name.rsplit("-", 1)[0] for each in of(made, "Microsoft.Network/privateEndpoints")}
    storage = {"pe-steward-blob", "pe-steward-queue", "pe-steward-table"} if networking else set()
    assert ends == storage | ({"pe-steward-app"} if networking and app else set())


def test_another_cloud_has_its_own_names() -> None:
    """Of private zones and of storage; the app is told which cloud it is in."""
    deployment = Deployment(file=AZURE / "main.bicep", given=MOST, cloud="AzureUSGovernment")
    deployment.run()
    zones = {each.name for each in of(deployment.made, "Microsoft.Network/privateDnsZones")}
    storage = {f"privatelink.{service}.core.usgovcloudapi.net" for service in ("blob", "queue", "table")}
    assert zones == {*storage, "privatelink.azurewebsites.us"}
    (settings,) = (each.body["properties"] for each in deployment.made if each.name == "appsettings")
    assert settings["STEWARD_CLOUD"] == "AzureUSGovernment"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"environmentName": "x" * 25}, "environmentName"),
        ({"environmentName": ""}, "environmentName"),
        ({"instanceMemoryMB": 1024}, "instanceMemoryMB"),
        ({"maximumInstances": 0}, "maximumInstances"),
        ({"alertEmails": "a@contoso.com"}, "alertEmails"),
        ({"eventWorkspaces": [{"name": "w"}]}, "eventWorkspaces"),
        ({"nothing": 1}, "has no parameters"),
        ({"privateDnsZones": {"blob": ""}}, "privateDnsZones"),
        (
            {"privateNetworking": True, "appSubnetId": f"{HUB}/virtualNetworks/hub/subnets/app"},
            "both appSubnetId and endpointsSubnetId",
        ),
        (
            {"privateNetworking": True, "endpointsSubnetId": f"{HUB}/virtualNetworks/hub/subnets/ends"},
            "both appSubnetId and endpointsSubnetId",
        ),
        ({"privateNetworking": True, "addressPrefix": "10.70.0.0/26"}, "addressPrefix is too small"),
        ({"alertEmails": ["a@contoso.com"], "budget": {"amount": 5, "start": ""}}, "budget.start is missing"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(wrong: dict[str, Any], why: str) -> None:
    """Before anything is made."""
    with pytest.raises(WrongError, match=why):
        deployed({**LEAST, **wrong})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("resource a 'X/y@2023-05-01' = { name: b.properties.z }\nresource b 'X/y@2023-05-01' = { name: 'b' }", "not known when"),
        (
            "resource a 'X/y@2023-05-01' = if (b.properties.z) { name: 'a' }\nresource b 'X/y@2023-05-01' = { name: 'b' }",
            "not known when",
        ),
        ("resource a 'X/y@2023-05-01' = if (false) { name: 'a' }\noutput o string = a.properties.z", "not made"),
        ("resource a 'X/y@2023-05-01' = { name: 'a', parent: b }\nresource b 'X/q@2023-05-01' = { name: 'b' }", "no child"),
        ("output o int = 'text'", "expected int"),
        ("output o string = c", "not declared"),
        ("var a = { b: 1 }\noutput o int = a.c", "has no c"),
        ("var a = [1]\noutput o int = a[1]", "has no item 1"),
        ("output o int = false ? 1 : fail('it cannot be')", "it cannot be"),
        ("output o string = utcNow()", "no function"),
        ("param p string", "not given"),
        ("targetScope = 'subscription'", "deployed to"),
        ("var a = b\nvar b = a\nresource r 'X/y@2023-05-01' = { name: a }", "refers to itself"),
    ],
)
def test_what_a_compiler_refuses_is_refused_here(text: str, why: str, tmp_path: Path) -> None:
    """The tests above would notice it."""
    file = tmp_path / "wrong.bicep"
    file.write_text(f"{text}\n")
    with pytest.raises(WrongError, match=why):
        Deployment(file=file, scope=f"{SUBSCRIPTION}/resourceGroups/g").run()


@pytest.mark.parametrize("text", ["var a = [1 2]", "var a = { b 1 }", "var a = 'b\n'", "vra a = 1", "var a = 1 ? 2", "var a = #"])
def test_what_is_no_bicep_is_refused(text: str, tmp_path: Path) -> None:
    """With the file and the line."""
    file = tmp_path / "wrong.bicep"
    file.write_text(f"{text}\n")
    with pytest.raises(SyntaxError, match=r"^wrong\.bicep: line \d"):
        Deployment(file=file, scope=f"{SUBSCRIPTION}/resourceGroups/g").run()
