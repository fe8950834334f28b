"""Template deployments as the Azure CLI sends them: a template's text unparsed, at a group and at the subscription; what-if."""

import json
from typing import Any

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.client import ARM, WORKSPACES, Client

VERSION = "2022-09-01"
SUBSCRIPTION = f"/subscriptions/{scene.SUBSCRIPTION_ID}"
VAULT = f"{scene.GROUP_ID}/providers/Microsoft.KeyVault/vaults/kv-template"
# A quick start's file, as people write them.
TEMPLATE = r"""{
  // comments, as in Microsoft's own samples
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", /* and
  these, with a "text" and a { */
  "contentVersion": "1.0.0.0",
  "parameters": { "name": { "type": "string", "defaultValue": "kv-template" } },
  "resources": [
    {
      "type": "Microsoft.KeyVault/vaults", "apiVersion": "2023-07-01", "name": "[parameters('name')]",
      "location": "[resourceGroup().location]",
      "tags": { "long": "[concat('one ',
          'two // no comment')]", "quoted": "it's \"so\"" },
      "properties": { "tenantId": "[subscription().tenantId]", "sku": { "family": "A", "name": "standard" },
        "accessPolicies": [] }
    }
  ],
  "outputs": { "id": { "type": "string", "value": "[resourceId('Microsoft.KeyVault/vaults', parameters('name'))]" } }
}"""
SUBSCRIPTION_TEMPLATE = {
    "$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "resources": [
        {
            "type": "Microsoft.Resources/resourceGroups",
            "apiVersion": "2021-04-01",
            "name": "rg-made",
            "location": "[deployment().location]",
        },
        {
            "type": "Microsoft.Resources/deployments",
            "apiVersion": "2021-04-01",
            "name": "inner",
            "resourceGroup": "rg-made",
            "dependsOn": ["[subscriptionResourceId('Microsoft.Resources/resourceGroups', 'rg-made')]"],
            "properties": {
                "mode": "Incremental",
                "expressionEvaluationOptions": {"scope": "inner"},
                "template": {
                    "contentVersion": "1.0.0.0",
                    "resources": [
                        {
                            "type": "Microsoft.Insights/components",
                            "apiVersion": "2020-02-02",
                            "name": "made",
                            "location": "[resourceGroup().location]",
                            "kind": "web",
                            "properties": {"Application_Type": "web"},
                        }
                    ],
                    "outputs": {"where": {"type": "string", "value": "[resourceGroup().location]"}},
                },
            },
        },
    ],
    "outputs": {
        "where": {
            "type": "string",
            "value": (
                "[reference(extensionResourceId(format('/subscriptions/{0}/resourceGroups/{1}', subscription().subscriptionId, "
                "'rg-made'), 'Microsoft.Resources/deployments', 'inner'), '2021-04-01').outputs.where.value]"
            ),
        }
    },
}


def cli_body(template: str, **more: Any) -> str:
    """A body as azure-cli 2.91 sends it (captured): the file's text behind a bare name."""
    rest = json.dumps({"properties": {"parameters": {}, "mode": "Incremental"}, **more})
    head, _, tail = rest.partition('"Incremental"}')
    return f'{head}"Incremental", template:{template}}}{tail}'


def _send(azure: Client, method: str, path: str, body: str) -> Any:
    headers = {"Content-Type": "application/json"}
    return azure.arm(method, path, body, version=VERSION, headers=headers)


def _deployed(azure: Client, scope: str, body: str, name: str = "main") -> dict[str, Any]:
    path = f"{scope}/providers/Microsoft.Resources/deployments/{name}"
    first = _send(azure, "PUT", path, body)
    assert first.status_code == 201, first.text
    ended = azure.arm("GET", first.headers["Azure-AsyncOperation"]).json()
    assert ended["status"] == "Succeeded", ended
    found: dict[str, Any] = azure.arm("GET", path, version=VERSION).json()
    return found


