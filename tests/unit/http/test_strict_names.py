"""What a route does not know is refused: a mistyped name must not widen, carry out or drop what was meant."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from shared.api import names, strict
from shared.api.call import Call
from shared.api.resources import resource_routes
from shared.rest import errors
from shared.route_table import ROUTES
from shared.text import did_you_mean
from tests import front, tables

if TYPE_CHECKING:
    from shared.api.route import Route
    from tests.unit.http.conftest import App

COMPUTE = json.dumps({"location": "westeurope", "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "X"}}})


OWN = [each for each in ROUTES if each.own]


def call(row: Route, query: str = "", body: bytes = b"", **headers: str) -> tuple[int, dict[str, Any]]:
    """Call one of our own routes; what it refuses with."""
    path = re.sub("{.+?}", "x", row.template)
    answer = front.respond(row.verb, f"{path}?{query}", body, **headers)
    content = answer.get_body() or b"{}"
    return answer.status_code, {} if content.startswith(b"<") else json.loads(content).get("error", {})


@tables.each("row", OWN)
def test_every_route_of_ours_refuses_a_parameter_that_it_does_not_know(app: App, row: Route) -> None:
    """At the door, by the table that describes it; with the name, before anything is done."""
    assert app
    for query in ("bogus=1", "$filter=x", "state=Failed", "workspace-name=w", "bogus"):
        status, error = call(row, query)
        assert (status, error["code"]) == (400, "UnknownParameter"), query
        assert error["target"] == query.partition("=")[0]
    assert call(row, "code=k&clientId=default")[1].get("code") != "UnknownParameter"


def edits(name: str) -> list[str]:
    """Every kind of single edit, at the beginning, in the middle and at the end."""
    places = sorted({0, len(name) // 2, len(name) - 1})
    out = [name[:at] + name[at + 1 :] for at in places]
    out += [name[:at] + "q" + name[at:] for at in (*places, len(name))]
    out += [name[:at] + "q" + name[at + 1 :] for at in places]
    out += [name[:at] + name[at + 1] + name[at] + name[at + 2 :] for at in places if at + 1 < len(name)]
    return [each for each in dict.fromkeys(out) if each.lower() != name.lower()]


FUZZED = [each for each in ROUTES if each.own or "workspaces/" in each.call]  # the other literals have the same handlers


@tables.each("row", FUZZED)
def test_one_edit_from_any_parameter_is_refused_at_every_route(row: Route) -> None:
    """Names of its own, of other routes' and of all headers of ours: the nearest known name is in the message."""
    path = re.sub("{.+?}", "x", row.template)
    known = {*row.names, *strict.MEANT, "api-version"} if row.own else {*strict.MEANT, "api-version"}
    passes = {*strict.KEYS, *(each.lower() for each in (*known, *(strict.REPEATED if row.polled else ())))}
    for name in sorted(known):
        for wrong in edits(name):
            if wrong.lower() in passes:
                continue
            call = Call(method=row.verb, path=path, query=urlencode({wrong: "true"}))
            with pytest.raises(errors.BadRequestError) as refused:
                strict.check(call, row)
            assert refused.value.error.code == "UnknownParameter"
            if not row.own or name in row.names:
                assert re.search("did you mean '.+'\\?", refused.value.error.message), (wrong, refused.value.error.message)
    for name in names.READ:
        for wrong in edits(name):
            with pytest.raises(errors.BadRequestError, match="did you mean") as refused:
                strict.check(Call(method=row.verb, path=path, headers={wrong.lower(): "x"}), row)
            assert refused.value.error.code == "UnknownHeader"


