"""Each field of the app's own answers is in the OpenAPI document, and each that is described is answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from shared.cleanup.report import reports
from shared.cleanup.run import journal, report_lines
from shared.hooks import rule_fields
from shared.hooks.firing_record import Firing
from shared.notify import deliveries
from shared.openapi import document, shapes
from shared.operations import models
from shared.rest import errors, long_running
from shared.rollouts.rollout_record import Rollout
from shared.route_table import ROUTES
from shared.text import times

NOW = datetime(2026, 11, 2, 4, 5, 6, tzinfo=UTC)
COMPONENTS = document.build(ROUTES)["components"]
TARGET = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
ERROR = errors.AzureError(
    code="Inner", message="m", target="t", outer_code="Outer", details=(errors.AzureError(code="C", message="m"),)
)
RULE = """
rules:
  - name: r
    on: {types: [x]}
    do:
      - {name: asked, request: GET workspaces}
      - {name: told, notify: contoso.x}
"""
FOLLOW = long_running.Follow(style="status_url", url="https://h/x", resource_url="https://h/y", method="PUT", state="Creating")
LATER = {"operation": ("deliveries", "explanation"), "firing": ("answers",)}  # added where a single one is read


def valid(name: str, value: Any) -> set[str]:
    """Judge a value by a component; returns the fields that the component describes."""
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    schema = {"$ref": f"#/components/schemas/{name}", "components": COMPONENTS}
    jsonschema.Draft202012Validator(schema, format_checker=checker).validate(value)
    return set(COMPONENTS["schemas"][name]["properties"])


def operation(**more: Any) -> models.Operation:
    """Return an operation with everything in it that shows."""
    known: dict[str, Any] = {
        "id": "p-s",
        "target": TARGET,
        "kind": "k",
        "method": "PUT",
        "plane": "arm",
        "path": TARGET,
        "query": "",
    }
    known |= {"created_at": NOW, "due_at": NOW, "caller": "c", "trace": f"00-{'a' * 32}-{'b' * 16}-01", "follow": FOLLOW}
    known |= {
        "calls": {"write": 1, "poll": 3},
        "phase": "following",
        "resource": {"name": "w"},
        "status": "Running",
        "expires_at": NOW,
        **more,
    }
    return models.Operation(**known).noted(NOW, "accepted", "by c")


def test_every_field_of_an_operation_is_described_and_the_other_way_round() -> None:
    """Under way and ended; `traceId` among them."""
    going = operation().view()
    ended = operation(phase="ended", status="Failed", ended_at=NOW, error=ERROR, result={"name": "w"}, resource=None).view()
    described = valid("Operation", going) | valid("Operation", ended)
    assert described == set(going) | set(ended)
    inner = set(COMPONENTS["schemas"]["Operation"]["properties"]["properties"]["properties"])
    assert inner - {*LATER["operation"]} == set(going["properties"]) | set(ended["properties"])
    assert "traceId" in inner
    assert set(ended["error"]) == set(COMPONENTS["schemas"]["ErrorDetail"]["properties"])


def test_every_phase_and_status_is_described() -> None:
    """As the type says them."""
    assert models.Phase.__args__ == shapes.PHASES
    assert models.Status.__args__ == shapes.STATUSES


def test_every_field_of_a_delivery_is_described() -> None:
    """With an attempt that was answered and one that was not."""
    attempts = ({"at": times.iso(NOW), "status": 500}, {"at": times.iso(NOW), "problem": "no answer"})
    event = {"type": "t", "id": "e"}
    found = deliveries.Delivery(about="a", key="k", target="queue:q", event=event, created_at=NOW, attempts=attempts, next_at=NOW)
    assert valid("Delivery", found.view()) == set(found.view())


def test_every_field_of_a_firing_is_described() -> None:
    """Under way, and failed after a step that was skipped."""
    (rule,) = rule_fields.parse(RULE, "r.yaml")
    known: dict[str, Any] = {
        "id": "f",
        "rule": rule,
        "document": {"event": {"id": "e"}},
        "depth": 1,
        "created_at": NOW,
        "due_at": NOW,
    }
    waits = Firing(**known, operation="p-s", approval="a").view()
    answers = {"asked": {"skipped": True, "reason": "r"}, "told": {"status": 202, "body": {}}}
    ended = Firing(**known, status="Failed", error=ERROR, ended_at=NOW, answers=answers, position=1).view()
    assert valid("Firing", waits) | valid("Firing", ended) == set(waits) | set(ended) | {*LATER["firing"]}
    steps = set().union(*(each for found in (waits, ended) for each in found["steps"]))
    assert steps == set(COMPONENTS["schemas"]["Firing"]["properties"]["steps"]["items"]["properties"])


def test_every_field_of_a_report_is_described() -> None:
    """Of a run that goes on, of one that has ended, and of their lines."""
    totals = {"looked": 1, "outcomes": {"kept": 1}, "savings": {"nodeHoursADay": 1.0}, "requests": {"calls": 1, "seconds": 0.1}}
    run = journal.Run(name="n", mode="dryRun", caller="c", created_at=NOW, due_at=NOW, policies=("p",), plan="m", approved="o")
    begun, ended = reports.summary(run), reports.summary(run, totals)
    line = report_lines.Line(
        id=TARGET, kind="k", policy="p", reason="r", action="delete", evidence=("e",), since=NOW, due=NOW, saves={"nodes": 1},
        notify={"to": "x"}, operation="o", error=ERROR.to_json(),
    )  # fmt: skip
    counted = {**totals, "policies": {"p": {"looked": 1}}}
    report = reports.Report(run=run, units=(), acts=(), plan=(), enforced=frozenset(), lines=(line,), more=0, totals=counted)
    whole = reports.view(report)
    described = valid("Report", begun) | valid("Report", ended) | valid("Report", whole)
    assert described - set(whole) == {"endTime", "deliveries", "nextLink"}
    assert set(whole) <= described
    assert valid("ReportLine", whole["resources"][0]) == set(whole["resources"][0])


def test_every_field_of_a_rollout_is_described() -> None:
    """Under way in a step, and while the old deployment is kept."""
    plan = {"deployment": "green", "steps": [10, 100], "bake": 600, "keepOld": 60, "gate": {"leastRequests": 5}, "unsure": "pause"}
    shares = {"traffic": {"blue": 100}, "mirror": {}}
    figures = {"at": times.iso(NOW), "verdict": "good", "deployments": {"blue": {"requests": 1, "errors": 0, "p95": 2.5}}}
    going = Rollout(
        id="r", endpoint=f"{TARGET}/onlineEndpoints/e", plan=plan, caller="c", created_at=NOW, due_at=NOW, stage="step", since=NOW,
        before=shares, operation="o", figures=figures,
    ).telling(NOW, "step", "10 %")  # fmt: skip
    kept = replace(going, stage="keep", status="Succeeded", ended_at=NOW)
    assert valid("Rollout", going.view()) | valid("Rollout", kept.view()) == set(going.view()) | set(kept.view())


def test_a_trace_id_is_described_as_one() -> None:
    """32 hexadecimal digits, so that whoever reads it knows what to look for."""
    shown = operation().view()
    shown["properties"]["traceId"] = "none"
    with pytest.raises(jsonschema.ValidationError):
        valid("Operation", shown)
