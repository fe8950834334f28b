"""The app as the platform sees it: names, triggers, queues, keys, and routes that cannot swallow one another."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import azure.functions as func
import pytest

from functions import cleanup, hooks, poll, reconcile, routes
from infra.local.host import schedule as ncrontab
from shared.api import route
from shared.api.resources import resource_routes
from shared.catalog import proxy_routes
from shared.durable import messages
from shared.openapi import document
from shared.rest import addresses
from shared.route_table import ROUTES
from tests import tables

ROOT = Path(__file__).parents[2]
MODULES = (cleanup, hooks, poll, reconcile, routes)


def indexed():
    """Return what the platform would index, as (name, trigger) pairs; a fresh app, because get_functions works once."""
    app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
    for module in MODULES:
        app.register_functions(module.blueprint)
    return [(each.get_function_name(), each.get_trigger().get_dict_repr()) for each in app.get_functions()]


FUNCTIONS = dict(indexed())
EVERY_HTTP = {name: trigger for name, trigger in FUNCTIONS.items() if trigger["type"] == "httpTrigger"}
HTTP = {name: trigger for name, trigger in EVERY_HTTP.items() if trigger["route"] != route.REST}
OPENAPI = document.build(ROUTES)
PAGES = {"health", "openapi", "docs", "docs_file", "dashboard", "dashboard_file"}


def verbs(name):
    """Return the verbs of an HTTP function; HEAD goes with GET everywhere."""
    return {getattr(verb, "value", verb) for verb in EVERY_HTTP[name]["methods"]} - {"HEAD"}


@tables.each("name", EVERY_HTTP)
def test_what_answers_get_answers_head(name):
    """RFC 9110 §9.3.2: a client that asks whether something exists must not hear 404 because of the verb."""
    every = {getattr(verb, "value", verb) for verb in EVERY_HTTP[name]["methods"]}
    assert ("GET" in every) == ("HEAD" in every)


def test_one_function_is_asked_last_and_takes_what_is_left():
    """The platform asks functions in the order of their names (host.md H9); every verb is refused with an answer."""
    (name,) = set(EVERY_HTTP) - set(HTTP)
    assert name == max(EVERY_HTTP, key=str.lower)
    assert verbs(name) == {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def overlap(one: list[str], other: list[str]) -> bool:
    """Tell whether some path matches both routes; a catch-all takes any rest, an empty one too."""
    for first, second in itertools.zip_longest(one, other):
        if "{*" in (first or "") or "{*" in (second or ""):
            return True
        if first is None or second is None:
            return False
        if "{" not in first and "{" not in second and first.lower() != second.lower():
            return False
    return True


def segments(name):
    """Return a route's segments."""
    return HTTP[name]["route"].split("/")


def test_function_app_registers_every_blueprint_and_does_nothing_else():
    """About twenty lines, ever; a blueprint that is not registered does not exist."""
    text = (ROOT / "function_app.py").read_text()
    assert len(text.splitlines()) <= 25
    registered = re.findall(r"app\.register_functions\((\w+)\.blueprint\)", text)
    assert sorted(registered) == sorted(module.__name__.rpartition(".")[2] for module in MODULES)
    defined = {path.stem for path in (ROOT / "functions").glob("*.py") if "func.Blueprint()" in path.read_text()}
    assert defined == set(registered)


def test_function_names_are_unique_and_no_blueprints_name():
    """Names are unique across blueprints; one that is named like its blueprint variable breaks registration."""
    names = [name.lower() for name, _ in indexed()]
    assert len(names) == len(set(names))
    assert "blueprint" not in names
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,126}", name) for name in names)


def test_everything_needs_a_key_but_health_and_the_pages():
    """Health says up or down only, pages are the same for everybody; all else asks for a function key."""
    levels = {name: getattr(trigger["authLevel"], "value", trigger["authLevel"]).lower() for name, trigger in HTTP.items()}
    assert {name for name, level in levels.items() if level != "function"} == PAGES
    assert {levels[name] for name in PAGES} == {"anonymous"}


