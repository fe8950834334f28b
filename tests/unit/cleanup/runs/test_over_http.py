"""The functions: a run is dry unless told otherwise; reports are JSON, page or table; policies are checked, resources explained."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from urllib.parse import quote

import pytest

from functions import cleanup, poll
from shared import machines
from shared import services as root
from shared.api.access import key_book
from shared.durable import messages
from shared.rest import client
from tests.front import respond, told

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"

WS = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws"
)
FILE = """\
disable: ["*"]
policies:
  - name: ours
    kind: modelVersion
    staleWhen: {olderThan: P90D, beyondNewest: 1, unreferenced: true}
    action: delete
    mode: enforce
  - name: watch
    kind: modelVersion
    staleWhen: {olderThan: P90D, beyondNewest: 1, unreferenced: true}
    action: delete
"""


@pytest.fixture
def app(stage):
    """The functions find the stage, with two policies."""
    stage.blobs.blobs["cleanup/policies/ours.yaml"] = FILE.encode()
    root.use(stage)
    yield stage
    root.use(None)


def finished(app, query):
    """Start a run over HTTP and let it end; its name."""
    status, body = told(respond("POST", f"cleanup?{query}"))
    assert status == 202, body
    app.drive()
    app.clock.advance(1)
    return body["name"]


def read(name, query="", **headers):
    """Read a report."""
    return respond("GET", f"cleanup/reports/{name}?{query}", **headers)


def test_a_run_is_dry_unless_told_otherwise(app, gone):
    """202 with where the report will be; then everything it looked at."""
    response = respond("POST", "cleanup", **{"x-ms-client-principal-name": "ada"})
    status, body = told(response)
    assert (status, body["mode"], body["policies"], body["caller"]) == (202, "dryRun", ["ours", "watch"], "function key")
    assert response.headers["Location"] == f"http://localhost:7071/api/cleanup/reports/{body['name']}/result"
    app.drive()
    status, report = told(read(body["name"]))
    assert (status, report["status"], report["outcomes"]) == (200, "Completed", {"kept": 14, "would delete": 2})
    assert gone(app) == []


def result(name):
    """GET where a 202 of the clean-up leads to."""
    return respond("GET", f"cleanup/reports/{name}/result")


def test_who_follows_the_location_is_kept_until_the_run_has_ended(app):
    """As Logic Apps and Data Factory follow one: 202 with the same Location, then 200 with the report."""
    status, body = told(respond("POST", "cleanup?policy=watch"))
    going = result(body["name"])
    assert (status, going.status_code, going.headers["Retry-After"]) == (202, 202, "2")
    assert going.headers["Location"] == f"http://localhost:7071/api/cleanup/reports/{body['name']}/result"
    app.drive()
    status, report = told(result(body["name"]))
    assert (status, report["status"], report["outcomes"]) == (200, "Completed", told(read(body["name"]))[1]["outcomes"])


def test_a_run_that_failed_is_no_success_to_who_follows_it(app):
    """The report itself stays readable, and says the same."""
    refusal = {"error": {"code": "AuthorizationFailed", "message": "No."}}
    listing = f"{WS.partition('/resourceGroups/')[0]}/providers/Microsoft.MachineLearningServices/workspaces"
    app.azure.answers["GET", listing] = [client.Response(status=403, url="", body=refusal)]
    name = finished(app, "policy=watch")
    status, body = told(result(name))
    assert (status, body["error"]["code"], body["error"]["target"]) == (502, "CleanupFailed", f"/cleanup/reports/{name}")
    assert "AuthorizationFailed" in body["error"]["message"]
    assert told(read(name))[1]["status"] == "Failed"


def test_a_result_of_no_run_is_not_found(app):
    """Told as of a report."""
    status, body = told(result("20990101T000000Z-00000000"))
    assert (status, body["error"]["code"]) == (404, "ReportNotFound")


def test_enforcing_needs_a_policy_that_enforces(app, gone):
    """The answer names the other way; without names those that enforce do."""
    status, body = told(respond("POST", "cleanup?policy=watch&mode=enforce"))
    assert (status, body["error"]["code"]) == (409, "PolicyNotEnforced")
    assert "cleanup/reports/{id}/approve" in body["error"]["message"]
    report = told(read(finished(app, "mode=Enforce")))[1]
    assert len(gone(app)) == 2
    assert report["byPolicy"]["ours"]["stale"] == 2


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("mode=delete", 400, "InvalidParameter"),
        ("policy=nobody", 404, "PolicyNotFound"),
        ("policy=,,", 400, "InvalidParameter"),
    ],
)
def test_what_cannot_be_run_is_refused(app, query, status, code):
    """Before anything is recorded."""
    found, body = told(respond("POST", f"cleanup?{query}"))
    assert (found, body["error"]["code"]) == (status, code)
    assert not list(app.journal.runs())


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        ("", "'resource' has no value"),
        ("workspaces", "'resource' is 'workspaces'; expected one resource"),
        (f"subscriptions/{SUBSCRIPTION}", "expected one resource"),
        (f"subscriptions/{SUBSCRIPTION}/resourceGroups/g", "expected one resource"),
        ("workspaces/ws/nothings/n", "there is no 'nothings'"),
        (f"subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Compute/disks/d", "not a known provider"),
        ("subscriptions/s/resourceGroups/g", "STEWARD_SUBSCRIPTIONS does not list it"),
        ("workspaces/ws/../x", "cannot stand in a path"),
    ],
)
def test_only_one_resource_is_explained(app, resource, said):
    """A list, or a kind that no policy can look at, has no fate to explain."""
    status, body = told(respond("GET", f"cleanup/explain?resource={resource}"))
    assert (status, body["error"]["target"]) == (400, "resource")
    assert said in body["error"]["message"]


@pytest.mark.parametrize("query", ["format=csv", "format=html", "Format=CSV&Show=CHANGES"])
def test_a_report_in_any_form_has_a_request_id_and_stays_in_no_cache(app, query):
    """As every answer does."""
    name = finished(app, "policy=watch")
    headers = respond("GET", f"cleanup/reports/{name}?{query}").headers
    assert headers["x-ms-request-id"]
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("query", "target"), [("format=xml", "format"), ("show=some", "show"), ("$TOP=-1", "$top")])
def test_a_report_is_not_read_in_another_way_than_asked(app, query, target):
    """A word that is none is not taken for the default."""
    name = finished(app, "policy=watch")
    status, body = told(respond("GET", f"cleanup/reports/{name}?{query}"))
    assert (status, body["error"]["target"]) == (400, target)


def test_a_dry_run_is_approved_over_http(app, gone):
    """The answer is the run that carries it out."""
    name = finished(app, "policy=watch")
    status, body = told(respond("POST", f"cleanup/reports/{name}/approve"))
    assert (status, body["approves"], body["mode"]) == (202, name, "enforce")
    app.drive()
    assert len(gone(app)) == 2
    status, body = told(respond("POST", "cleanup/reports/x/approve"))
    assert (status, body["error"]["code"]) == (404, "ReportNotFound")


def test_a_run_is_canceled_over_http(app, gone):
    """Nothing more happens."""
    name = told(respond("POST", "cleanup?mode=enforce&policy=ours"))[1]["name"]
    assert told(respond("POST", f"cleanup/reports/{name}/cancel"))[1]["status"] == "Stopped"
    app.drive()
    assert gone(app) == []


def test_a_report_comes_in_pages(app):
    """The link leads to the rest, whatever the format; no key is in it."""
    name = finished(app, "policy=watch")
    first = told(read(name, "$top=5&code=secret"))[1]
    assert len(first["resources"]) == 5
    assert "secret" not in first["nextLink"]
    second = told(read(name, first["nextLink"].partition("?")[2]))[1]
    assert len(second["resources"]) == 3
    assert "nextLink" not in second
    assert read(name, "$top=5&format=csv").headers["Link"].endswith('rel="next"')
    changes = told(read(name, "show=changes"))[1]
    assert [line["outcome"] for line in changes["resources"]] == ["would delete"] * 2


def test_reports_are_listed_newest_first(app):
    """Without their resources."""
    names = [finished(app, "policy=watch") for _ in range(3)]
    listed = told(respond("GET", "cleanup/reports?$top=2"))[1]["value"]
    assert [each["name"] for each in listed] == names[:0:-1]
    assert "resources" not in listed[0]


def test_the_table_runs_no_formula(app):
    """A name may look like one; a spreadsheet would carry it out."""
    app.azure.put("models/=cmd|' !A0/versions/1", modelUri="u", tags={"owner": '=HYPERLINK("x")'})
    response = read(finished(app, "policy=watch"), "format=csv")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(response.get_body().decode("utf-8-sig"))))
    assert {"resource", "outcome", "reason", "id"} <= set(rows[0])
    assert len(rows) == 1 + 9
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]


def test_the_page_escapes_everything_and_loads_nothing(app):
    """Names and tags are anybody's."""
    app.azure.put("models/<script>alert(1)/versions/1", modelUri="u", tags={"steward-keep": "<img>"})
    response = read(finished(app, "policy=watch"), accept="text/html,application/xhtml+xml")
    page = response.get_body().decode()
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<script" not in page
    assert "<img" not in page
    assert "src=" not in page
    assert "&lt;script&gt;" in page
    assert 'name="viewport"' in page
    assert "color-scheme: light dark" in page
    assert "would delete" in page
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_an_unknown_format_or_report_is_refused(app):
    """With the right status."""
    name = finished(app, "policy=watch")
    assert told(read(name, "format=pdf"))[0] == 400
    assert told(read("20260101T000000Z-00000000"))[0] == 404