def _changes(azure: Client, scope: str, body: str) -> dict[str, dict[str, Any]]:
    first = _send(azure, "POST", f"{scope}/providers/Microsoft.Resources/deployments/ask/whatIf", body)
    assert (first.status_code, first.content) == (202, b"")
    answer = azure.arm("GET", first.headers["Location"]).json()
    assert answer["status"] == "Succeeded"
    return {one["resourceId"].rpartition("/")[2]: one for one in answer["properties"]["changes"]}


def test_a_templates_text_is_read_as_it_stands_in_the_file(azure: Client) -> None:
    """Comments, a bare name, texts of several lines."""
    assert _deployed(azure, scene.GROUP_ID, cli_body(TEMPLATE))["properties"]["outputs"]["id"]["value"] == VAULT
    tags = azure.arm("GET", VAULT, version="2023-07-01").json()["tags"]
    assert tags["quoted"] == 'it\'s "so"'
    assert tags["long"] == "one two // no comment"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'type': 'string', 'value': 'it\\'s \"so\"'}", 'it\'s "so"'),
        ("{type: 'string', value: 'a\\nb',}", "a\nb"),
        ('{"type"/**/:/* a: */"string", $x: 1, "value": "// \\" /* */"}', '// " /* */'),
        ('{"type": "array", "value": [1, // one\n 2,]}', [1, 2]),
    ],
)
def test_what_else_arms_reader_takes(azure: Client, text: str, value: Any) -> None:
    """Names and texts in single quotation marks or bare, commas behind the last member, comments anywhere."""
    body = cli_body('{"resources": [], outputs: {one: ' + text + "}}")
    assert _deployed(azure, scene.GROUP_ID, body)["properties"]["outputs"]["one"]["value"] == value


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_validate_reads_the_same_text(azure: Client, end: str) -> None:
    """`az deployment group validate`, from a file of either kind of line ends."""
    path = f"{scene.GROUP_ID}/providers/Microsoft.Resources/deployments/ask/validate"
    answer = _send(azure, "POST", path, cli_body(TEMPLATE.replace("\n", end)))
    assert answer.status_code == 200, answer.text
    assert answer.json()["properties"]["validatedResources"] == [{"id": VAULT}]


@pytest.mark.parametrize("broken", ["{", '{"a": "', "{a: /* ", "{'a", "{a b: 1}", "{,}", '{"a" 1}'])
def test_what_is_no_json_even_so_is_refused(azure: Client, broken: str) -> None:
    """400, never a server error."""
    answer = _send(azure, "PUT", f"{scene.GROUP_ID}/providers/Microsoft.Resources/deployments/bad", cli_body(broken))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")


def test_other_bodies_are_not_read_so_leniently(azure: Client) -> None:
    """A workspace's PUT with a bare name: ARM is not known to take it."""
    answer = azure.arm("PUT", f"{WORKSPACES}/lab", '{location: "westeurope"}')
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")


def test_what_if_names_what_would_change(azure: Client) -> None:
    """New, unchanged and changed; what else is in the group is left alone. Nothing is made by asking."""
    body = cli_body(TEMPLATE)
    first = _changes(azure, scene.GROUP_ID, body)
    assert first["kv-template"]["changeType"] == "Create"
    assert first["kv-template"]["after"]["properties"]["sku"] == {"family": "A", "name": "standard"}
    assert first[scene.KEY_VAULT]["changeType"] == "Ignore"
    assert azure.arm("GET", VAULT, version="2023-07-01").status_code == 404
    _deployed(azure, scene.GROUP_ID, body)
    assert _changes(azure, scene.GROUP_ID, body)["kv-template"]["changeType"] == "NoChange"
    azure.arm("PATCH", VAULT, {"tags": {"quoted": "otherwise"}}, version="2023-07-01")
    changed = _changes(azure, scene.GROUP_ID, body)["kv-template"]
    assert changed["changeType"] == "Modify"
    assert {"path": "tags.quoted", "propertyChangeType": "Modify", "before": "otherwise", "after": 'it\'s "so"'} in changed["delta"]