@tables.each("name", HTTP)
def test_no_two_functions_answer_the_same_request(name):
    """The platform tries routes in the order of function names, not by specificity: routes are disjoint per verb."""
    rivals = [other for other in HTTP if other != name and verbs(name) & verbs(other)]
    assert not [HTTP[other]["route"] for other in rivals if overlap(segments(name), segments(other))]


def test_overlapping_routes_would_be_noticed():
    """The proof proves something."""
    assert overlap(["operations", "{id}"], ["operations", "x"])
    assert overlap(["workspaces", "{*rest}"], ["Workspaces"])
    assert overlap(["{*rest}"], ["health"])
    assert not overlap(["operations", "{id}"], ["operations", "x", "result"])
    assert not overlap(["workspaces", "{*rest}"], ["operations", "{*rest}"])


@tables.each("name", HTTP)
def test_a_catch_all_starts_with_a_literal(name):
    """No route could swallow another, nor the platform's own `admin` and `runtime`."""
    first = segments(name)[0]
    assert re.fullmatch(r"[A-Za-z]+(\.json)?", first)
    assert first.lower() not in {"admin", "runtime"}


@pytest.mark.parametrize("literal", resource_routes.LITERALS)
def test_every_literal_has_all_its_verbs(literal):
    """One function owns each verb and literal and dispatches from the table."""
    offered = set().union(*(verbs(name) for name in HTTP if segments(name)[0] == literal))
    assert offered == {"GET", "PUT", "PATCH", "DELETE", "POST"}


def test_every_kind_can_be_called():
    """The first segment of every row's shortest path is a literal of the routes."""
    from shared.catalog import kinds

    literals = {literal.lower() for literal in resource_routes.LITERALS}
    for kind in kinds.KINDS:
        first = kind.types[0] if kind.namespace in (kinds.ML, kinds.RESOURCES) else "providers"
        assert {first.lower(), "providers"} & literals, kind.full_type


def test_queues_and_their_poison_queues_belong_together():
    """The platform names a poison queue after its queue; both use the app's own storage."""
    queues = {name: trigger for name, trigger in FUNCTIONS.items() if trigger["type"] == "queueTrigger"}
    by_queue = {trigger["queueName"]: trigger for trigger in queues.values()}
    assert len(by_queue) == len(queues)
    assert {messages.QUEUE, f"{messages.QUEUE}-poison"} <= set(by_queue)
    for queue, trigger in by_queue.items():
        assert trigger["connection"] == "AzureWebJobsStorage"
        assert queue.endswith("-poison") or f"{queue}-poison" in by_queue


def test_timers_have_six_fields_or_a_setting():
    """NCRONTAB with seconds as NCrontab takes it, or `%SETTING%`."""
    schedules = [trigger["schedule"] for trigger in FUNCTIONS.values() if trigger["type"] == "timerTrigger"]
    assert schedules
    own = [schedule for schedule in schedules if not re.fullmatch(r"%STEWARD_[A-Z_]+%", schedule)]
    assert all(len(expression.split()) == 6 and ncrontab.read(expression) for expression in own)


def test_the_hosts_values_fit_each_other():
    """What host.json promises, the app's own bounds keep."""
    host = json.loads((ROOT / "host.json").read_text())
    queues = host["extensions"]["queues"]
    assert queues["messageEncoding"] == "base64"
    assert queues["newBatchThreshold"] <= queues["batchSize"] <= 32
    assert queues["maxDequeueCount"] >= 3
    assert host["extensions"]["http"]["routePrefix"] == "api"
    hours, minutes, seconds = (int(part) for part in host["functionTimeout"].split(":"))
    assert 230 < hours * 3600 + minutes * 60 + seconds <= 600
    assert host["extensionBundle"]["id"] == "Microsoft.Azure.Functions.ExtensionBundle"


