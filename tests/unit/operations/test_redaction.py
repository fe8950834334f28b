"""Answers are stored without the secrets they hold."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from shared.catalog import bodies, kinds
from shared.operations import redaction
from shared.settings import Settings
from tests import tables

DATASTORES = kinds.by_type()["arm", kinds.ML.lower(), "workspaces/datastores"]
ENDPOINTS = kinds.by_type()["arm", kinds.ML.lower(), "workspaces/onlineendpoints"]


def test_the_fields_that_the_table_calls_secret_are_null() -> None:
    """In any casing; the rest stays as it was."""
    body = {"properties": {"Credentials": {"secrets": {"key": "s", "other": "t"}, "type": "AccountKey"}, "name": "n"}}
    assert redaction.redacted(DATASTORES, body) == {
        "properties": {"Credentials": {"secrets": {"key": None, "other": None}, "type": "AccountKey"}, "name": "n"}
    }
    assert body["properties"]["Credentials"]["secrets"]["key"] == "s"  # type: ignore[index]


SERVICES = kinds.by_type()["modelmanagement", kinds.ML.lower(), "workspaces/services"]
KEPT_SECRETS = [
    (DATASTORES, {"properties": [{"credentials": {"secrets": {"key": "top secret"}}}]}),
    (SERVICES, [{"op": "replace", "path": "/keys/primaryKey", "value": "top secret"}]),
    (SERVICES, [{"op": "add", "path": "/Keys", "value": {"primaryKey": "top secret"}}]),
    (SERVICES, [{"op": "replace", "path": "", "value": {"keys": {"primaryKey": "top secret"}}}]),
    (SERVICES, [{"op": "replace", "path": "//keys//primaryKey", "value": "top secret"}, {"op": "remove", "path": "/tags"}]),
]


@pytest.mark.parametrize(("kind", "body"), KEPT_SECRETS)
def test_a_secret_is_one_in_lists_and_in_steps_of_a_patch(kind: kinds.Kind, body: Any) -> None:
    """It is seen, left out, and hidden where a refusal quotes it; a patch keeps its form."""
    assert bodies.has_secret(kind, body)
    left = redaction.redacted(kind, body)
    assert "top secret" not in json.dumps(left)
    assert type(left) is type(body)
    assert len(left) == len(body)
    assert redaction.unsaid(kind, body, {"error": "'top secret' is too short"}) == {"error": "'***' is too short"}


def test_steps_of_a_patch_without_secrets_stay_as_they_are() -> None:
    """And so does what is a list of something else."""
    for body in (
        [{"op": "replace", "path": "/description", "value": {"a": [1]}}, {"op": "remove", "path": "/tags/x"}],
        [{"op": "x"}, 1],
    ):
        assert redaction.redacted(SERVICES, body) == body


def test_keys_that_an_action_answers_with_are_null_wherever_they_stand() -> None:
    """RegenerateKeys may answer as listKeys does; the caller lists them."""
    body = {"primaryKey": "p", "value": [{"accessToken": "t", "expiryTimeUtc": 1}]}
    assert redaction.redacted(ENDPOINTS, body, action="regenerateKeys") == {
        "primaryKey": None,
        "value": [{"accessToken": None, "expiryTimeUtc": 1}],
    }


def test_a_resource_without_secrets_is_untouched() -> None:
    """Also what is no object."""
    for body in (None, "text", [1], {"properties": {"primaryKey": "a name of its own"}}):
        assert redaction.redacted(ENDPOINTS, body) == body


LITERAL = {"jobInputType": "literal", "value": "s"}
WORKSPACE = "workspaces/w1"
SCOPE = Settings(subscription_id="s", resource_group="g")
DIRECT = [(kind, action.name) for kind in kinds.KINDS for action in kind.actions if action.direct]


@tables.each(("kind", "action"), DIRECT)
def test_nothing_of_a_direct_actions_answer_is_recorded(kind: kinds.Kind, action: str) -> None:
    """Keys, passwords, tokens, signed URLs: whatever its members are called."""
    last = kind.types[-1] if kind.name is None and not kind.verbs else ""
    path = "/".join(f"{each}/n1" for each in kind.types).removesuffix(
        "/n1" if kind.nameless or (last and kind.scope != "subscription") else ""
    )
    spaced = f"subscriptions/s/resourceGroups/g/providers/{kind.namespace}/{path}" if kind.namespace != kinds.ML else path
    if kind.namespace == kinds.RESOURCES:
        spaced = f"subscriptions/s/providers/{kinds.ML}"
    if kind.plane != "arm":
        spaced = f"{kind.plane}/v1.0/{spaced}"
    answer = {"keys": [{"keyName": "key1", "value": "c2VjcmV0"}], "passwords": [{"name": "p", "value": "x"}]}
    assert redaction.of_answer("POST", f"{spaced}/{action}".rstrip("/"), SCOPE, answer) is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "datastore/v1.0/workspaces/w1/datastores/d"),
        ("GET", "datastore/v1.0/workspaces/w1/default"),
        ("POST", "artifact/v2.0/workspaces/w1/artifacts/batch/metadata"),
        ("GET", "artifact/v2.0/workspaces/w1/artifacts/o/c/contentinfo/storageuri"),
        ("GET", "modelmanagement/v1.0/workspaces/w1/assets"),
    ],
)
def test_what_older_servers_answer_with_keys_is_not_recorded(method: str, path: str) -> None:
    """A datastore's `credential` is a key there, an artifact's address a signed URL."""
    assert redaction.of_answer(method, path, SCOPE, {"credential": "c2VjcmV0"}) is None


@pytest.mark.parametrize(
    ("method", "path", "answer", "kept"),
    [
        ("GET", "workspaces/w1/models/m/versions/1", {"properties": {"modelUri": "u"}}, {"properties": {"modelUri": "u"}}),
        (
            "GET",
            "workspaces/w1/connections",
            {"value": [{"name": "c", "properties": {"credentials": {"pat": "s"}}}]},
            {"value": [{"name": "c", "properties": {"credentials": {"pat": None}}}]},
        ),
        ("GET", "modelmanagement/v1.0/workspaces/w1/services/s1", {"keys": {"primaryKey": "s"}}, {"keys": {"primaryKey": None}}),
        (
            "GET",
            "history/v1.0/workspaces/w1/runs/r/details",
            {"logFiles": {"a.txt": "https://a.blob.core.windows.net/c/a.txt?sv=1&sig=x"}, "status": "Completed"},
            {"logFiles": {"a.txt": None}, "status": "Completed"},
        ),
        ("POST", "workspaces/w1/onlineEndpoints/e/score", [1, 2], [1, 2]),
    ],
)
def test_what_later_steps_read_is_recorded_without_secrets(method: str, path: str, answer: object, kept: object) -> None:
    """What has none stays whole."""
    assert redaction.of_answer(method, path, SCOPE, answer) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("pip: --index-url https://u:p@feed.contoso.com/s", "pip: --index-url https://***@feed.contoso.com/s"),
        ("git+https://token@github.com/o/r@main", "git+https://***@github.com/o/r@main"),
        ("ssh://u:p@h/x", "ssh://***@h/x"),
        ("https://a.blob.core.windows.net/c?sv=1&sig=s%2B%3D&se=2", "https://a.blob.core.windows.net/c?sv=1&sig=***&se=2"),
        ("https://f.azurewebsites.net/api/x?code=k==", "https://f.azurewebsites.net/api/x?code=***"),
        ("abfss://container@a.dfs.core.windows.net/p", "abfss://container@a.dfs.core.windows.net/p"),
        ("abfss://u:p@a.dfs.core.windows.net/p", "abfss://***@a.dfs.core.windows.net/p"),
        ("ada@contoso.com, azureml://datastores/d/paths/a@b", "ada@contoso.com, azureml://datastores/d/paths/a@b"),
    ],
)
def test_what_opens_a_url_is_no_part_of_a_text_that_is_recorded(text: str, kept: str) -> None:
    """A container before the `@` is no secret."""
    assert redaction.redacted(ENDPOINTS, {"properties": {"x": [text]}}) == {"properties": {"x": [kept]}}


@pytest.mark.parametrize("piece", ["x", "://", "://x", "?sig=", "a.", "@", "a:", "https://a"])
def test_a_long_text_is_read_once(piece: str) -> None:
    """A text of a resource may have a megabyte; what is quadratic takes minutes of it."""
    began = time.process_time()
    redaction.plain_text(piece * (1_000_000 // len(piece)))
    assert time.process_time() - began < 2


def test_values_of_free_members_are_left_out_in_any_spelling() -> None:
    """Their names say what was set."""
    body = {"properties": {"EnvironmentVariables": {"A": "s", "B": {"value": "t"}}, "command": "x", "inputs": {"n": LITERAL}}}
    assert redaction.redacted(ENDPOINTS, body) == {
        "properties": {
            "EnvironmentVariables": {"A": None, "B": {"value": None}},
            "command": None,
            "inputs": {"n": {"jobInputType": "literal", "value": None}},
        }
    }
    assert redaction.redacted(ENDPOINTS, {"componentSpec": {"environment_variables": {"A": "s"}}}) == {
        "componentSpec": {"environment_variables": {"A": None}}
    }
