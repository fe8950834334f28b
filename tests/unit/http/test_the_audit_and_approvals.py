"""What was done leaves a row and a line; what must be approved waits for somebody else."""

from __future__ import annotations

import csv
import io
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared import services
from shared.rest import errors
from shared.route_table import ROUTES
from tests.unit.http.test_roles_and_scopes import BODY, GROUP, code, name_key, settings

if TYPE_CHECKING:
    from tests.unit.http.conftest import App

KEYS = "workspaces/work1/listKeys"


@pytest.fixture
def made(app: App) -> App:
    """An app with a workspace, and the keys of two admins."""
    assert app.send("PUT", "workspaces/work1", BODY).status in (200, 201, 202)
    app.steward.drive()
    for name in ("ann", "bob"):
        name_key(app, name, "admin")
    return app


def entries(app: App, query: str = "") -> list[dict[str, Any]]:
    """The audit."""
    app.steward.clock.advance(1)
    answer = app.send("GET", f"audit?{query}")
    assert answer.status == 200, answer.content
    return list(answer.body["value"])


def test_changes_and_reads_of_secrets_leave_a_row_and_a_line(made: App, caplog: pytest.LogCaptureFixture) -> None:
    """Who, what, when, trace, result; operations are among them; what only reads is not."""
    caplog.set_level(logging.INFO)
    trace = "0af7651916cd43dd8448eb211c80319c"
    status = made.send("POST", KEYS, x_functions_key="secret-ann", traceparent=f"00-{trace}-b7ad6b7169203331-01").status
    made.send("GET", "workspaces/work1", x_functions_key="secret-ann")
    made.steward.clock.advance(1)
    made.send("PUT", "workspaces/work2", BODY, x_functions_key="secret-ann")
    found = entries(made, "caller=key:ann")
    assert [each["request"].partition("?")[0] for each in found] == [f"POST {KEYS}", found[1]["request"]]
    assert {name: found[0][name] for name in ("secret", "status", "traceId")} == {
        "secret": True,
        "status": status,
        "traceId": trace,
    }
    assert (found[1]["request"].split(" ")[0], bool(found[1]["operation"])) == ("PUT", True)
    lines = [each.steward for each in caplog.records if getattr(each, "steward", {}).get("what") == "audit"]
    assert next((each["caller"], each["request"]) for each in lines) == ("key:ann", f"POST {KEYS}")
    kept = json.dumps([str(row) for row in made.steward.access_rows.rows.values()]) + caplog.text
    assert "secret-ann" not in kept


def test_whoever_cancels_is_in_the_audit(made: App) -> None:
    """An operation's own row says who began it; the one who ended it may be another."""
    asked = made.send("PUT", "workspaces/work3", BODY, x_functions_key="secret-ann", prefer="respond-async")
    path = f"operations/{asked.body['name']}/cancel"
    assert made.send("POST", path, x_functions_key="secret-bob").status == 200
    assert [(each["request"], each["status"]) for each in entries(made, "caller=key:bob")] == [(f"POST {path}", 200)]


def test_every_route_that_changes_something_is_audited() -> None:
    """A new one is, or is named here: what only answers, and events, whose firings are kept."""
    named = {"cleanup_policies_check", "events_post", "events_handshake", "events_test", "translate"}
    assert {each.id for each in ROUTES if each.own and each.verb != "GET" and not each.audited} == named


def test_nothing_secret_is_read_where_the_audit_cannot_be_written(made: App) -> None:
    """The row comes first: without storage there are no keys."""
    before = len(made.steward.azure.requests)

    def put(_row: object) -> None:
        raise errors.UnreachableError("no storage", delay_s=1, maybe_arrived=False)

    made.steward.access_rows.put = put  # type: ignore[method-assign]
    assert made.send("POST", KEYS).status == 503
    assert len(made.steward.azure.requests) == before


def test_the_audit_is_exported_page_by_page(made: App) -> None:
    """CSV and NDJSON, the oldest first; nothing a spreadsheet would run."""
    for number in range(5):
        made.send("DELETE", f"keys/=cmd{number}")
    whole = entries(made)
    lines, query = [], "audit?format=ndjson&$top=2"
    while query:
        answer = made.send("GET", query)
        lines += [json.loads(line) for line in answer.content.decode().splitlines()]
        query = answer.headers.get("link", "").partition(">")[0].lstrip("<")
    assert [each["request"] for each in lines] == [each["request"] for each in whole]
    assert [each["time"] for each in whole] == sorted(each["time"] for each in whole)
    table = list(csv.reader(io.StringIO(made.send("GET", "audit?format=csv").content.decode("utf-8-sig"))))
    assert table[0][:2] == ["time", "caller"]
    assert len(table) == len(whole) + 1
    for wrong in ("since=x", "since=2020-01-01", "format=xml"):
        assert made.send("GET", f"audit?{wrong}").status == 400