def test_one_resource_is_explained(app):
    """Every policy of its kind, every condition with its facts, the mark and the lock."""
    status, body = told(respond("GET", f"cleanup/explain?resource={WS}/models/deployed/versions/1"))
    assert status == 200, body
    ours = next(each for each in body["policies"] if each["policy"] == "ours")
    assert ours["verdict"] == "online deployment blue of endpoint ep in workspace ws refers to it"
    found = {each["condition"]: each["holds"] for each in ours["conditions"]}
    assert found == {"olderThan": "yes", "beyondNewest": "yes", "unreferenced": "no"}
    assert (body["lock"], body["mark"]) == (None, None)
    assert told(respond("GET", "cleanup/explain?resource=workspaces/ws/models/old/versions/1"))[0] == 200
    assert told(respond("GET", "cleanup/explain"))[0] == 400


def test_what_is_gone_is_explained_as_that(app):
    """No policy finds anything of it."""
    body = told(respond("GET", f"cleanup/explain?resource={WS}/models/nothing/versions/1"))[1]
    assert (body["exists"], body["policies"]) == (False, [])
    body = told(respond("GET", "cleanup/explain?resource=workspaces/gone/environments/e/versions/1"))[1]
    assert (body["exists"], body["policies"]) == (False, [])


def test_what_no_policy_looks_at_exists_all_the_same(app):
    """Of a kind without a policy, or of a type that a policy for another sort of compute shares."""
    body = told(respond("GET", f"cleanup/explain?resource={WS}"))[1]
    assert (body["exists"], body["policies"]) == (True, [])