@tables.each(
    ("asked_for", "body"),
    [
        ("POST uploads", {"nme": "a"}),
        ("PUT keys/ci", {"role": "reader", "hsh": "0"}),
        ("PUT keys/ci", {"role": "reader", "scope": {"kindss": ["workspaces"]}}),
        ("PUT keys/ci", {"role": "reader", "scope": {"belw": "workspaces/w1"}}),
        ("PUT events/rules/r", {"rules": [{"name": "n", "onn": {"types": ["a.b"]}, "do": {"request": "GET workspaces"}}]}),
        ("PUT events/rules/r", {"rules": [{"name": "n", "on": {"tpes": ["a.b"]}, "do": {"request": "GET workspaces"}}]}),
        ("PUT events/rules/r", {"rules": [{"name": "n", "on": {"types": ["a.b"]}, "do": {"reqest": "GET workspaces"}}]}),
        ("PUT events/rules/r", {"rule": []}),
        ("PUT cleanup/policies/p", {"policies": [{"name": "n", "knd": "job", "staleWhen": {"olderThan": "P1D"}}]}),
        ("PUT cleanup/policies/p", {"policies": [{"name": "n", "kind": "job", "staleWhen": {"oldrThan": "P1D"}}]}),
        ("POST cleanup/policies", {"polices": []}),
    ],
)
def test_fields_of_every_body_of_ours_are_known_or_refused(app: App, asked_for: str, body: dict[str, Any]) -> None:
    """JSON or YAML, at each depth; nothing is kept of it."""
    verb, _, path = asked_for.partition(" ")
    answer = app.send(verb, path, json.dumps(body))
    assert (answer.status, "did you mean" in answer.content.decode()) == (400, True), answer.content
    assert list(app.steward.blobs.names("")) == []
    assert app.send("GET", "keys").body["value"] == []


@tables.each("row", OWN)
def test_every_route_of_ours_refuses_what_it_cannot_do(app: App, row: Route) -> None:
    """A header that asks for something is honoured or refused, never ignored; an answer at once has waited long enough."""
    assert app
    if row.polled:
        return
    for name, value in (
        ("Idempotency-Key", "k"),
        ("Callback-Url", "queue:q"),
        ("Expires-In", "P1D"),
        ("Expires-At", "x"),
        ("Upload-Id", "u"),
    ):
        if name not in row.honoured:
            status, error = call(row, **{name: value})
            assert (status, error["code"], error["target"]) == (400, "UnsupportedHeader", name)
    if "Prefer" not in row.honoured:
        assert call(row, Prefer="respond-async")[1]["code"] == "UnsupportedHeader"
        assert call(row, Prefer="wait=5")[1].get("code") != "UnsupportedHeader"


@pytest.mark.parametrize(
    ("method", "asked_for", "near"),
    [
        ("GET", "operations?state=Failed", "status"),
        ("GET", "operations?limit=5", "$top"),
        ("GET", "operations?max-results=5", "$top"),
        ("GET", "operations?from=2026-01-01", "since"),
        ("POST", "cleanup?dryRun=false", "mode"),
        ("GET", "operations?top=2", "$top"),
        ("GET", "operations?Targets=x", "target"),
        ("GET", "operations?skiptoken=x", "$skipToken"),
        ("GET", "operations/0-0?wiat=3", "wait"),
        ("POST", "operations/0-0/cancel?abandn=true", "abandon"),
        ("PUT", "workspaces/w1/computes/cpu?preflght=true", "preflight"),
        ("PUT", "workspaces/w1/computes/cpu?pre-flight=true", "preflight"),
        ("PUT", "workspaces/w1/computes/cpu?prefilght=true", "preflight"),
        ("PUT", "workspaces/w1/computes/cpu?apiversion=2025-12-01", "api-version"),
        ("PUT", "workspaces/w1/computes/cpu?api_version=2025-12-01", "api-version"),
        ("DELETE", "workspaces/w1?forc=true", "force"),
        ("PATCH", "workspaces/w1?sets=a=b", "set"),
        ("PUT", "workspaces/w1/computes/cpu?dryRun=true", "preflight"),
        ("PUT", "workspaces/w1/computes/cpu?dry-run=true", "preflight"),
        ("PATCH", "workspaces/w1/computes/cpu?what_if=true", "preflight"),
        ("DELETE", "workspaces/w1/computes/cpu?validateOnly=true", "preflight"),
        ("POST", "workspaces/w1/computes/cpu/start?dryrun=1", "preflight"),
        ("PUT", "workspaces/w1/computes/cpu?expires=1h", "expiresin"),
        ("POST", "workspaces/w1/jobs?ttl=1h", "expiresin"),
        ("DELETE", "workspaces/w1/computes/cpu?underlyingResourceActions=Detach", "underlyingResourceAction"),
        ("DELETE", "workspaces/w1?forceToPurg=true", "forceToPurge"),
        ("PUT", "workspaces/w1/datastores/d?skipValidations=true", "skipValidation"),
        ("GET", "workspaces/w1/jobs?state=Failed", "status"),
        ("GET", "workspaces/w1/jobs?tags=a", "tag"),
        ("GET", "workspaces/w1/jobs?computes=c", "compute"),
    ],
)
def test_a_name_that_is_nearly_ours_is_refused_with_ours(app: App, method: str, asked_for: str, near: str) -> None:
    """Also on Azure's paths, and nothing is sent there."""
    answer = app.send(method, asked_for, COMPUTE if method in ("PUT", "PATCH") else b"")
    assert (answer.status, answer.body["error"]["code"]) == (400, "UnknownParameter"), answer.content
    assert f"did you mean '{near}'?" in answer.said
    assert app.steward.azure.requests == []