def test_what_if_of_ids_alone_says_what_would_be_deployed(azure: Client) -> None:
    """`--result-format ResourceIdOnly`: Deploy for what is there, no payloads."""
    _deployed(azure, scene.GROUP_ID, cli_body(TEMPLATE))
    template = json.loads(json.dumps({"resources": [{"type": "Microsoft.KeyVault/vaults", "name": "kv-template"}]}))
    properties = {"mode": "Incremental", "template": template, "whatIfSettings": {"resultFormat": "ResourceIdOnly"}}
    found = _changes(azure, scene.GROUP_ID, json.dumps({"properties": properties}))
    assert found["kv-template"] == {"resourceId": VAULT, "changeType": "Deploy"}
    assert set(found[scene.KEY_VAULT]) == {"resourceId", "changeType"}


def test_the_template_of_a_deployment_is_exported(azure: Client) -> None:
    """`az deployment group export`: the template, expressions and all."""
    _deployed(azure, scene.GROUP_ID, cli_body(TEMPLATE))
    path = f"{scene.GROUP_ID}/providers/Microsoft.Resources/deployments/main/exportTemplate"
    template = azure.arm("POST", path, version=VERSION).json()["template"]
    assert template["resources"][0]["name"] == "[parameters('name')]"


def test_a_deployment_at_the_subscription_makes_a_group_and_what_is_in_it(azure: Client) -> None:
    """`az deployment sub create`, with a nested deployment into the group that it makes; its output comes through."""
    text = json.dumps(SUBSCRIPTION_TEMPLATE)
    asked = _changes(azure, SUBSCRIPTION, cli_body(text, location="northeurope"))
    assert asked["rg-made"]["changeType"] == "Create"
    assert asked["made"]["changeType"] == "Unsupported", "its location refers to a group that is not there yet"
    made = _deployed(azure, SUBSCRIPTION, cli_body(text, location="northeurope"))
    assert (made["location"], made["properties"]["outputs"]["where"]["value"]) == ("northeurope", "northeurope")
    inside = f"{SUBSCRIPTION}/resourceGroups/rg-made/providers/Microsoft.Insights/components/made"
    assert azure.arm("GET", inside, version="2020-02-02").status_code == 200
    asked = _changes(azure, SUBSCRIPTION, cli_body(text, location="northeurope"))
    assert {one["changeType"] for one in asked.values()} == {"NoChange"}
    path = f"{SUBSCRIPTION}/providers/Microsoft.Resources/deployments"
    assert [one["name"] for one in azure.arm("GET", path, version=VERSION).json()["value"]] == ["main"]
    operations = azure.arm("GET", f"{path}/main/operations", version=VERSION).json()["value"]
    assert {one["properties"]["targetResource"]["resourceName"] for one in operations} == {"rg-made", "inner"}
    assert azure.arm("HEAD", f"{path}/main", version=VERSION).status_code == 204
    assert azure.arm("DELETE", f"{path}/main", version=VERSION).status_code == 204
    assert azure.arm("HEAD", f"{path}/main", version=VERSION).status_code == 404


def test_a_deployment_at_the_subscription_has_a_location_for_good(azure: Client) -> None:
    """Without one: LocationRequired; with another the next time: 409."""
    path = f"{SUBSCRIPTION}/providers/Microsoft.Resources/deployments/main"
    empty = '{"resources": []}'
    assert _send(azure, "PUT", path, cli_body(empty)).json()["error"]["code"] == "LocationRequired"
    _deployed(azure, SUBSCRIPTION, cli_body(empty, location="westeurope"))
    moved = _send(azure, "PUT", path, cli_body(empty, location="eastus"))
    assert (moved.status_code, moved.json()["error"]["code"]) == (409, "InvalidDeploymentLocation")


