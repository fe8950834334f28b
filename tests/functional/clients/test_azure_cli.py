"""The Azure CLI, unchanged, against the local Azure: `make nightly`, because it weighs 700 MB and each command takes seconds.

What it sends that no other client does is written out in `tests/functional/emulator/test_template_deployments.py`.
"""

import json
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.test_template_deployments import SUBSCRIPTION_TEMPLATE, TEMPLATE

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]
type Cli = Callable[[str], Any]
END = uuid.uuid4().hex[:6]


@pytest.fixture(scope="module")
def az(azure_cli: Path, variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """One command of the CLI, signed in as the service principal: what it writes, as JSON."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "template.json").write_text(TEMPLATE)
    (folder / "subscription.json").write_text(json.dumps(SUBSCRIPTION_TEMPLATE))
    environment = variables | {"AZURE_CONFIG_DIR": str(folder / "config"), "AZURE_CORE_COLLECT_TELEMETRY": "no"}

    def run(command: str) -> Any:
        whole = [str(azure_cli), *command.split(), "--output", "json"]
        done = subprocess.run(whole, cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, f"az {command}: {done.stdout}\n{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    principal = f"-u {scene.CLIENT_ID} -p {scene.CLIENT_SECRET} -t {scene.TENANT_ID}"
    assert run(f"login --service-principal {principal}")[0]["id"] == scene.SUBSCRIPTION_ID
    return run


def test_regions_and_providers(az: Cli) -> None:
    """What a reader of a quick start looks at first."""
    west = next(one for one in az("account list-locations") if one["name"] == "westeurope")
    assert west["displayName"] == "West Europe"
    assert az("provider show -n Microsoft.KeyVault")["registrationState"] == "Registered"


def test_storage_accounts(az: Cli) -> None:
    """`create` asks for the name first."""
    name = f"cli{END}"
    assert (
        az(f"storage account create -n {name} -g rg-steward -l westeurope --sku Standard_LRS")["provisioningState"] == "Succeeded"
    )
    assert name in [one["name"] for one in az("storage account list")]
    assert len(az(f"storage account keys list -n {name}")) == 2
    assert not az(f"storage account check-name -n {name}")["nameAvailable"]
    az(f"storage account delete -n {name} --yes")


def test_vaults_and_their_soft_delete(az: Cli) -> None:
    """Deleted, listed as deleted, recovered, purged."""
    name = f"kv-cli-{END}"
    assert az(f"keyvault create -n {name} -g rg-steward -l westeurope")["name"] == name
    az(f"keyvault delete -n {name}")
    assert name in [one["name"] for one in az("keyvault list-deleted")]
    assert az(f"keyvault recover -n {name}")["name"] == name
    az(f"keyvault delete -n {name} -g rg-steward")
    az(f"keyvault purge -n {name}")
    assert name not in [one["name"] for one in az("keyvault list-deleted")]


def test_registries_and_identities(az: Cli) -> None:
    """A registry with its admin user; an identity, whose provider the CLI registers by itself."""
    name = f"acrcli{END}"
    assert az(f"acr create -n {name} -g rg-steward --sku Basic --admin-enabled")["name"] == name
    assert az(f"acr credential show -n {name}")["username"] == name
    assert not az(f"acr check-name -n {name}")["nameAvailable"]
    az(f"acr delete -n {name} --yes")
    assert az(f"identity create -n id-{END} -g rg-steward")["name"] == f"id-{END}"


def test_resources_and_tags(az: Cli) -> None:
    """`az resource list` in its forms."""
    assert scene.KEY_VAULT in [one["name"] for one in az("resource list -g rg-steward")]
    assert az(f"tag create --resource-id {scene.KEY_VAULT_ID} --tags run={END}")["properties"]["tags"] == {"run": END}
    assert [one["name"] for one in az(f"resource list --tag run={END}")] == [scene.KEY_VAULT]
    assert scene.KEY_VAULT in [one["name"] for one in az("resource list --resource-type Microsoft.KeyVault/vaults")]
    assert az(f"resource show --ids {scene.KEY_VAULT_ID}")["name"] == scene.KEY_VAULT
    assert "run" in [one["tagName"] for one in az("tag list")]


def test_templates_at_a_group(az: Cli) -> None:
    """A file with comments: what-if, validate, create, what-if again, export."""
    of_group = "-g rg-steward --template-file template.json"

    def change() -> str:
        changes = az(f"deployment group what-if {of_group} --no-pretty-print")["changes"]
        return next(str(one["changeType"]) for one in changes if one["resourceId"].endswith("/kv-template"))

    assert change() == "Create"
    assert az(f"deployment group validate {of_group}")["properties"]["provisioningState"] == "Succeeded"
    made = az(f"deployment group create {of_group} -n one")
    assert made["properties"]["outputs"]["id"]["value"].endswith("/kv-template")
    assert change() == "NoChange"
    assert az("deployment group export -g rg-steward -n one")["contentVersion"] == "1.0.0.0"


def test_templates_at_the_subscription(az: Cli) -> None:
    """A group with something in it."""
    of_subscription = "-l northeurope --template-file subscription.json"
    assert az(f"deployment sub validate {of_subscription}")["properties"]["provisioningState"] == "Succeeded"
    changes = az(f"deployment sub what-if {of_subscription} --no-pretty-print")["changes"]
    assert [one["changeType"] for one in changes] == ["Create", "Unsupported"]
    made = az(f"deployment sub create {of_subscription} -n two")
    assert made["properties"]["outputs"]["where"]["value"] == "northeurope"
    assert az("group exists -n rg-made") is True
    steps = az("deployment operation sub list -n two")
    assert {one["properties"]["targetResource"]["resourceName"] for one in steps} == {"rg-made", "inner"}


def test_event_subscriptions_of_a_group(az: Cli) -> None:
    """Listed by the group, by the region, by the type."""
    assert az(f"eventgrid event-subscription list --source-resource-id {scene.GROUP_ID}") == []
    assert az("eventgrid event-subscription list --location global") is not None
    types = [one["name"] for one in az("eventgrid topic-type list")]
    assert "Microsoft.MachineLearningServices.Workspaces" in types