@pytest.mark.parametrize(
    ("method", "asked_for", "target"),
    [
        ("GET", "workspaces/w1?preflight=true", "preflight"),
        ("POST", "workspaces/w1/onlineEndpoints/e1/score?preflight=true", "preflight"),
        ("POST", "workspaces/w1/experiments/e1/startrun?preflight=true", "preflight"),
        ("PATCH", "workspaces/w1/services/s1?preflight=true", "preflight"),
        ("DELETE", "workspaces/w1?preflight=", "preflight"),
        ("PUT", "workspaces/w1/computes/cpu?force=true", "force"),
        ("PUT", "workspaces/w1/computes/cpu?wait=30", "wait"),
        ("GET", "operations/0-0/result?wait=30", "wait"),
        ("DELETE", "workspaces/w1?set=a=b", "set"),
        ("POST", "workspaces/w1/jobs/j1/cancel?abandon=true", "abandon"),
        ("PUT", "workspaces/w1/computes/cpu?preflight", "preflight"),
        ("PUT", "workspaces/w1/computes/cpu?preflight=", "preflight"),
        ("DELETE", "workspaces/w1?force", "force"),
        ("PUT", "workspaces/w1/computes/cpu?preflight=false&preflight=true", "preflight"),
        ("GET", "operations?status=", "status"),
    ],
)
def test_ours_in_the_wrong_place_or_without_a_value_is_refused(app: App, method: str, asked_for: str, target: str) -> None:
    """Stripped from what goes to Azure, it would have no effect at all."""
    answer = app.send(method, asked_for, COMPUTE if method == "PUT" else b"")
    assert (answer.status, answer.body["error"]["target"]) == (400, target), answer.content
    assert app.steward.azure.requests == []


@pytest.mark.parametrize("query", ["deployment=blue", "deployement=blue", "timeout=5"])
@pytest.mark.parametrize("action", ["onlineEndpoints/e1/score", "batchEndpoints/e1/invoke"])
def test_a_score_takes_no_other_parameter_than_ours(app: App, action: str, query: str) -> None:
    """Its query goes nowhere: what it asks for would be dropped."""
    answer = app.send("POST", f"workspaces/w1/{action}?{query}", b"{}")
    assert (answer.status, answer.body["error"]["code"]) == (400, "UnknownParameter"), answer.content
    assert "expected one of: each, api-version" in answer.said
    assert app.steward.azure.requests == []


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("workspaces/w1/jobs/j1/logs?tail=5", "file, api-version"),
        ("workspaces/w1/jobs/j1/metrics?name=loss", "api-version"),
        ("workspaces/w1/experiments/e1/runs/r1/logs?lines=5", "file, api-version"),
        ("workspaces/w1/discovery?x=1", "api-version"),
    ],
)
def test_what_the_app_makes_itself_takes_no_other_parameter(app: App, path: str, known: str) -> None:
    """Logs and metrics of a run: Azure is never asked for them in this form."""
    answer = app.send("GET", path)
    assert (answer.status, answer.body["error"]["code"]) == (400, "UnknownParameter"), answer.content
    assert f"expected one of: {known}" in answer.said
    assert app.steward.azure.requests == []
    assert "did you mean 'file'?" in app.send("GET", "workspaces/w1/jobs/j1/logs?files=a").said


def test_a_path_names_one_resource(app: App) -> None:
    """`*` would be a name of nothing, and a DELETE of it 204."""
    answer = app.send("DELETE", "workspaces/w1/computes/*")
    assert (answer.status, answer.body["error"]["code"]) == (400, "InvalidPath")
    assert "a path names one" in answer.said