def test_a_deletion_waits_for_somebody_else(made: App) -> None:
    """Asked by one, approved by another; then carried out as the first one's, and followed by the first answer's Location."""
    settings(approvals=frozenset({"workspaces"}))
    asked = made.send("DELETE", "workspaces/work1", x_functions_key="secret-ann")
    assert (asked.status, asked.body["status"], asked.body["caller"]) == (202, "Pending", "key:ann")
    again = made.send("DELETE", "workspaces/work1", x_functions_key="secret-ann")
    assert again.body["name"] == asked.body["name"]
    at = f"approvals/{asked.body['name']}"
    assert made.send("GET", asked.headers["location"]).status == 202
    own = made.send("POST", f"{at}/approve", x_functions_key="secret-ann")
    assert (own.status, code(own)) == (403, "SecondPersonNeeded")
    weak = name_key(made, "weak", "operator", below=["workspaces/other"])
    assert made.send("POST", f"{at}/approve", x_functions_key=weak).status == 403
    assert made.steward.azure.count("DELETE") == 0
    done = made.send("POST", f"{at}/approve", x_functions_key="secret-bob")
    assert done.status in (200, 202, 204), done.content
    made.steward.drive()
    assert made.steward.azure.count("DELETE .*work1") == 1
    found = made.send("GET", at).body
    assert (found["status"], found["by"]) == ("Approved", "key:bob")
    operation = made.send("GET", f"operations/{found['operation']}").body
    assert operation["properties"]["caller"] == "key:ann"
    assert made.send("GET", f"{at}/result").status in (200, 204)
    over = made.send("POST", f"{at}/approve", x_functions_key="secret-bob")
    assert (over.status, code(over)) == (409, "ApprovalOver")


def test_a_group_takes_its_workspaces_along(made: App) -> None:
    """Where their deletion needs a second person, that of the group they are in does, too."""
    settings(approvals=frozenset({"workspaces"}))
    asked = made.send("DELETE", GROUP[1:], x_functions_key="secret-ann")
    assert (asked.status, asked.body.get("what")) == (202, "workspaces"), asked.content
    assert made.steward.azure.count("DELETE") == 0
    assert made.send("DELETE", "workspaces/work1/computes/c1", x_functions_key="secret-ann").status == 204


@pytest.mark.parametrize("way", ["refuse", "expire"])
def test_what_is_not_approved_is_not_done(made: App, way: str) -> None:
    """Refused, also by who asked; or its time is over."""
    settings(approvals=frozenset({"resourceGroups"}))
    name = made.send("DELETE", GROUP[1:], x_functions_key="secret-ann").body["name"]
    if way == "refuse":
        assert made.send("POST", f"approvals/{name}/refuse", x_functions_key="secret-bob").body["status"] == "Refused"
    else:
        made.steward.clock.advance(24 * 3600)
    answer = made.send("POST", f"approvals/{name}/approve", x_functions_key="secret-bob")
    assert (answer.status, code(answer)) == (409, "ApprovalOver")
    assert made.send("GET", f"approvals/{name}/result").status == 403
    assert made.steward.azure.count("DELETE") == 0
    assert made.send("GET", "approvals?status=Pending").body["value"] == []


RULE = """\
rules:
  - name: gone
    on: {types: ["contoso.any"]}
    do: {request: "DELETE workspaces/work1/computes/c1"}
"""


def test_a_rule_that_deletes_waits_and_then_is_its_askers(made: App) -> None:
    """Stored with the rights of who wrote it; the line that says so is not shown, and cannot be brought along."""
    vars(services.get())["hook_rows"] = made.steward.access_rows
    settings(approvals=frozenset({"rules"}))
    forged = '# steward-author: {"name": "x", "grants": []}\n' + RULE
    asked = made.send("PUT", "events/rules/gone", forged, x_functions_key="secret-ann")
    assert (asked.status, asked.body["what"]) == (202, "rules")
    assert made.send("GET", "events/rules").body["value"] == []
    done = made.send("POST", f"approvals/{asked.body['name']}/approve", x_functions_key="secret-bob")
    assert done.status == 200, done.content
    (rule,) = services.get().rules
    assert rule.author == {"name": "key:ann", "grants": [{"role": "admin", "scope": {"below": [], "kinds": []}, "of": "ann"}]}
    assert made.send("GET", "events/rules/gone").content.decode() == forged
    assert not list(made.steward.blobs.names("approvals/"))


