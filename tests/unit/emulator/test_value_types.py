"""The local Azure reads a body as a .NET service does: a value of another type is refused, one that can be converted is taken."""

import json
from typing import Any

import pytest

from infra import known_properties
from infra.local.emulator import scene, web
from infra.local.emulator.machine_learning import value_types, words
from shared.preflight import value_types as foretold

WORKSPACE = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/lab"


def request(path: str, body: Any, version: str = "2025-12-01") -> web.Request:
    """A PUT below the workspace."""
    return web.Request(
        method="PUT", host="management.azure.com", path=f"{WORKSPACE}/{path}", query={"api-version": version},
        body=json.dumps(body).encode(),
    )  # fmt: skip


REFUSED = [
    ("jobs/one", {"properties": {"resources": {"instanceCount": "two"}}}, "resources.instanceCount must be a whole number"),
    ("jobs/one", {"properties": {"resources": {"instanceCount": 2**31}}}, "resources.instanceCount must be a whole number"),
    ("jobs/one", {"properties": {"queueSettings": []}}, "queueSettings must be an object"),
    ("jobs/one", {"properties": {"notificationSetting": {"emails": "a@b.c"}}}, "emails must be an array"),
    ("jobs/one", {"properties": {"isArchived": "no"}}, "isArchived must be true or false"),
    ("jobs/one", {"properties": {"environmentVariables": {"A": []}}}, "environmentVariables.A must be a string"),
    ("computes/cpu", {"properties": {"properties": {"scaleSettings": {"maxNodeCount": 10**20}}}}, "maxNodeCount must be a whole"),
    ("onlineEndpoints/e", {"properties": {"traffic": {"blue": "all"}}}, "traffic.blue must be a whole number"),
    ("models/m/versions/1", {"properties": {"modelUri": {"a": 1}}}, "modelUri must be a string"),
    ("schedules/s", {"properties": {"action": {"jobDefinition": {"resources": {"instanceCount": []}}}}}, "must be a whole number"),
]


@pytest.mark.parametrize(("path", "body", "said"), REFUSED)
def test_a_value_of_another_type_is_refused(path: str, body: Any, said: str) -> None:
    """As what cannot be read: https://github.com/pulumi/pulumi-azure-native/issues/1557."""
    with pytest.raises(web.Refused) as refused:
        value_types.check(request(path, body))
    assert refused.value.response.status == 400
    assert said in refused.value.response.body.decode()


@pytest.mark.parametrize(
    "properties",
    [
        {"resources": {"instanceCount": "2"}},
        {"resources": {"instanceCount": 2.0}},
        {"isArchived": "true"},
        {"tags": {"year": 2026}},
        {"displayName": 5},
        {"inputs": None},
    ],
)
def test_a_value_that_can_be_converted_is_taken(properties: dict[str, Any]) -> None:
    """A number in quotes, a flag in quotes, a number for a text, null for anything."""
    value_types.check(request("jobs/one", {"properties": properties}))


def test_an_old_version_has_bodies_of_its_own() -> None:
    """The types are those of 2025-12-01."""
    value_types.check(request("jobs/one", {"properties": {"queueSettings": []}}, "2021-03-01-preview"))


def test_a_tier_is_one_of_four() -> None:
    """SkuTier is closed; workspaces of 2019 had an Enterprise."""
    body = {"sku": {"name": "Default", "tier": "Gold"}}
    words.check(request("onlineEndpoints/e", body, "2019-11-01"))
    with pytest.raises(web.Refused):
        words.check(request("onlineEndpoints/e", body))


VERDICTS = {  # the local Azure imports nothing of the app: each has a reader of its own
    "flag": {True: [True, False, "true", " False ", 0, 1], False: ["no", "", [], {}]},
    "whole": {
        True: [0, -5, 2.0, "2", " +7 ", 2**31 - 1],
        False: ["two", "", "2.0", 1.5, True, 2**31, 10**20, "9" * 400, float("inf"), float("nan"), [], {}],
    },
    "long": {True: [2**31, -(2**63), "12"], False: [2**63, 0.5, False, "x", float("inf"), []]},
    "number": {True: [0, 0.25, "-.5", "1e3"], False: ["one", "", True, [], {}]},
    "text": {True: ["", "a", 5, 0.5, True], False: [[], {}]},
    "list": {True: [[], [1]], False: ["a", {}, 1]},
    "object": {True: [{}, {"a": 1}], False: ["a", [], 1]},
}


def test_both_readers_know_the_same_types_and_judge_alike() -> None:
    """One table of verdicts, one of paths."""
    assert known_properties.LOCAL_AZURE.read_text() == (known_properties.CATALOG / "known_types.json").read_text()
    assert VERDICTS.keys() == value_types._IS.keys() == foretold._IS.keys()
    strange = [
        f"{name} {value!r} by {reader.__name__}"
        for name, verdicts in VERDICTS.items()
        for verdict, values in verdicts.items()
        for value in values
        for reader in (value_types, foretold)
        if bool(reader._IS[name][1](value)) != verdict
    ]
    assert not strange
