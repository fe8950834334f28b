"""The OpenAPI document: valid, small, its operation ids stable, its examples true to its schemas."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from shared.api.access import admission
from shared.api.call import Call
from shared.catalog import bodies, kinds
from shared.notify import notices
from shared.openapi import document, parts, resources, webhooks
from shared.preflight import fields
from shared.route_table import ROUTES
from shared.settings import Settings
from tests import tables

DOCUMENT = document.build(ROUTES)
OPERATIONS = {
    operation["operationId"]: (verb, path, operation)
    for path, item in DOCUMENT["paths"].items()
    for verb, operation in item.items()
}
SHOWN = [
    (name, where, media, key)
    for name, (_, _, operation) in OPERATIONS.items()
    for where, held in (("requestBody", operation.get("requestBody", {})), ("200", operation["responses"].get("200", {})))
    for media, content in held.get("content", {}).items()
    for key in content.get("examples", {})
]


def references(value):
    """Yield every reference below a value."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def validator(schema):
    """Return what judges a value by a schema of the document."""
    return jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]})


@pytest.mark.sweep
def test_the_document_is_valid():
    """By the OpenAPI Initiative's schema of 3.1, and the rules that it cannot hold."""
    assert DOCUMENT["openapi"].startswith("3.1.")
    paths = {path: DOCUMENT["paths"][path] for path in tables.sample(sorted(DOCUMENT["paths"]), 60)}
    assert not list(OpenAPIV31SpecValidator({**DOCUMENT, "paths": paths}).iter_errors())


def test_the_document_is_small():
    """A reader's browser and a Logic App's import take it at once; what is shared stands once."""
    assert len(document.written("/api", ROUTES)[0]) < 2_000_000


def test_every_reference_leads_somewhere_and_every_component_is_used():
    """Nothing is left over."""
    used = set(references(DOCUMENT))
    parts = DOCUMENT["components"]
    there = {f"#/components/{group}/{name}" for group in parts if group != "securitySchemes" for name in parts[group]}
    assert used == there


def test_an_operation_id_says_what_it_is_and_is_that_of_one():
    """Clients are generated from them: letters, digits, underscores; no position, no counter."""
    count = sum(len(item) for item in DOCUMENT["paths"].values())
    assert len({name.lower() for name in OPERATIONS}) == count
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in OPERATIONS)
    assert OPERATIONS["workspaces_put"][:2] == ("put", "/workspaces/{workspaceName}")
    assert OPERATIONS["workspaces_computes_post_start"][:2] == ("post", "/workspaces/{workspaceName}/computes/{computeName}/start")
    assert OPERATIONS["Storage_storageAccounts_list"][:2] == ("get", "/providers/Microsoft.Storage/storageAccounts")


def test_the_same_document_is_written_every_time():
    """Its ETag is the same in every process."""
    assert document.build(ROUTES) == DOCUMENT
    other = document.written("", ROUTES)
    assert other != document.written("/api", ROUTES)
    assert json.loads(other[0])["servers"][0]["url"] == "/"


@tables.each("kind", kinds.KINDS)
def test_every_verb_action_and_view_of_a_kind_is_an_operation(kind):
    """The table is the product: what it offers is in the document, and nothing else of the kind."""
    lead = resources.name_of(kind)
    wanted = {f"{lead}_{verb.lower()}" for verb in kind.verbs}
    wanted |= {f"{lead}_post_{action.name}".rstrip("_") for action in kind.actions} | {f"{lead}_get_{view}" for view in kind.views}
    wanted |= {f"{lead}_post"} if kind.named_by_us or kind.posted_name else set()
    assert wanted <= set(OPERATIONS)


@tables.each("kind", [kind for kind in kinds.KINDS if "PUT" in kind.verbs])
def test_a_bodys_schema_asks_for_what_the_app_asks_for(kind):
    """An empty body is refused by both, for the same fields."""
    content = OPERATIONS[f"{resources.name_of(kind)}_put"][2]["requestBody"]["content"]
    judge = validator(content["application/json"]["schema"])
    refused = [problem.error.target for problem in bodies.problems(kind, {})]
    assert bool(refused) == bool(list(judge.iter_errors({})))
    whole = {}
    for path in kind.required:
        node = whole
        *before, last = path.split(".")
        for name in before:
            node = node.setdefault(name, {})
        allowed = dict(kind.choices).get(path)
        node[last] = allowed[0] if allowed else {} if last == "properties" else "x"
    assert not list(bodies.problems(kind, whole))
    assert not list(judge.iter_errors(whole))


@tables.each(
    ("kind", "body"),
    [
        (kind, each["value"])
        for kind in kinds.KINDS
        for each in json.loads(document.EXAMPLES.read_text()).get(f"{resources.name_of(kind)}_put", [])
        if each["media"] == "application/json"
    ],
)
def test_the_first_json_of_a_kind_is_of_todays_api_version(kind, body):
    """Its names are known, and nothing that the app asks for is missing; of the docs' other examples the first may differ."""
    assert not list(fields.near_misses(kind, body))
    assert not [problem for problem in bodies.problems(kind, body) if problem.error.target != "properties.tenantId"]


