"""Answers are stored without the secrets they hold."""

from __future__ import annotations

from shared.catalog import kinds
from shared.operations import redaction

DATASTORES = kinds.by_type()["arm", kinds.ML.lower(), "workspaces/datastores"]
ENDPOINTS = kinds.by_type()["arm", kinds.ML.lower(), "workspaces/onlineendpoints"]


def test_the_fields_that_the_table_calls_secret_are_null() -> None:
    """In any casing; the rest stays as it was."""
    body = {"properties": {"Credentials": {"secrets": {"key": "s", "other": "t"}, "type": "AccountKey"}, "name": "n"}}
    assert redaction.redacted(DATASTORES, body) == {
        "properties": {"Credentials": {"secrets": {"key": None, "other": None}, "type": "AccountKey"}, "name": "n"}
    }
    assert body["properties"]["Credentials"]["secrets"]["key"] == "s"  # type: ignore[index]


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
