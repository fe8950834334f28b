"""Lines and measurements of whole conversations, judged by OpenTelemetry's own SDK and by what queries look for."""

from __future__ import annotations

import ast
import json
import logging
import re
from functools import cache
from pathlib import Path

import pytest

from functions import poll
from shared import services
from shared.operations import observing
from shared.telemetry import trace
from tests.fake_azure import ACCOUNT_KEY, SIGNATURE, WORKSPACE, Fault
from tests.fakes import unavailable
from tests.steward import look_after

ROOT = Path(__file__).parents[3]
BODY = {"location": "westeurope", "properties": {}}
KIND = "arm:Microsoft.MachineLearningServices/workspaces"


def said(caplog, what):
    """Return the structured lines of that name."""
    return [record.steward for record in caplog.records if getattr(record, "steward", {}).get("what") == what]


def test_an_operation_is_told_from_acceptance_to_end(steward, caplog, told):
    """Its id, its trace, its kind, its state, its length; counted and timed."""
    caplog.set_level(logging.INFO)
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    steward.drive()
    (accepted,), (ended,) = said(caplog, "operation.accepted"), said(caplog, "operation.ended")
    known = {"operationId": operation.id, "traceId": operation.trace_id, "targetKind": KIND, "method": "PUT"}
    assert known.items() <= accepted.items()
    assert known.items() <= ended.items()
    assert (ended["status"], ended["writes"]) == ("Succeeded", 1)
    assert ended["durationS"] >= 25
    assert ended["polls"] == steward.load(operation).calls["poll"]
    assert told.total("steward.operations.accepted", kind=KIND, method="PUT") == 1
    assert told.total("steward.operations.ended", status="Succeeded", code="") == 1
    ((_, duration),) = told.points("steward.operations.duration")
    assert duration.sum == pytest.approx(ended["durationS"], abs=0.001)
    assert told.total("steward.steps", phase="following") == ended["polls"] - 1  # the last one reads the result, too


def test_a_failure_is_a_warning_with_azures_code_and_without_its_message(steward, caplog, told):
    """The message is Azure's text; the operation has it, the log does not."""
    caplog.set_level(logging.INFO)
    steward.azure.failing[f"{WORKSPACE}2"] = {"code": "QuotaExceeded", "message": "FOREIGN TEXT"}
    operation = steward.submit("PUT", "workspaces/w12", BODY)
    steward.drive()
    (ended,) = said(caplog, "operation.ended")
    assert "FOREIGN TEXT" in str(steward.load(operation).error)
    assert (ended["status"], ended["code"]) == ("Failed", "QuotaExceeded")
    assert told.total("steward.operations.ended", status="Failed", code="QuotaExceeded") == 1
    assert [record.levelname for record in caplog.records if "operation.ended" in record.getMessage()] == ["WARNING"]
    assert "FOREIGN TEXT" not in caplog.text


def test_a_poison_message_is_counted_by_its_queue(steward, caplog, told):
    """And the line tells whether its operation could be marked."""
    observing.poisoned("steward-operations", settled=True)
    (line,) = said(caplog, "poison")
    assert (line["queue"], line["settled"]) == ("steward-operations", True)
    assert told.total("steward.poison", queue="steward-operations") == 1
    assert line["queue"] == poll.messages.QUEUE


def test_what_is_open_is_measured_by_the_timer(steward, told):
    """How many, and the age of the oldest."""
    steward.submit("PUT", "workspaces/w2", BODY, respond_async=True)
    steward.clock.advance(40)
    look_after(steward.process)
    ((_, count),), ((_, oldest),) = told.points("steward.operations.open"), told.points("steward.operations.oldest")
    assert (count.value, oldest.value) == (1, 40.0)


def test_retries_are_told_apart_from_progress(steward, told):
    """Azure away: the step is a retry."""
    steward.azure.faults.append(Fault(method="PUT", match="w2", problem=unavailable(), times=2))
    steward.submit("PUT", "workspaces/w2", BODY)
    steward.drive()
    assert told.total("steward.steps", outcome="retry") >= 1