def test_policies_in_force_are_shown_with_what_is_wrong_with_files(app):
    """The broken one has no effect."""
    app.blobs.blobs["cleanup/policies/zz.yaml"] = b"policies: 5\n"
    body = told(respond("GET", "cleanup/policies"))[1]
    assert [policy["name"] for policy in body["value"]] == ["ours", "watch"]
    assert body["problems"][0]["file"] == "cleanup/policies/zz.yaml"


def test_a_policy_that_notifies_says_that_nothing_is_sent_without_a_receiver(app):
    """In every answer that shows it; a policy without `notify`, and an app with a receiver, have no such warning (C22)."""
    text = FILE.replace("    mode: enforce\n", "    mode: enforce\n    notify: {ownerTag: owner}\n").encode()
    put = lambda: told(respond("PUT", "cleanup/policies/ours", body=text, **{"Content-Type": "application/yaml"}))[1]  # noqa: E731
    check = lambda: told(respond("POST", "cleanup/policies", body=text))[1]["value"]  # noqa: E731
    for shown in (put()["policies"], check(), told(respond("GET", "cleanup/policies"))[1]["value"]):
        assert [("warnings" in each, each["name"]) for each in shown] == [(True, "ours"), (False, "watch")]
        assert "STEWARD_NOTIFY" in shown[0]["warnings"][0]
    app.settings = replace(app.settings, notify=("https://example.com/x",))
    assert not any("warnings" in each for each in check())