@pytest.mark.parametrize("body", [b'{"preflight": true}', b'{"force": true}', b"[1]", b"preflight=true"])
def test_a_delete_takes_no_body(app: App, body: bytes) -> None:
    """What it says would be dropped, and the resource with it; an empty object says nothing."""
    answer = app.send("DELETE", "workspaces/w1/computes/cpu", body)
    assert (answer.status, answer.body["error"]["code"]) == (400, "UnexpectedBody"), answer.content
    assert "preflight" in answer.said
    assert app.steward.azure.requests == []
    assert app.send("DELETE", "workspaces/w1/computes/cpu", b"{}").status != 400


@pytest.mark.parametrize(
    "query", ["underlyingResourceAction=Detach", "forceToPurge=true", "$filter=a", "asset=x", "listViewType=All", "count=3"]
)
def test_other_names_on_azures_paths_are_azures(app: App, query: str) -> None:
    """They go on as they came."""
    assert app.send("GET", f"workspaces/w1/computes?{query}").status in (200, 404)
    assert query in app.steward.azure.requests[-1]


def test_clients_of_arm_may_repeat_their_query_at_the_status(app: App) -> None:
    """The JavaScript client adds its DELETE's own parameters to each poll."""
    made = app.send("PUT", "workspaces/w1/computes/cpu", COMPUTE, prefer="respond-async").body
    assert app.send("GET", f"operations/{made['name']}?api-version=2025-12-01&underlyingResourceAction=Delete").status == 200


@pytest.mark.parametrize(
    ("method", "asked_for", "headers", "code"),
    [
        ("GET", "workspaces", {"Idempotency-Key": "k"}, "UnsupportedHeader"),
        ("GET", "workspaces/w1/computes", {"Prefer": "respond-async"}, "UnsupportedHeader"),
        ("POST", "workspaces/w1/listKeys", {"Callback-Url": "queue:q"}, "UnsupportedHeader"),
        ("POST", "workspaces/w1/listKeys", {"Prefer": "respond-async"}, "UnsupportedHeader"),
        ("POST", "workspaces/w1/onlineEndpoints/e/score", {"Callback-Url": "queue:q"}, "UnsupportedHeader"),
        ("POST", "workspaces/w1/onlineEndpoints/e/score", {"Idempotency-Key": "k"}, "UnsupportedHeader"),
        ("POST", "history/v1.0/workspaces/w1/experiments:query", {"Idempotency-Key": "k"}, "UnsupportedHeader"),
        ("DELETE", "workspaces/w1/computes/cpu", {"Expires-At": "2026-12-01T18:00:00Z"}, "UnsupportedHeader"),
        ("DELETE", "workspaces/w1/computes/cpu", {"Upload-Id": "u"}, "UnsupportedHeader"),
        ("POST", "workspaces/w1/computes/cpu/start", {"Upload-Id": "u"}, "UnsupportedHeader"),
        ("PUT", "workspaces/w1/computes/cpu", {"IdempotencyKey": "k"}, "UnknownHeader"),
        ("PUT", "workspaces/w1/computes/cpu", {"X-Idempotency-Key": "k"}, "UnknownHeader"),
        ("PUT", "workspaces/w1/computes/cpu", {"Callback-Uri": "queue:q"}, "UnknownHeader"),
        ("PUT", "workspaces/w1/computes/cpu", {"Prefer": "respondasync"}, "UnknownHeader"),
        ("PUT", "workspaces/w1/computes/cpu", {"Prefer": "wait 10"}, "InvalidHeader"),
        ("PUT", "workspaces/w1/computes/cpu", {"Prefer": "wait:10"}, "InvalidHeader"),
        ("PUT", "workspaces/w1/computes/cpu", {"Prefer": "respond-async true"}, "InvalidHeader"),
        ("POST", "cleanup", {"Prefer": "wat 10"}, "InvalidHeader"),
        ("PUT", "workspaces/w1/computes/cpu", {"Idempotency": "k"}, "UnknownHeader"),
        ("PUT", "workspaces/w1/computes/cpu", {"X-Idempotency-Token": "k"}, "UnknownHeader"),
        ("DELETE", "workspaces/w1/computes/cpu", {"X-Dry-Run": "true"}, "UnknownHeader"),
        ("DELETE", "workspaces/w1/computes/cpu", {"Preflight": "true"}, "UnknownHeader"),
        ("PUT", "workspaces/w1/computes/cpu", {"TTL": "1h"}, "UnknownHeader"),
        ("PUT", "workspaces/w1/computes/cpu", {"If-Math": "*"}, "UnknownHeader"),
        ("PUT", "workspaces/w1/computes/cpu", {"If-Non-Match": "*"}, "UnknownHeader"),
        ("POST", "workspaces/w1/onlineEndpoints/e/score", {"azureml-model-deployments": "blue"}, "UnknownHeader"),
    ],
)
def test_what_a_header_asks_for_is_done_or_refused(
    app: App, method: str, asked_for: str, headers: dict[str, str], code: str
) -> None:
    """Whoever waits to be told, or counts on a key, must know at once that it is in vain."""
    answer = app.send(method, asked_for, COMPUTE if method == "PUT" else b"", **headers)
    assert (answer.status, answer.body["error"]["code"]) == (400, code), answer.content
    assert not [each for each in app.steward.azure.requests if not each.startswith("GET")]


