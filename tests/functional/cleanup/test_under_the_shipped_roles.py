"""The clean-up and the doctor under the roles that infra/azure gives: enough as shipped, and clear when an action is taken out."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from infra.local import stack
from infra.local.emulator import scene
from shared.catalog.kinds import ML
from tests.functional.cleanup.conftest import STALE_MODELS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.functional.cleanup.conftest import Place

pytestmark = pytest.mark.timeout(420)
S = f"/subscriptions/{scene.SUBSCRIPTION_ID}"
LEFTOVERS = "  - {name: leftovers, kind: leftover, staleWhen: {orphaned: true}, action: notify, mode: enforce}\n"
SMALL = {"workspaces": 2, "models": 1, "versions": 16, "computes": 1}


@contextlib.contextmanager
def lacking(place: Place, action: str) -> Iterator[None]:
    """Take an action out of whichever of the app's own roles has it."""
    shipped = place.control.call("GET", "roles")
    definitions = json.loads(json.dumps(shipped["definitions"]))
    rows = [row for role in definitions for row in role["properties"]["permissions"] if action in row["actions"]]
    assert rows, action
    for row in rows:
        row["actions"].remove(action)
    place.control.call("PUT", "roles", json={"definitions": definitions})
    try:
        yield
    finally:
        place.control.call("PUT", "roles", json={"definitions": shipped["definitions"]})


def refused(place: Place, after: int) -> list[str]:
    """Method and path of every request that was refused since then."""
    return [f"{each['method']} {each['path']}" for each in place.control.requests(after=after) if each["status"] == 403]


def last(place: Place) -> int:
    """The order of the last request."""
    return max((each["order"] for each in place.control.requests()), default=0)


def reasons(report: dict[str, Any]) -> set[str]:
    """Why resources were kept or not looked at."""
    return {line.get("reason", "") for line in report["resources"]} | set(report.get("notes", ()))


def diagnosed(place: Place, folder: Path) -> list[dict[str, str]]:
    """What `make doctor` finds wrong."""
    file = folder / "settings.json"
    file.write_text(json.dumps({"IsEncrypted": False, "Values": dict(place.parts.app.settings)}))
    command = [sys.executable, "-m", "infra.doctor", "--settings", str(file), "--json"]
    done = subprocess.run(
        command, cwd=stack.ROOT, env={"PATH": "/usr/bin"}, capture_output=True, text=True, check=False, timeout=100
    )
    return [each for each in json.loads(done.stdout) if each["level"] == "problem" and each["check"] == "permissions"]


def test_an_enforcing_run_meets_no_refusal(place: Place) -> None:
    """Everything stale goes, and Azure refuses nothing on the way."""
    place.seed(**SMALL)
    place.policies(STALE_MODELS + LEFTOVERS)
    began, stale = last(place), place.stale("modelVersion")
    report = place.ended(place.begin("mode=enforce"))
    assert stale
    assert not stale & place.there(), reasons(report)
    assert refused(place, began) == []


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("Microsoft.Authorization/locks/read", f"action 'Microsoft.Authorization/locks/read' over scope '{S}'"),
        pytest.param(f"{ML}/workspaces/read", f"{ML}/workspaces/read at {S}", marks=pytest.mark.nightly),
        pytest.param(f"{ML}/registries/read", f"{ML}/registries/read at {S}", marks=pytest.mark.nightly),
        (f"{ML}/workspaces/*/read", "could not be read completely: AuthorizationFailed"),
    ],
)
def test_without_an_action_of_the_reader_everything_is_kept_and_the_doctor_names_it(
    place: Place, tmp_path: Path, action: str, told: str
) -> None:
    """A list that Azure shortened without a word is no proof that nothing uses a resource."""
    place.seed(**SMALL)
    place.policies(STALE_MODELS + LEFTOVERS)
    elsewhere = f"{S}/resourceGroups/rg-sandbox/providers/{ML}/workspaces/theirs"
    body = {
        "location": "eastus",
        "properties": {"provisioningState": "Succeeded", "discoveryUrl": "https://eastus.api.azureml.ms/discovery"},
    }
    place.control.call("POST", "resources", json=[{"id": elsewhere, "body": body, "days": 90}])
    before = place.there()
    with lacking(place, action):
        report = place.ended(place.begin("mode=enforce"))
        problems = diagnosed(place, tmp_path)
    assert place.there() == before
    assert not report["outcomes"].get("deleted")
    assert any(told in text for text in reasons(report)), reasons(report)
    assert any(each["said"].startswith(f"{S}: ") and action in each["said"] for each in problems), problems


def test_a_registry_is_not_deleted_while_some_workspaces_cannot_be_seen(place: Place) -> None:
    """403 `NotSeen` names action and scope; `force` insists, as with any other user of a registry."""
    place.seed(**SMALL)
    path = "providers/Microsoft.ContainerRegistry/registries/noadminacr"
    with lacking(place, f"{ML}/workspaces/read"):
        error = place.app.send("DELETE", path, expect=403).json()["error"]
        assert error["code"] == "NotSeen"
        assert f"it lacks {ML}/workspaces/read at {S}" in error["message"]
        place.app.done("DELETE", f"{path}?force=true")


def test_a_registry_ends_as_made_whether_its_status_may_be_read_or_not(place: Place) -> None:
    """With the action its status URL is followed; without it the registry itself says that it is there."""
    place.seed(**SMALL)
    body = {"location": scene.LOCATION, "sku": {"name": "Basic"}}
    began = last(place)
    place.app.done("PUT", "providers/Microsoft.ContainerRegistry/registries/madewithit", json=body)
    assert refused(place, began) == []
    with lacking(place, "Microsoft.ContainerRegistry/registries/operationStatuses/read"):
        place.app.done("PUT", "providers/Microsoft.ContainerRegistry/registries/madewithoutit", json=body)
    assert any("/operationStatuses/" in each for each in refused(place, began))


def test_a_new_group_takes_the_provisioner_on_the_subscription(place: Place) -> None:
    """403 with the roles on groups; once given on the subscription, the group is made, and goes again."""
    place.seed(**SMALL)
    error = place.app.send("PUT", "resourceGroups/rg-fresh", json={"location": scene.LOCATION}, expect=403).json()["error"]
    assert (error["code"], "resourceGroups/write' over scope '" in error["message"]) == ("AuthorizationFailed", True)
    held = place.control.call("GET", "roles")["assignments"]
    wide = [{**each, "scope": S} for each in held if "provisioner" in each["title"]]
    place.control.call("PUT", "roles", json={"assignments": [*held, *wide]})
    place.app.done("PUT", "resourceGroups/rg-fresh", json={"location": scene.LOCATION})
    place.app.done("DELETE", "resourceGroups/rg-fresh")
