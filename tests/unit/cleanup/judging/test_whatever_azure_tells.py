"""Whatever stands in a body: no verdict fails, a fact that is missing keeps, and no reference is overlooked."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.cleanup.policy import hours, model, targets
from shared.cleanup.verdict import judge
from shared.rest import ids
from tests.estate import ML, NOW, SUBSCRIPTION, World, ago

DAYS = timedelta(days=30)
WORK = hours.hours("Europe/Berlin", ["Tue"], "08:00", "18:00")
ARGUMENTS = {
    "duration": DAYS,
    "count": 1,
    "flag": True,
    "hours": WORK,
    "stuck": targets.Stuck(statuses=("Queued", "Running"), longer_than=timedelta(hours=1)),
    "spending": targets.Spending(amount=0.0, within=timedelta(days=7)),
}
ODD = [None, "", "x", 0, -1, 10**30, True, [], [None], {}, {"a": None}, "2026-99-99", "9999-12-31T23:59:59Z", ago(-1)]


def estate():
    """Return one stale resource of every kind."""
    world = World()
    world.workspace("ws")
    for family in ("models", "environments", "data", "components", "codes"):
        world.version(f"workspaces/ws/{family}/a/versions/1")
        world.version(f"workspaces/ws/{family}/a/versions/2", days=200)
    world.instance("ci", hours=1000)
    world.instance("off", hours=1000, state="Stopped")
    world.cluster("cpu", hours=1000, nodeStateCounts={"idleNodeCount": 2}, currentNodeCount=2, targetNodeCount=2,
                  scaleSettings={"minNodeCount": 2, "maxNodeCount": 4})  # fmt: skip
    world.endpoint("ep", traffic={"blue": 100})
    world.deployment("ep/blue")
    world.deployment("ep/green", provisioningState="Failed")
    world.put("workspaces/ws/batchEndpoints/b", defaults={"deploymentName": "one"}, provisioningState="Failed")
    world.put("workspaces/ws/batchEndpoints/b/deployments/two", provisioningState="Failed")
    world.put("workspaces/ws/schedules/s", action={"jobDefinition": {}})
    world.job("stuck", status="Queued", run={"createdUtc": ago(5), "target": "none"})
    world.services["ws"] = [{"name": "v1"}]
    path = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/gonestorage0123456789"
    world.resources[path] = {"id": path, "name": "gonestorage0123456789", "type": "x", "properties": {"creationTime": ago(90)}}
    return world


def policies():
    """Return one policy for each condition and each action of each kind."""
    for target in targets.TARGETS.values():
        for name in target.conditions:
            stale = {name: ARGUMENTS[targets.CONDITIONS[name].argument]}
            for action in target.actions:
                yield model.Policy(name=f"{target.name} {name} {action}", kind=target.name, action=action, stale_when=stale)


POLICIES = list(policies())
ONE_EACH = [each for each in POLICIES if each.action == targets.TARGETS[each.kind].action]


def verdicts(world, chosen=POLICIES):
    """Return policy and resource → verdict."""
    surveys = world.survey()
    body = world.resources[f"{ML}/workspaces/ws"]
    found = [*judge.workspace(chosen, body, surveys, {}, world, NOW)]
    scope = ids.ResourceId(subscription=SUBSCRIPTION)
    found += judge.subscription(chosen, scope, surveys, {}, world, NOW)
    return {(each.policy, each.subject.id.key): each.verdict for each in found}


def paths(value, at=()):
    """Yield the place of every member of a body."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*at, name)
            yield from paths(inner, (*at, name))


ESTATE = estate()
FIXED = {("name",), ("id",)}
PLACES = [(owner, path) for owner, body in ESTATE.resources.items() for path in paths(body) if path not in FIXED]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.sampled_from(PLACES), value=st.sampled_from(ODD))
def test_no_member_of_any_value_makes_a_verdict_fail(place, value):
    """Azure sends many members as null although its specification does not say so (docs/protocol.md §8)."""
    world = copy.deepcopy(ESTATE)
    owner, path = place
    inner = world.resources[owner]
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = copy.deepcopy(value)
    for verdict in verdicts(world, ONE_EACH).values():
        assert verdict.reason


def test_without_its_times_nothing_is_old():
    """An age that is not told is unknown, whatever the kind."""
    world = copy.deepcopy(ESTATE)
    for body in world.resources.values():
        body["systemData"] = None
        for name in ("createdOn", "modifiedOn", "creationTime"):
            body["properties"].pop(name, None)
    world.runs["ws"][0]["createdUtc"] = None
    aged = {"olderThan", "unchangedFor", "beyondNewest", "noRequests", "noTraffic", "zeroTrafficFor", "noRuns", "stuckFor"}
    found = {key: verdict for key, verdict in verdicts(world).items() if key[0].split()[1] in aged}
    assert {verdict.action for verdict in found.values()} == {"none"}