@pytest.mark.parametrize(
    "name",
    [
        "ce-id",
        "ce-prefer",
        "Referer",
        "x-forwarded-for",
        "Expect",
        "If-Modified-Since",
        "If-Range",
        "X-Ms-Client-Request-Id",
        "TraceParent",
    ],
)
def test_headers_of_others_pass(app: App, name: str) -> None:
    """Attributes of CloudEvents, proxies', browsers'."""
    assert app.send("GET", "workspaces/w1", **{name: "x"}).status == 200


def test_a_preference_that_is_applied_is_named(app: App) -> None:
    """`wait` is cut to a minute, and says so (RFC 7240, section 3)."""
    assert app.send("PUT", "workspaces/w1/computes/cpu", COMPUTE, prefer="wait=0").headers.get("preference-applied") is None
    app.send("PUT", "workspaces/w1/computes/cpu", COMPUTE, prefer="respond-async")
    answer = app.send("DELETE", "workspaces/w1/models/none/versions/1", prefer="wait=600")
    assert answer.headers.get("preference-applied") in ("wait=60", None if answer.status >= 400 else "wait=60")


def test_fields_of_our_own_bodies_are_known_or_refused(app: App) -> None:
    """`POST uploads` has one."""
    answer = app.send("POST", "uploads", json.dumps({"nmae": "model.pkl"}))
    assert (answer.status, answer.body["error"]["code"]) == (400, "UnknownField")
    assert "did you mean 'name'?" in answer.said
    assert app.send("POST", "operations/0-0/cancel", json.dumps({"abandon": True})).body["error"]["code"] == "UnexpectedBody"


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("preflight", "preflght", True),
        ("preflight", "preflightt", True),
        ("preflight", "prefilght", True),
        ("preflight", "prefxight", True),
        ("preflight", "preflxxht", False),
        ("set", "st", True),
        ("set", "s", False),
        ("wait", "wiat", True),
        ("wait", "await", True),
        ("force", "forty", False),
    ],
)
def test_one_edit_is_one_letter(one: str, other: str, *, near: bool) -> None:
    """More, less, other, or swapped with the next; a single letter is no name."""
    assert bool(did_you_mean.nearest(other, (one,))) == near


def test_a_rules_request_is_as_strict(app: App) -> None:
    """It goes through the same door."""
    assert app
    call = Call(method="PUT", path="workspaces/w1", query="preflght=true", body=b'{"a": 1}')
    with pytest.raises(errors.BadRequestError, match="did you mean 'preflight'"):
        strict.check(call, resource_routes.of("PUT"))


@tables.each("row", [each for each in ROUTES if each.own or "workspaces/" in each.call])
def test_no_route_carries_out_what_was_asked_under_a_condition_that_it_cannot_look_at(row: Route) -> None:
    """A lost update would look like a checked one; a GET's `If-None-Match` may be answered in full (RFC 9110, 13.1.2)."""
    path = re.sub("{.+?}", "x", row.template)
    for name in (*names.CONDITIONS, *names.OTHER_VERBS):
        asked = Call(method=row.verb, path=path, headers={name.lower(): "*"})
        if row.verb == "GET" and name == names.FOR_CACHES:
            strict.check(asked, row)
            continue
        with pytest.raises(errors.BadRequestError, match=f"cannot honour '{name}'") as refused:
            strict.check(asked, row)
        assert (refused.value.error.code, refused.value.error.target) == ("UnsupportedHeader", name)