PARTS = {
    "parameters": {
        "name": {"type": "string", "minLength": 3, "maxLength": 5},
        "count": {"type": "int", "minValue": 1, "maxValue": 2, "defaultValue": 1},
        "size": {"type": "string", "allowedValues": ["S", "M"], "defaultValue": "S"},
    },
    "resources": [
        {
            "type": "Microsoft.ManagedIdentity/userAssignedIdentities", "apiVersion": "2023-01-31", "location": "westeurope",
            "name": "[parameters('name')]",
        }
    ],
    "outputs": {
        "kept": {"type": "string", "value": "[reference(parameters('all'), '2023-07-01', 'Full').location]"},
        "key": {"type": "string", "value": "[listKeys(parameters('account'), '2023-05-01').keys[1].keyName]"},
        "sum": {"type": "int", "value": "[mul(max(2, 3), length(range(0, 4)))]"},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "needs", "said"),
    [
        ({"name": "ab"}, [], "Length of the value should be greater than or equal to '3'."),
        ({"name": "abcdef"}, [], "Length of the value should be less than or equal to '5'."),
        ({"name": "abc", "count": 3}, [], "The value should be less than or equal to '2'."),
        ({"name": "abc", "size": "L"}, [], "The value 'L' is not part of the allowed value(s): 'S,M'."),
        ({"name": "abc", "other": 1}, [], "The template parameters 'other' in the parameters file are not valid;"),
        ({"name": "abc"}, ["none"], "The resource 'none' is not defined in the template."),
        ({}, [], "The value for the template parameter 'name' is not provided."),
    ],
)
def test_a_value_that_its_parameter_does_not_take_is_refused(
    azure: Client, given: dict[str, Any], needs: list[str], said: str
) -> None:
    """400 `InvalidTemplate` before anything is made, whether the template uses the value or not."""
    template = {**PARTS, "outputs": {}, "resources": [{**PARTS["resources"][0], "dependsOn": needs}]}
    parameters = {name: {"value": value} for name, value in given.items()}
    body = {"properties": {"mode": "Incremental", "template": template, "parameters": parameters}}
    answer = azure.arm("PUT", f"{scene.GROUP_ID}/providers/Microsoft.Resources/deployments/judged", body, version=VERSION)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidTemplate")
    assert said in answer.json()["error"]["message"]


def test_outputs_read_whole_resources_and_keys(azure: Client) -> None:
    """`reference(…, 'Full')` has what stands beside the properties; `listKeys` asks the provider."""
    more = {name: {"type": "string"} for name in ("all", "account")}
    template = {**PARTS, "parameters": {**PARTS["parameters"], **more}}
    values = {"name": "told", "all": scene.KEY_VAULT_ID, "account": scene.STORAGE_ID}
    body = {
        "properties": {
            "mode": "Incremental",
            "template": template,
            "parameters": {name: {"value": value} for name, value in values.items()},
        }
    }
    path = f"{scene.GROUP_ID}/providers/Microsoft.Resources/deployments/told"
    azure.arm("GET", azure.arm("PUT", path, body, version=VERSION).headers["Azure-AsyncOperation"])
    shown = azure.arm("GET", path, version=VERSION).json()["properties"]
    assert shown["provisioningState"] == "Succeeded", shown
    assert {name: one["value"] for name, one in shown["outputs"].items()} == {"kept": "westeurope", "key": "key2", "sum": 12}


def test_a_mode_that_would_delete_is_refused(azure: Client) -> None:
    """Complete is not in the local Azure: silence would look as if nothing was to be deleted."""
    body = json.dumps({"properties": {"mode": "Complete", "template": {"resources": []}}})
    answer = _send(azure, "PUT", f"{scene.GROUP_ID}/providers/Microsoft.Resources/deployments/main", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "DeploymentModeNotSupported")


def test_the_long_way_through_a_proxy_with_leading_slashes(azure: Client) -> None:
    """A deployment's URL with `//` in front is the same deployment."""
    _deployed(azure, scene.GROUP_ID, cli_body('{"resources": []}'))
    url = f"{ARM}/{scene.GROUP_ID}/providers/Microsoft.Resources/deployments/main?api-version={VERSION}"
    assert azure.session.get(url, headers={"Authorization": f"Bearer {azure.token()}"}, timeout=20).json()["name"] == "main"
