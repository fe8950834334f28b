"""Assets of a registry bring their files, too: a registry has no datastores, Azure names a place for each version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import requests

from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local import stack
    from tests.functional.files.conftest import Caller


@pytest.fixture(scope="module")
def registry(caller: Caller) -> str:
    """A registry that is there; its path below `/api`."""
    body = {
        "location": scene.LOCATION,
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "regionDetails": [
                {
                    "location": scene.LOCATION,
                    "acrDetails": [{"systemCreatedAcrAccount": {"acrAccountSku": "Premium"}}],
                    "storageAccountDetails": [{"systemCreatedStorageAccount": {"storageAccountType": "standard_lrs"}}],
                }
            ]
        },
    }
    caller.resource(caller.send("PUT", "/registries/reg-files", json=body, headers={"Prefer": "wait=30"}))
    return "/registries/reg-files"


def test_a_model_of_a_registry_brings_its_file(caller: Caller, registry: str) -> None:
    """It is where the version says."""
    files = {"spec": ("s.json", json.dumps({"properties": {"modelType": "custom_model"}})), "model": ("m.bin", b"weights")}
    model = caller.resource(caller.send("PUT", f"{registry}/models/m/versions/1", files=files))
    assert model["id"].endswith("/registries/reg-files/models/m/versions/1")
    assert caller.send("GET", f"{registry}/models/m/versions/1").status_code == 200


def test_a_component_of_a_registry_brings_its_code(caller: Caller, registry: str, zip_of: Callable[..., bytes]) -> None:
    """The code is there before the component names it."""
    text = "name: c\nversion: 1\ntype: command\ncommand: python a.py\ncode: ./src\nenvironment: azureml://registries/reg-files/environments/e/versions/1\n"
    environment = {"properties": {"image": "python:3.13"}}
    caller.resource(caller.send("PUT", f"{registry}/environments/e/versions/1", json=environment))
    files = {"spec": ("component.yml", text), "files": ("f.zip", zip_of({"src/a.py": "print(1)"}))}
    component = caller.resource(caller.send("PUT", f"{registry}/components/c/versions/1", files=files))
    assert "/registries/reg-files/codes/" in component["properties"]["componentSpec"]["code"]


def test_an_environment_of_a_registry_brings_its_build_context(
    caller: Caller, registry: str, emulator: stack.Azure, zip_of: Callable[..., bytes]
) -> None:
    """ARM has no startPendingUpload for it: the registry's own front end names the place."""
    context = zip_of({"Dockerfile": "FROM python:3.13", "src/a.txt": "a"})
    files = {"spec": ("s.json", b'{"properties": {}}'), "context": ("c.zip", context)}
    made = caller.resource(caller.send("PUT", f"{registry}/environments/built/versions/1", files=files))
    uri = made["properties"]["build"]["contextUri"]
    asked = caller.send("POST", f"{registry}/datareferences/built/versions/1", json={"blobUri": f"{uri}Dockerfile"})
    signed = asked.json()["blobReferenceForConsumption"]["credential"]["sasUri"]
    found = requests.get(signed, proxies={"https": emulator.proxy}, verify=str(emulator.ca), timeout=30)
    assert found.content == b"FROM python:3.13", found.text