def test_a_word_that_names_nothing_is_refused_with_what_is_meant(app):
    """A policy one letter off, and a workspace without its collection."""
    status, body = told(respond("POST", "cleanup?policy=our&mode=enforce"))
    assert (status, body["error"]["code"], body["error"]["target"]) == (404, "PolicyNotFound", "policy")
    assert "did you mean 'ours'?" in body["error"]["message"]
    for word in ("resource", "below"):
        status, body = told(respond("POST", f"cleanup?{word}=churn&mode=enforce"))
        assert (status, body["error"]["target"]) == (400, word)
        assert "Did you mean 'workspaces/churn'?" in body["error"]["message"]


def test_a_file_is_checked_without_being_stored(app):
    """Every mistake at its place."""
    before = dict(app.blobs.blobs)
    status, body = told(respond("POST", "cleanup/policies?name=mine.yaml", body=FILE.encode()))
    assert (status, [policy["name"] for policy in body["value"]]) == (200, ["ours", "watch"])
    wrong = FILE.replace("olderThan: P90D", "olderThen: P90D").encode()
    status, body = told(respond("POST", "cleanup/policies?name=mine.yaml", body=wrong))
    assert (status, body["error"]["code"]) == (400, "InvalidPolicy")
    assert "mine.yaml, line 5, column" in body["error"]["message"]
    assert told(respond("POST", "cleanup/policies", body=b"\xff\xfe\xff"))[0] == 400
    assert app.blobs.blobs == before


def test_the_timer_and_the_queue_function_drive_a_run(app):
    """The functions are what the platform calls."""

    class Timer:
        past_due = False

    class Message:
        dequeue_count = 1

        def __init__(self, text):
            self.text = text

        def get_body(self):
            return self.text.encode()

    name = told(respond("POST", "cleanup?policy=watch"))[1]["name"]
    for _ in range(60):
        cleanup.tick(Timer())
        machines.reconcile(app)
        while held := app.cleanup_queue.receive():
            poll.take(messages.CLEANUP_QUEUE, Message(held.text))
            app.cleanup_queue.delete(held)
        app.clock.advance(30)
    poll.poison(messages.CLEANUP_QUEUE, Message("whatever"))
    assert told(read(name))[1]["status"] == "Completed"


def put(text, name="extra"):
    """PUT a file of policies."""
    return told(respond("PUT", f"cleanup/policies/{quote(name, safe='')}", text))


def test_a_file_of_policies_is_put_read_run_and_deleted(app):
    """The next run has it; once it is gone there is no such policy."""
    text = FILE.replace("ours", "extra").replace("watch", "other").encode()
    status, body = put(text)
    assert (status, body["file"], [policy["name"] for policy in body["policies"]]) == (200, "extra.yaml", ["extra", "other"])
    assert respond("GET", "cleanup/policies/extra").get_body() == text
    assert told(read(finished(app, "policy=other")))[1]["outcomes"]["would delete"] == 2
    assert respond("DELETE", "cleanup/policies/extra").status_code == 204
    assert told(respond("POST", "cleanup?policy=other"))[0] == 404
    status, body = told(respond("GET", "cleanup/policies/extra"))
    assert (status, body["error"]["code"]) == (404, "PolicyFileNotFound")