def test_a_run_of_all_policies_finds_something_to_do_in_the_estate():
    """Else the other tests here would prove nothing."""
    found = verdicts(ESTATE)
    harmless = ("none", "notify", "tag")
    acted = {policy.split()[0] for (policy, _), verdict in found.items() if verdict.action not in harmless}
    assert acted >= set(targets.TARGETS) - {"leftover", "workspace", "batchEndpoint"}
    assert all(verdict.action == "notify" for (policy, _), verdict in found.items() if policy.startswith("leftover"))


FORMS = (
    "azureml:{n}:1",
    "{n}:1",
    "azureml:{n}@latest",
    ML + "/workspaces/ws/models/{n}/versions/1",
    "azureml://registries/r/models/{n}/versions/1",
    "azureml:" + ML.upper() + "/WORKSPACES/WS/MODELS/{n}/VERSIONS/1",
)
REFERRERS = ("deployment", "batch", "schedule", "job", "service", "component", "far")


@settings(max_examples=60, deadline=None)
@given(used=st.dictionaries(st.integers(0, 9), st.tuples(st.sampled_from(REFERRERS), st.sampled_from(FORMS)), max_size=10))
def test_exactly_what_nobody_refers_to_goes(used):
    """Ten old models, any of them referred to by anybody in any spelling; from afar only a whole id means this workspace."""
    world = World()
    world.workspace("ws")
    world.workspace("far")
    world.endpoint("ep")
    world.put("workspaces/ws/batchEndpoints/b")
    world.put("workspaces/far/batchEndpoints/b")
    for number in range(10):
        world.version(f"workspaces/ws/models/model-{number}/versions/1")
    kept = set()
    for number, (who, form) in used.items():
        text = form.format(n=f"model-{number}")
        if who != "far" or "/" in text:
            kept.add(f"model-{number}")
        refer(world, who, number, text)
    policy = model.Policy(name="p", kind="modelVersion", action="delete", stale_when={"olderThan": DAYS})
    found = verdicts(world, [policy])
    assert {key.split("/")[-3] for (_, key), verdict in found.items() if verdict.action == "none"} == kept


def refer(world, who, number, text):
    """Let somebody refer to a model."""
    match who:
        case "deployment":
            world.deployment(f"ep/d{number}", model=text)
        case "batch":
            world.put(f"workspaces/ws/batchEndpoints/b/deployments/d{number}", model={"assetId": text})
        case "far":
            world.put(f"workspaces/far/batchEndpoints/b/deployments/d{number}", model={"assetId": text})
        case "schedule":
            world.put(f"workspaces/ws/schedules/s{number}", action={"jobDefinition": {"inputs": {"m": {"uri": text}}}})
        case "job":
            world.job(f"j{number}", inputs={"m": {"uri": text}})
        case "service":
            world.services.setdefault("ws", []).append({"name": f"s{number}", "models": [{"id": text}]})
        case "component":
            world.version(f"workspaces/ws/components/c{number}/versions/1", componentSpec={"inputs": {"m": {"default": text}}})


@pytest.mark.parametrize(
    "never",
    [
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00+14:00",
        "1601-01-01T00:00:00Z",
        "1970-01-01T00:00Z",
        "9999-12-31T23:59:59.9999999Z",
    ],
)
def test_the_zero_of_a_calendar_is_no_age(world, verdicts, never):
    """.NET writes its smallest date where it knows none; two thousand years old is not stale."""
    world.put("workspaces/ws/models/m", isArchived=False)
    world.put("workspaces/ws/models/m/versions/1", {"systemData": {"createdAt": never, "lastModifiedAt": never}})
    world.instance("ci", hours=20, lastOperation=None, body={"outer": {"createdOn": never, "modifiedOn": never}})
    days = timedelta(days=90)
    for condition in ("olderThan", "unchangedFor"):
        found = verdicts("modelVersion", {condition: days})["m:1"]
        assert found.unknown or "in the future" in found.reason
    assert verdicts("modelVersion", {"olderThan": days}, where=model.Where(query="ageDays > `1`"))["m:1"].action == "none"
    assert verdicts("computeInstance", {"idleFor": days}, action="stop")["ci"].action == "none"