@tables.each(("name", "where", "media", "key"), SHOWN)
def test_an_example_is_as_its_schema_says(name, where, media, key):
    """What the docs and the sweep send, which tests of theirs execute, and what is answered, is what the document describes."""
    operation = OPERATIONS[name][2]
    content = (operation["requestBody"] if where == "requestBody" else operation["responses"][where])["content"][media]
    validator(content["schema"]).validate(content["examples"][key]["value"])


def test_every_example_of_the_docs_has_its_place():
    """None is lost on an operation that was renamed, or on a media type that is not offered."""
    kept = json.loads(document.EXAMPLES.read_text())
    assert len(SHOWN) == sum(map(len, kept.values()))
    assert len({name for name, *_ in SHOWN}) >= 200


def test_most_operations_show_what_is_sent_or_what_is_answered():
    """Their own example, or that of the answer which they share: an operation that was accepted; each as its schema says."""
    shared = DOCUMENT["components"]["responses"]
    for row in shared.values():
        for content in row.get("content", {}).values():
            if "example" in content:
                validator(content["schema"]).validate(content["example"])
    own = {name for name, *_ in SHOWN}
    accepted = {
        name
        for name, (*_, operation) in OPERATIONS.items()
        if operation["responses"].get("202") == parts.ref("responses", "Accepted")
    }
    assert "example" in shared["Accepted"]["content"]["application/json"]
    assert len(own | accepted) > len(OPERATIONS) / 2


@tables.each("name", OPERATIONS)
def test_an_operation_asks_for_a_key_unless_it_is_a_page(name):
    """And names each parameter of its path."""
    _, path, operation = OPERATIONS[name]
    given = [each for each in operation["parameters"] if each.get("in") == "path"]
    assert [each["name"] for each in given] == re.findall(r"{(\w+)}", path)
    if operation.get("security") == []:
        assert operation["tags"] == ["Pages"]
        assert "401" not in operation["responses"]
    else:
        assert "security" not in operation
        assert {"400", "401", "500"} <= set(operation["responses"])


def test_scopes_are_servers_of_the_document_and_of_no_path():
    """The servers of a path would win over the host that a generated client is given."""
    assert [each["url"] for each in DOCUMENT["servers"]] == [
        "/api",
        "/api/subscriptions/{subscriptionId}/resourceGroups/{resourceGroup}",
        "/api/subscriptions/{subscriptionId}",
    ]
    assert all(set(item) <= {"get", "put", "post", "patch", "delete", "options"} for item in DOCUMENT["paths"].values())
    assert all("own paths have no scope" in each["description"] for each in DOCUMENT["servers"][1:])


def test_what_a_callback_gets_is_described():
    """The event itself, as it is made for a webhook."""
    at = datetime(2026, 1, 31, tzinfo=UTC)
    told = notices.Notice(about="1", type="azureml-steward.operation.succeeded", subject="/x", at=at, data={"status": "Succeeded"})
    assert "webhooks" not in DOCUMENT  # of which openapi-generator makes modules that do not compile
    taking = {
        name for name, (_, _, each) in OPERATIONS.items() if {"$ref": "#/components/parameters/CallbackUrl"} in each["parameters"]
    }
    assert taking == {name for name, (_, _, each) in OPERATIONS.items() if "callbacks" in each}
    assert {"workspaces_put", "cleanup_run"} <= taking
    (ended,) = OPERATIONS["workspaces_put"][2]["callbacks"]["ended"].values()
    schema = ended["post"]["requestBody"]["content"][webhooks.MEDIA]["schema"]
    validator(schema).validate(told.event("https://steward.example"))
    assert list(validator(schema).iter_errors({"specversion": "0.3"}))


def test_every_group_says_what_it_is():
    """The groups of the page: those that operations are in, each with a description."""
    used = {tag for _, _, operation in OPERATIONS.values() for tag in operation["tags"]}
    assert {tag["name"] for tag in DOCUMENT["tags"]} == used
    assert all(tag["description"] for tag in DOCUMENT["tags"])


def test_the_role_that_is_shown_is_the_role_that_is_asked_for():
    """Of each operation: of our own by its row, of Azure's kinds by what admission makes of the path."""
    settings = Settings(subscription_id="s", resource_group="g", other_subscriptions=("name",))
    own = {row.id: row.role for row in ROUTES if row.own}
    for name, (verb, path, operation) in OPERATIONS.items():
        filled = re.sub(r"{\w+}", lambda found: "Microsoft.X" if "provider" in found[0] else "name", path.lstrip("/"))
        asked = own.get(name) or admission.asked_of(Call(method=verb.upper(), path=filled), settings).role
        assert operation["x-role"] == asked, (name, verb, path)
        assert asked == "anyone" or f"Needs the role `{asked}`." in operation["description"]