@pytest.mark.parametrize(
    ("content", "status", "code", "said"),
    [
        (b"policies:\n  - name: extra\n    kind: nothing\n", 400, "InvalidPolicy", "extra.yaml, line 2, column 5"),
        (b"policies: \xff", 400, "InvalidPolicy", "not UTF-8"),
        (b"#" * 1_000_001, 413, "RequestContentTooLarge", "1000001 bytes"),
    ],
)
def test_a_file_of_policies_that_is_wrong_replaces_nothing(app, content, status, code, said):
    """What was put before stays in force."""
    good = FILE.replace("ours", "extra").replace("watch", "other").encode()
    put(good)
    found, body = put(content)
    assert (found, body["error"]["code"]) == (status, code)
    assert said in body["error"]["message"]
    assert app.blobs.blobs["cleanup/policies/extra.yaml"] == good


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "x" * 200])
def test_a_file_of_policies_stays_in_its_folder(app, name):
    """400, and nothing is written."""
    assert put(FILE.encode(), name)[0] == 400
    assert list(app.blobs.blobs) == ["cleanup/policies/ours.yaml"]


@pytest.mark.parametrize(
    ("query", "place", "looked"),
    [
        ("workspace=ws", "", 8),
        (f"workspace={WS}", "", 8),
        ("below=workspaces/ws", "", 8),
        ("below=workspaces/ws/models/old", "/models/old", 2),
        ("below=workspaces/ws/models", "/models", 8),
        ("resource=workspaces/ws/models/old/versions/1", "/models/old/versions/1", 1),
    ],
)
def test_a_run_keeps_to_the_scope_that_its_caller_names(app, query, place, looked):
    """What is looked at is narrower; what is said of each is the same as in a run over everything."""
    whole = {line["id"]: line for line in told(read(finished(app, "policy=ours")))[1]["resources"]}
    name = finished(app, f"policy=ours&{query}")
    report = told(read(name))[1]
    assert report["scope"] == [WS + place]
    assert {line["id"] for line in report["resources"]} == {path for path in whole if f"{path}/".startswith(f"{WS}{place}/")}
    assert len(report["resources"]) == looked
    assert all(line["reason"] == whole[line["id"]]["reason"] for line in report["resources"])


def test_an_enforced_run_of_one_resource_takes_no_other(app, gone):
    """Another stale one of the same policy stays."""
    report = told(read(finished(app, "policy=ours")))[1]
    stale = [line["id"] for line in report["resources"] if line["action"] == "delete"]
    name = finished(app, f"policy=ours&mode=enforce&resource={stale[0]}")
    assert told(read(name))[1]["outcomes"]["deleted"] == 1
    assert len(stale) == 2
    assert len(gone(app)) == 1
    assert stale[0] not in app.azure.resources


@pytest.mark.parametrize(
    ("query", "code", "target"),
    [
        ("polcy=ours", "UnknownParameter", "polcy"),
        ("policy=ours&workspaces=ws", "UnknownParameter", "workspaces"),
        ("policy=", "InvalidParameter", "policy"),
        ("policy=ours&policy=watch", "InvalidParameter", "policy"),
        ("workspace=ws&below=workspaces/ws", "InvalidParameter", "below"),
        ("workspace=typo", "ResourceNotFound", "workspace"),
        ("workspace=ws/computes/c", "UnknownKind", "workspace"),
        ("resource=workspaces/ws/models", "InvalidParameter", "resource"),
        ("resource=workspaces/ws/models/none/versions/1", "ResourceNotFound", "resource"),
        ("below=subscriptions/s2/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws",
         "SubscriptionNotListed", "below"),
    ],
)  # fmt: skip
def test_a_run_of_something_else_than_was_meant_does_not_begin(app, query, code, target):
    """A word that is not known, or says nothing, would widen it."""
    _, body = told(respond("POST", f"cleanup?mode=enforce&{query}"))
    assert (body["error"]["code"], body["error"]["target"]) == (code, target)
    assert not list(app.journal.runs())