def test_the_log_has_the_apps_lines_and_no_flood():
    """At Information each storage request of the host's is two entries: 982 in an idle minute, among which sampling loses ours."""
    logging = json.loads((ROOT / "host.json").read_text())["logging"]
    quiet = {"Azure.Core": "Warning", "Azure.Storage": "Warning", "Azure.Identity": "Warning"}
    heard = {"default": "Information", "Function": "Information", "Host.Results": "Information"}
    assert logging["logLevel"] == heard | quiet
    sampling = logging["applicationInsights"]["samplingSettings"]
    assert set(sampling["excludedTypes"].split(";")) == {"Request", "Exception", "Trace"}


def test_there_is_a_thread_for_everything_that_may_run_at_once():
    """BatchSize + newBatchThreshold + the HTTP requests that work at the same time."""
    from shared import settings

    queues = json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]
    assert settings.Settings().threads > queues["batchSize"] + queues["newBatchThreshold"]


def answering(verb: str, path: str) -> list[str]:
    """Return the functions that a path of the OpenAPI document could reach."""
    asked = path.strip("/").split("/")
    return [name for name in HTTP if verb in verbs(name) and overlap(segments(name), asked) and "{" not in asked[0]]


SCOPED = ("workspaces", "registries", "locations", "providers", "resourceGroups")  # what a scope may stand before
DESCRIBED = [
    (verb.upper(), server["url"].removeprefix("/api") + path)
    for path, item in OPENAPI["paths"].items()
    for verb in item
    for server in OPENAPI["servers"]
    if "{" not in server["url"] or path.split("/")[1] in SCOPED
]


def test_what_the_document_describes_is_answered_by_one_function():
    """An operation of openapi.json that no route takes would be a lie."""
    assert len(DESCRIBED) > 1000
    assert not [f"{verb} {path}: {found}" for verb, path in DESCRIBED if len(found := answering(verb, path)) != 1]


def test_every_route_is_in_the_document():
    """A function that callers cannot read about does not exist for them: add it to shared/openapi/own.py.

    Left over is where the table offers no such verb: the function says so in ARM's words, the platform would say 404 and nothing.
    """
    described = {(name, verb) for verb, path in DESCRIBED for name in answering(verb, path)}
    offered = {(row.plane, verb) for row in proxy_routes.PASSAGES for verb in row.verbs}
    for name, verb in {(each, verb) for each in HTTP for verb in verbs(each)} - described:
        first, *rest = segments(name)
        assert rest == ["{*rest}"], name
        assert first == "locations" or (first in addresses.PLANE_VERSIONS and (first, verb) not in offered), name


def test_rows_of_one_function_have_one_path_and_each_verb_once():
    """The platform registers a function with one route; the row is found by its verb.

    A path within another (`recipes/runs`, where `recipes/{name}` is) is a row of the same function, and comes first.
    """
    for name, rows in routes.FUNCTIONS.items():
        widest = max((each.template for each in rows), key=lambda each: each.count("{"))
        assert len({each.anonymous for each in rows}) == 1, name
        for verb in {each.verb for each in rows}:
            *narrow, last = [each for each in rows if each.verb == verb]
            assert last.template == widest, name
            assert not [each for each in narrow if "{" in each.template or not last.takes(each.template)], name


def test_every_row_says_who_may_send_it():
    """What changes anything asks for more than a reader; what asks for no key changes nothing."""
    assert {each.id for each in ROUTES if each.role == "anyone"} == PAGES
    assert not [each.call for each in ROUTES if each.verb in ("PUT", "PATCH", "DELETE") and each.role not in ("operator", "admin")]


def test_files_of_functions_are_a_skin():
    """Triggers only: what is done lies in shared/, where rules reach it, too."""
    long = {
        path.name: count for path in (ROOT / "functions").glob("*.py") if (count := sum(1 for line in _code(path) if line)) > 60
    }
    assert not long


def _code(path: Path) -> list[str]:
    """Return the lines of a module without docstrings and comments."""
    text = re.sub(r'"""(.|\n)*?"""', "", path.read_text())
    return [line.partition("  #")[0].strip() for line in text.splitlines() if not line.lstrip().startswith("#")]
