"""Request bodies: what is no JSON object is refused with the place; secrets are found before anything is stored."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.catalog import bodies, kinds
from shared.rest import errors
from tests import tables

JSON = "application/json"


def kind(path, plane="arm"):
    """Return a row of Azure ML."""
    return kinds.by_type()[plane, kinds.ML.lower(), path.lower()]


@pytest.mark.parametrize(
    "media",
    ["", "application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "text/plain", "application/merge-patch+json"],
)
def test_a_json_object_is_read(media):
    """With a BOM or without, whatever of JSON's content types."""
    assert bodies.parse(b'\xef\xbb\xbf{"a": {"b": [1, 2.5, null, "\xc3\xa9"]}}', media) == {"a": {"b": [1, 2.5, None, "é"]}}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "The body is empty; expected JSON."),
        (b'{"a": 1,\n "b": }', "line 2, column 7"),
        (b'{"a": 1} x', "column 10"),
        (b"{'a': 1}", "line 1, column 2"),
        (b"[1]", "array"),
        (b'"text"', "string"),
        (b"null", "null"),
        (b"true", "boolean"),
        (b"7", "number"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "Infinity is not JSON"),
        (b'{"a": 1e999}', "cannot be read"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "cannot be read"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": "\\ud800"}', "UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        (b'{"a": ' * 200 + b"1" + b"}" * 200, "nested deeper than 100"),
        (b"[" * 200_000, "cannot be read"),
    ],
    ids=range(18),
)
def test_what_is_no_json_object_is_refused_with_the_place(content, told):
    """A hostile body is a 400 in ARM's envelope, never a 500."""
    with pytest.raises(errors.BadRequestError) as refused:
        bodies.parse(content, JSON)
    assert (refused.value.status, refused.value.error.code, refused.value.error.target) == (400, "InvalidRequestContent", "body")
    assert told in refused.value.error.message
    assert len(refused.value.error.message) < 400


def test_a_body_over_arms_limit_is_a_413():
    """ARM takes 4 MiB."""
    with pytest.raises(errors.BadRequestError) as refused:
        bodies.parse(b"{" + b" " * bodies.BODY_LIMIT + b"}", JSON)
    assert refused.value.status == 413


@pytest.mark.parametrize("media", ["application/xml", "multipart/form-data; boundary=x", "image/png", "application/x", "x" * 5_000])
def test_another_content_type_is_a_415(media):
    """JSON is what there is."""
    with pytest.raises(errors.BadRequestError) as refused:
        bodies.parse(b"{}", media)
    assert refused.value.status == 415
    assert len(refused.value.error.message) < 200


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=10,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
@settings(max_examples=500 if tables.WHOLE else 100, deadline=None)
@pytest.mark.sweep
def test_any_bytes_are_an_object_or_a_bad_request(content):
    """What is accepted can be sent on as JSON."""
    try:
        body = bodies.parse(content, JSON)
    except errors.BadRequestError:
        return
    assert json.loads(json.dumps(body, allow_nan=False)) == body


def test_a_missing_field_is_named_by_its_path():
    """Judged here, because Azure would take seconds to say so."""
    bodies.check(kind("workspaces/computes"), {"properties": {"computeType": "AmlCompute"}})
    for body in ({}, {"properties": {}}, {"properties": None}, {"properties": {"computeType": ""}}, {"properties": "x"}):
        with pytest.raises(errors.BadRequestError) as refused:
            bodies.check(kind("workspaces/computes"), body)
        assert (refused.value.error.code, refused.value.error.target) == ("MissingField", "properties.computeType")


SECRETS = [
    (
        "workspaces/computes",
        {"properties": {"properties": {"userAccountCredentials": {"adminUserName": "a", "adminUserPassword": "p"}}}},
    ),
    ("workspaces/computes", {"Properties": {"PROPERTIES": {"useraccountcredentials": {"AdminUserPassword": "p"}}}}),
    ("workspaces/computes", {"properties": {"properties": {"sslConfiguration": {"cert": "c"}}}}),
    ("workspaces/computes", {"properties": {"properties": {"databricksAccessToken": "t"}}}),
    ("workspaces/computes", {"properties": {"properties": {"administratorAccount": {"privateKeyData": "k"}}}}),
    ("workspaces/datastores", {"properties": {"credentials": {"credentialsType": "AccountKey", "secrets": {"key": "k"}}}}),
    ("workspaces/datastores", {"properties": {"credentials": {"secrets": {"somethingNew": "k"}}}}),
    ("workspaces/datastores", {"properties": {"credentials": {"secrets": "k"}}}),
    ("workspaces/datastores", {"properties": {"credentials": {"secrets": ["k"]}}}),
    ("workspaces/datastores", {"properties": {"credentials": "k"}}),
    ("workspaces/datastores", {"properties": {"Credentials": ["k"]}}),
    ("workspaces/datastores", {"properties": {"credentials": [{"secrets": {"key": "k"}}]}}),
    ("workspaces/datastores", {"properties": {"credentials": {"any": {"sasToken": "k"}}}}),
    ("workspaces/connections", {"properties": {"category": "x", "credentials": {"key": "k"}}}),
    ("workspaces/onlineEndpoints", {"properties": {"keys": {"primaryKey": "k"}}}),
    ("workspaces/onlineEndpoints", {"keyType": "Primary", "keyValue": "k"}),
    ("workspaces/serverlessEndpoints", {"keyType": "Primary", "keyValue": "k"}),
]


@pytest.mark.parametrize(("path", "body"), SECRETS)
def test_a_secret_is_found_wherever_the_row_says_in_any_casing(path, body):
    """Such a request is never stored; ARM reads names in any casing, so must this."""
    assert bodies.has_secret(kind(path), body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "workspaces/computes",
            {"properties": {"computeType": "AmlCompute", "properties": {"vmSize": "STANDARD_D1", "userAccountCredentials": None}}},
        ),
        (
            "workspaces/computes",
            {"properties": {"properties": {"userAccountCredentials": {"adminUserName": "a", "adminUserPassword": ""}}}},
        ),
        ("workspaces/datastores", {"properties": {"datastoreType": "AzureBlob", "credentials": {"credentialsType": "None"}}}),
        ("workspaces/onlineEndpoints", {"location": "x", "properties": {"authMode": "Key", "keys": None}}),
        ("workspaces/onlineEndpoints", {"keyType": "Primary"}),
        ("workspaces", {"properties": {"keyVault": "/subscriptions/s", "primaryKey": "not a secret field here"}}),
        ("workspaces/jobs", {"properties": {"jobType": "Command"}}),
        ("workspaces/jobs", None),
        ("workspaces/datastores", "text"),
        ("workspaces/datastores", {"properties": ["credentials"]}),
    ],
)
def test_an_ordinary_request_is_not_taken_for_a_secret(path, body):
    """It can be stored, queued and sent again."""
    assert not bodies.has_secret(kind(path), body)