def test_no_line_of_a_whole_conversation_holds_a_secret(steward, caplog):
    """Every logger at its lowest level: a datastore's key, signed poll URLs, a failure, a lost answer."""
    caplog.set_level(logging.DEBUG)
    key = {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "KEY-IN-THE-BODY"}}
    secret = {"properties": {"datastoreType": "AzureBlob", "credentials": key}}
    steward.azure.faults.append(Fault(method="PUT", match="w3", problem=unavailable(), after=True))
    steward.submit("PUT", "workspaces/w2", BODY | {"tags": {"note": "BODY-OF-THE-CALLER"}})
    steward.submit("PUT", "workspaces/w3", BODY)
    steward.submit("PUT", "workspaces/w1/datastores/d1", secret)
    steward.submit("DELETE", "workspaces/w2")
    steward.drive()
    lines = [record.getMessage() for record in caplog.records]
    assert len(said(caplog, "operation.ended")) >= 4
    for each in ("KEY-IN-THE-BODY", "BODY-OF-THE-CALLER", ACCOUNT_KEY, SIGNATURE, "sIgNaTuRe", "Bearer ", "?api-version"):
        assert not [line for line in lines if each in line], each
    for line in (json.loads(text) for text in lines if text.startswith('{"what"')):
        assert all(len(str(value)) <= 256 for value in line.values())
        assert set(line) <= fields_told(), line


def test_nothing_is_measured_when_nobody_asked(steward):
    """The same conversation without a sink."""
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    steward.drive()
    assert steward.load(operation).status == "Succeeded"


def test_services_begin_to_tell_when_they_are_opened(monkeypatch):
    """`STEWARD_TELEMETRY` is read with all other settings, once."""
    asked = []
    monkeypatch.setattr("shared.telemetry.export.start", asked.append)
    monkeypatch.setenv("STEWARD_TELEMETRY", "OTLP")
    monkeypatch.setattr(services, "_services", None)
    services.get()
    assert asked == ["otlp"]
    services.use(None)


@cache
def fields_told():
    """Return the names that lines can have, as the code writes them."""
    found = {"what", "operationId", "traceId", "targetKind", "target", "method", "action"}
    found |= {"writes", "polls", "reads", "uploads"}  # operations count their calls by these names
    for path in (ROOT / "shared").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "event":
                found |= {keyword.arg for keyword in node.keywords if keyword.arg}
    return found


@cache
def names_told():
    """Return every `what`."""
    found = set()
    for path in (ROOT / "shared").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "event"
                and len(node.args) > 2
            ):
                found |= {node.args[2].value} if isinstance(node.args[2], ast.Constant) else set()
    return found


QUERIES = sorted((ROOT / "infra" / "azure" / "queries").glob("*.kql"))


@pytest.mark.parametrize("query", QUERIES, ids=lambda path: path.stem)
def test_a_query_asks_for_lines_and_fields_that_are_written(query):
    """A renamed field would leave a query that finds nothing."""
    text = query.read_text()
    assert set(re.findall(r'"what": "([\w.]+)"', text)) <= names_told()
    assert set(re.findall(r"\be\.(\w+)", text)) <= fields_told()
    assert text.startswith("// ")
    assert f"({'../infra/azure/queries/' + query.name})" in (ROOT / "docs" / "observability.md").read_text()


def test_every_line_is_on_the_page():
    """docs/observability.md says what each means."""
    page = (ROOT / "docs" / "observability.md").read_text()
    assert [name for name in sorted(names_told()) if f"`{name}`" not in page] == []


def test_the_oldest_open_operations_query_reads_the_timers_line(steward, caplog):
    """It is text, which an alert reads, too."""
    caplog.set_level(logging.INFO)
    steward.submit("PUT", "workspaces/w2", BODY, respond_async=True)
    look_after(steward.process)
    query = (ROOT / "infra" / "azure" / "queries" / "oldest-open.kql").read_text()
    begins, between = re.search(r'parse message with "([^"]+)" operationId "([^"]+)"', query).groups()
    line = next(text for text in (record.getMessage() for record in caplog.records) if text.startswith(begins))
    assert between in line
    assert trace.current() is None