@tables.each("row", [each for each in ROUTES if each.own or "workspaces/" in each.call])
def test_a_preference_of_ours_that_cannot_be_read_is_refused_everywhere(row: Route) -> None:
    """With the right form; an unknown preference is ignored, as RFC 7240 asks, and the first of two counts."""
    path = re.sub("{.+?}", "x", row.template)
    for value in ("wait=ten", "wait", "wait=", "wait=-3", "wait=1.5", "respond-async, wait=1m", "wait=²"):
        with pytest.raises(errors.BadRequestError, match="expected for example 'Prefer: wait=30', at most 60") as refused:
            strict.check(Call(method=row.verb, path=path, headers={"prefer": value}), row)
        assert (refused.value.error.code, refused.value.error.target) == ("InvalidHeader", "Prefer")
    with pytest.raises(errors.BadRequestError, match="expected 'Prefer: respond-async' without one"):
        strict.check(Call(method=row.verb, path=path, headers={"prefer": "respond-async=false"}), row)
    strict.check(Call(method=row.verb, path=path, headers={"prefer": 'return=minimal, wait="5", wait=ten'}), row)


ACCEPTS = {
    "text/xml": False,
    "application/xml;q=0.9, text/html": False,
    "application/json;q=0, text/xml": False,
    "application/json;q=0.1": True,
    "text/xml, */*;q=0.1": True,
    "text/html, *; q=.2": True,
    "application/*": True,
    "application/problem+json": True,
    "": True,
}


@pytest.mark.parametrize(("verb", "path"), [("GET", "operations"), ("PUT", "workspaces/w1"), ("PUT", "events/rules/r")])
def test_an_answer_that_cannot_be_given_is_refused_before_anything_is_done(app: App, verb: str, path: str) -> None:
    """406 with what there is; one media type that fits is enough, however little it is liked."""
    for accept, taken in ACCEPTS.items():
        answer = app.send(verb, path, b"", accept=accept)
        assert (answer.status != 406) == taken, accept
        if not taken:
            error = answer.body["error"]
            assert (error["code"], error["target"]) == ("NotAcceptable", "Accept")
            assert "Send 'Accept: application/json'" in error["message"]


def test_what_others_answer_and_other_forms_may_be_wanted(app: App) -> None:
    """A model's own answer, a report as CSV or HTML, a page, a job's log as text."""
    for verb, path, accept in (
        ("POST", "workspaces/w1/onlineEndpoints/e/score", "image/png"),
        ("GET", "cleanup/reports/x", "text/csv"),
        ("GET", "docs", "text/xml"),
        ("GET", "workspaces/w1/jobs/j/logs", "text/plain"),
        ("GET", "artifact/v2.0/workspaces/w1/artifacts/x", "image/png"),
    ):
        assert app.send(verb, path, b"", accept=accept).status != 406, path


def test_a_body_of_another_media_type_than_a_route_reads_is_refused(app: App) -> None:
    """JSON and YAML come under many names; XML and images are neither."""
    rules = b"rules: []"
    for media in ("text/xml", "image/png", "application/pdf"):
        answer = app.send("PUT", "events/rules/r", rules, content_type=media)
        assert (answer.status, answer.body["error"]["target"]) == (415, "Content-Type")
        assert "application/yaml" in answer.body["error"]["message"]
    for media in ("application/yaml", "text/x-yaml; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", ""):
        assert app.send("PUT", "events/rules/r", rules, content_type=media).status != 415, media


def wrong(schema: dict[str, Any]) -> tuple[str, ...]:
    """Values that a parameter of this schema does not have."""
    if "enum" in schema:
        return ("nonsense", f"{schema['enum'][0]}x", schema["enum"][0][:-1])
    return {"boolean": ("maybe", "2", "truee", "on"), "integer": ("ten", "-1", "1.5", "1e3", "99999999999", "٣", "+5", " 5")}.get(
        schema.get("type", ""), ()
    )


@tables.each("row", OWN)
def test_every_route_of_ours_refuses_a_value_that_its_parameter_does_not_have(app: App, row: Route) -> None:
    """At the door, by the schema that describes it: an id that is not there hides nothing; empty and repeated ones likewise."""
    assert app
    for name, schema in row.forms.items():
        for value in wrong(schema):
            status, error = call(row, urlencode({name: value}))
            assert (status, error["code"], error["target"]) == (400, "InvalidParameter", name), value
            assert re.search(r"expected (one of|true or false|a whole number)", error["message"])
        queries = [urlencode({name: ""}), *([] if name in row.many else [urlencode([(name, "1"), (name.upper(), "1")])])]
        for query in queries:
            status, error = call(row, query)
            assert (status, error["code"], error["target"]) == (400, "InvalidParameter", name), query
