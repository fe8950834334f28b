"""Parameters of the query: their names in any casing, as Azure reads them, and each refused by name when it says something else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.http.conftest import App

WORKSPACE = json.dumps({"location": "westeurope"})


@pytest.mark.parametrize("name", ["preflight", "Preflight", "PREFLIGHT"])
def test_what_was_only_to_be_asked_is_not_done(app: App, name: str) -> None:
    """A capital in `?Preflight=true` must not create the workspace."""
    answer = app.send("PUT", f"workspaces/w9?{name}=true", WORKSPACE)
    assert (answer.status, set(answer.body)) == (200, {"status", "value"})
    for method, path in (("POST", "workspaces/w1/listKeys"), ("PATCH", "workspaces/w1"), ("DELETE", "workspaces/w1")):
        answer = app.send(method, f"{path}?{name}=true", b"{}" if method == "PATCH" else b"")
        assert (answer.status, set(answer.body)) == (200, {"status", "value"})
    assert not [asked for asked in app.steward.azure.requests if not asked.startswith("GET")]


@pytest.mark.parametrize(
    ("method", "asked", "target"),
    [
        ("GET", "workspaces?API-Version=yesterday", "api-version"),
        ("GET", "operations?$TOP=many", "$top"),
        ("GET", "operations?$top=201", "$top"),
        ("GET", "operations?Status=Sideways", "status"),
        ("GET", "operations?$SkipToken=x", "$skipToken"),
        ("GET", "operations?target=workspaces//x", "target"),
        ("GET", "operations?target=nonsense", "target"),
        ("GET", "operations?below=/subscriptions/s/providers/Microsoft.Compute/disks/d", "below"),
        ("GET", "operations?below=workspaces/w1/computes/c/start", "below"),
        ("GET", "operations/0-0?wait=61", "wait"),
        ("POST", "operations/0-0/cancel?abandon=maybe", "abandon"),
        ("DELETE", "workspaces/w1?Force=perhaps", "force"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_named(app: App, method: str, asked: str, target: str) -> None:
    """With what was given and what is expected."""
    answer = app.send(method, asked)
    assert answer.status == 400, answer.content
    assert answer.body["error"]["target"] == target
    assert f"'{target}'" in answer.said
    assert "expected" in answer.said
    assert app.steward.azure.requests == []


def test_operations_are_found_by_a_path_as_well_as_by_an_arm_id(app: App) -> None:
    """The short path that made the operation finds it again."""
    body = json.dumps({"properties": {"computeType": "AmlCompute", "properties": {"vmSize": "STANDARD_DS3_V2"}}})
    made = app.send("PUT", "workspaces/w1/computes/cpu", body, prefer="respond-async").body
    for asked in (
        "target=workspaces/w1/computes/cpu",
        "Target=Workspaces/W1/computes/CPU",
        f"target={made['properties']['target']}",
        "below=workspaces/w1",
        "below=resourceGroups/rg1",
    ):
        assert [each["name"] for each in app.send("GET", f"operations?{asked}").body["value"]] == [made["name"]], asked