def test_what_a_body_says_is_not_ignored(app):
    """Its words belong into the query."""
    status, body = told(respond("POST", "cleanup", body=b'{"policy": "ours"}'))
    assert (status, body["error"]["code"]) == (400, "UnexpectedBody")
    assert "workspace" in body["error"]["message"]
    assert told(respond("POST", "cleanup", body=b"{}"))[0] == 202


def test_one_run_of_a_policy_over_the_same_scope_at_a_time(app):
    """The second is refused with the name of the first; over another scope, or after its end, it begins."""
    _, first = told(respond("POST", "cleanup?policy=ours,watch"))
    status, body = told(respond("POST", "cleanup?policy=watch&mode=dryRun"))
    assert (status, body["error"]["code"]) == (409, "CleanupUnderWay")
    assert first["name"] in body["error"]["message"]
    assert [run.name for run in app.journal.runs()] == [first["name"]]
    app.clock.advance(1)
    assert told(respond("POST", "cleanup?policy=watch&workspace=ws"))[0] == 202
    app.drive()
    app.clock.advance(1)
    assert told(respond("POST", "cleanup?policy=watch"))[0] == 202


def named(name, role, *below):
    """Name a key, and return the header that sends it."""
    body = {"role": role, "hash": key_book.hashed(name), "scope": {"below": list(below)}}
    assert told(respond("PUT", f"keys/{name}", json.dumps(body)))[0] == 200
    return {"x_functions_key": name}


def test_a_run_keeps_to_the_scope_of_who_starts_it(app):
    """What a caller is limited to is what the run looks at; another one's reports are not its to see."""
    own, other = named("own", "operator", "workspaces/ws/models/old"), named("other", "operator", "workspaces/else")
    status, body = told(respond("POST", "cleanup?policy=ours", **own))
    assert (status, body["scope"], body["caller"]) == (202, [f"{WS}/models/old".lower()], "key:own")
    app.drive()
    report = told(read(body["name"], **own))[1]
    assert {line["id"] for line in report["resources"]} == {f"{WS}/models/old/versions/{version}" for version in (1, 2)}
    assert [each["name"] for each in told(respond("GET", "cleanup/reports", **own))[1]["value"]] == [body["name"]]
    assert told(respond("GET", "cleanup/reports", **other))[1]["value"] == []
    for method, path in (("GET", ""), ("GET", "/result"), ("POST", "/cancel")):
        assert told(respond(method, f"cleanup/reports/{body['name']}{path}", **other))[0] == 403
    for query in ("workspace=ws", "below=workspaces/ws/models", f"resource={WS}/models/young/versions/1"):
        status, body = told(respond("POST", f"cleanup?{query}", **own))
        assert (status, body["error"]["code"]) == (403, "OutOfScope"), query


def test_an_enforced_run_waits_for_another_caller(app, gone):
    """Asked by one, approved by another; a run by schedule only reports."""
    app.settings = replace(app.settings, approvals=frozenset({"cleanup"}))
    ann, bob = named("ann", "admin"), named("bob", "admin")
    status, asked = told(respond("POST", "cleanup?policy=ours&mode=enforce", **ann))
    assert (status, asked["status"], asked["what"]) == (202, "Pending", "cleanup")
    assert told(respond("POST", f"approvals/{asked['name']}/approve", **ann))[0] == 403
    app.drive()
    assert gone(app) == []
    status, run = told(respond("POST", f"approvals/{asked['name']}/approve", **bob))
    assert (status, run["mode"], run["caller"]) == (202, "enforce", "key:ann")
    app.drive()
    assert len(gone(app)) == 2


def test_a_wait_that_is_applied_is_named(app):
    """Of a run as of an operation (RFC 7240, section 3): a run that is not waited for says nothing of it."""
    name = finished(app, "policy=watch")
    assert "Preference-Applied" not in respond("GET", f"cleanup/reports/{name}/result").headers
    answer = respond("GET", f"cleanup/reports/{name}/result", prefer="wait=600")
    assert answer.headers["Preference-Applied"] == "wait=60"