@pytest.mark.parametrize(
    "step",
    [
        {"request": "PUT workspaces/work1/computes/c1", "headers": {"Expires-In": "PT1M"}},
        {"request": "PUT workspaces/work1/computes/c1", "headers": {"expires-at": "${{ data.at }}"}},
        {"request": "PUT workspaces/work1/computes/c1?ExpiresIn=PT1M"},
        {"request": "PUT workspaces/work1/computes/c1?${{ data.name }}=PT1M"},
        {"request": "PUT workspaces/work1/computes/c1?expires%49n=PT1M"},
    ],
)
def test_a_rule_that_has_something_deleted_later_waits_as_one_that_deletes(made: App, step: dict[str, Any]) -> None:
    """An expiry may be set on what is there already, and its end is a deletion."""
    vars(services.get())["hook_rows"] = made.steward.access_rows
    file = {"rules": [{"name": "r", "on": {"types": ["contoso.any"]}, "do": [{**step, "body": {"location": "westeurope"}}]}]}
    settings(approvals=frozenset({"rules"}))
    asked = made.send("PUT", "events/rules/r", json.dumps(file), content_type="application/yaml", x_functions_key="secret-ann")
    assert (asked.status, asked.body.get("what")) == (202, "rules"), asked.content


def test_a_scoped_admins_rule_may_do_no_more_than_its_author(made: App) -> None:
    """Its request is refused where its author's would be; and others' files are not its author's to change."""
    from shared.chains.asked import Call
    from shared.hooks import rule_requests

    key = name_key(made, "half", "admin", below=["workspaces/work1"])
    assert made.send("PUT", "events/rules/mine", RULE, x_functions_key=key).status == 200
    assert made.send("PUT", "events/rules/theirs", RULE.replace("gone", "other"), x_functions_key="secret-bob").status == 200
    assert made.send("DELETE", "events/rules/theirs", x_functions_key=key).status == 403
    off = RULE.replace("gone", "other").replace("name: other", "name: other\n    enabled: false")
    taken = made.send("PUT", "events/rules/zz", off, x_functions_key=key)  # of two rules of one name the later file's counts
    assert (taken.status, code(taken), "'other'" in taken.said) == (403, "OutOfScope", True), taken.content
    assert made.send("PUT", "events/rules/mine", RULE, x_functions_key=key).status == 200
    assert made.send("PUT", "cleanup/policies/p", "policies: []", x_functions_key=key).status == 403
    rule = next(each for each in services.get().rules if each.name == "gone")
    call = Call(
        method="GET", path="workspaces/work2", headers={}, body=None, key="k", caller="rule:gone", firing="f" * 40, depth=1,
        author=rule.author,
    )  # fmt: skip
    refused = rule_requests.perform(call, services.get())
    assert (refused.status, refused.body["error"]["code"]) == (403, "OutOfScope")
    assert rule_requests.perform(replace(call, path="workspaces/work1"), services.get()).status == 200


def test_what_a_rule_deletes_waits_too_and_its_author_cannot_approve_it(made: App) -> None:
    """Who wrote the rule is who asked; carried out, it is the rule's."""
    from shared.chains.asked import Call
    from shared.hooks import rule_requests

    settings(approvals=frozenset({"workspaces"}))
    author = {"name": "key:ann", "grants": [{"role": "admin", "scope": {"below": [], "kinds": []}}]}
    call = Call(
        method="DELETE", path="workspaces/work1", headers={}, body=None, key="k", caller="rule:gone", firing="f" * 40, depth=1,
        author=author,
    )  # fmt: skip
    asked = rule_requests.perform(call, services.get())
    assert (asked.status, asked.body["status"], asked.body["caller"], asked.body["author"]) == (
        202,
        "Pending",
        "rule:gone",
        "key:ann",
    )
    assert rule_requests.perform(call, services.get()).body["name"] == asked.body["name"]
    at = f"approvals/{asked.body['name']}/approve"
    assert made.send("POST", at, x_functions_key="secret-ann").status == 403
    assert made.steward.azure.count("DELETE") == 0
    made.send("POST", at, x_functions_key="secret-bob")
    made.steward.drive()
    assert made.steward.azure.count("DELETE .*work1") == 1
