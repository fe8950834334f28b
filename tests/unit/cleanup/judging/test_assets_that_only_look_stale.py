"""Versions of assets: the reason in one sentence, and everything that keeps one although it looks stale."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.cleanup.policy import model
from shared.cleanup.verdict import judge
from shared.rest import client, ids
from tests.estate import ML, NOW, ago

DAYS_90 = timedelta(days=90)
STALE = {"olderThan": DAYS_90, "unchangedFor": timedelta(days=30), "beyondNewest": 2, "unreferenced": True}


@pytest.fixture
def scene(world):
    """A model of four versions, 400 to 100 days old, and 14 deployments of something else."""
    for number, days in enumerate((400, 300, 200, 100), start=1):
        world.version(f"workspaces/ws/models/flats/versions/{number}", days=days)
    world.endpoint()
    for number in range(14):
        world.deployment(f"ep/d{number}", model="azureml:other:1")
    return world


def test_exactly_those_beyond_the_newest_go_with_the_reason_in_words(scene, verdicts):
    """Older, not among the newest two, not referred to."""
    found = verdicts("modelVersion", STALE)
    assert {name for name, verdict in found.items() if verdict.action == "delete"} == {"flats:1", "flats:2"}
    assert found["flats:2"].reason == (
        "older than 90 days, last changed more than 30 days ago, version 3 of 4, counted from the newest, "
        "no deployment among 14 refers to it"
    )
    assert found["flats:3"].reason == "version 2 of 4, counted from the newest; the newest 2 are kept"
    assert "created 2025-05-06T09:00Z" in found["flats:2"].evidence
    assert any(
        fact.startswith("looked at 14 deployments, 0 schedules, 0 v1 services, 0 running jobs")
        for fact in found["flats:2"].evidence
    )


@pytest.mark.parametrize(
    "keep",
    [
        lambda world: world.deployment("ep/d1", model="azureml:flats:1"),
        lambda world: world.put("workspaces/ws/schedules/s", action={"jobDefinition": {"inputs": {"m": "azureml:flats:1"}}}),
        lambda world: world.job("j", inputs={"m": {"uri": "azureml:flats:1"}}),
        lambda world: world.services.update(ws=[{"name": "v1", "models": [{"id": "flats:1"}]}]),
        lambda world: world.workspace("far") and world.put("workspaces/far/batchEndpoints/b") and world.put(
            "workspaces/far/batchEndpoints/b/deployments/d", model={"assetId": f"{ML}/workspaces/ws/models/flats/versions/1"}
        ),
        lambda world: world.deployment("ep/d1", model="azureml://registries/shared/models/flats/versions/1"),
        lambda world: world.version("workspaces/ws/models/flats/versions/1", days=400, tags={"Steward-Keep": "false"}),
        lambda world: world.put("workspaces/ws/models/flats", tags={"steward-keep": ""}),
        lambda world: world.resources[f"{ML}/workspaces/ws"].update(tags={"STEWARD-KEEP": None}),
        lambda world: world.version("workspaces/ws/models/flats/versions/1", days=400, changed=3),
        lambda world: world.version("workspaces/ws/models/flats/versions/1", days=-400),
    ],
)  # fmt: skip
def test_what_only_looks_stale_is_kept(scene, verdicts, keep):
    """Deployed here or elsewhere, used by a schedule, a running job, a v1 service, protected, touched, or from the future."""
    keep(scene)
    found = verdicts("modelVersion", STALE)["flats:1"]
    assert (found.action, found.unknown) == ("none", False)
    assert found.reason


def test_a_list_nobody_could_read_in_another_workspace_keeps_all(scene, verdicts):
    """What it would have told may refer to any of them."""
    scene.workspace("far")
    scene.answers[f"{ML}/workspaces/far/schedules"] = client.Response(status=403, url="", body=None)
    found = verdicts("modelVersion", STALE)
    assert {verdict.action for verdict in found.values()} == {"none"}
    assert found["flats:1"].unknown
    assert "workspace far could not be read completely" in found["flats:1"].reason


def test_a_policy_that_forgets_to_ask_for_references_takes_nothing_in_use(scene, verdicts):
    """Whatever a policy says, what is referred to is neither archived nor deleted."""
    scene.deployment("ep/d1", model="azureml:flats:1")
    for action in ("archive", "delete"):
        found = verdicts("modelVersion", {"olderThan": DAYS_90}, action=action)
        assert found["flats:1"].action == "none"
        assert found["flats:2"].action == action
    assert verdicts("modelVersion", {"olderThan": DAYS_90}, action="notify")["flats:1"].action == "notify"


def test_archived_and_anonymous_versions_are_seen_and_archived_ones_do_not_count_among_the_newest(world, verdicts):
    """Without listViewType=All the list leaves them out (c7n#11067)."""
    for number, (days, more) in enumerate(((400, {}), (300, {"isArchived": True}), (200, {"isArchived": True}), (100, {})), 1):
        world.version(f"workspaces/ws/models/m/versions/{number}", days=days, **more)
    world.version("workspaces/ws/models/m/versions/5", days=350, isAnonymous=True)
    found = verdicts("modelVersion", {**STALE, "beyondNewest": 1})
    assert len(found) == 5
    assert {name for name, verdict in found.items() if verdict.action == "delete"} == {"m:1", "m:2", "m:3", "m:5"}
    assert verdicts("modelVersion", STALE, action="archive")["m:2"].reason == (
        "version 3 of 5, counted from the newest; the newest 2 are kept"
    )
    assert verdicts("modelVersion", {"olderThan": DAYS_90}, action="archive")["m:2"].reason == "it is already archived"


@pytest.mark.parametrize("missing", ["createdAt", "lastModifiedAt"])
def test_a_missing_time_keeps(world, verdicts, missing):
    """Unknown is not old."""
    place = world.version("workspaces/ws/models/m/versions/1")
    world.version("workspaces/ws/models/m/versions/2", days=200)
    world.version("workspaces/ws/models/m/versions/3", days=200)
    world.resources[place.path]["systemData"][missing] = None
    found = verdicts("modelVersion", STALE)["m:1"]
    assert (found.action, found.unknown) == ("none", True)


def test_of_two_versions_of_one_moment_neither_counts_as_newer_than_the_other(world, verdicts):
    """Two copies made at once: which is the newest is not known, so none goes for the other's sake."""
    for number in (1, 2):
        world.version(f"workspaces/ws/models/m/versions/{number}", days=300)
    found = verdicts("modelVersion", {"olderThan": DAYS_90, "beyondNewest": 1})
    assert {verdict.action for verdict in found.values()} == {"none"}


def test_our_own_mark_does_not_make_a_version_young_but_a_touch_does(world, verdicts):
    """Writing the tag changed it; the mark's record knows when it had changed before, and right after."""
    place = world.version("workspaces/ws/models/m/versions/1", days=400, changed=6)
    marked = NOW - timedelta(days=6)
    mark = model.Mark(
        policy="p",
        reason="",
        at=marked,
        due=NOW,
        changed_before=NOW - timedelta(days=400),
        changed_after=marked + timedelta(seconds=1),
    )
    stale = {"olderThan": DAYS_90, "unchangedFor": timedelta(days=30)}
    assert verdicts("modelVersion", stale, marks={place.key: mark})["m:1"].action == "delete"
    assert verdicts("modelVersion", stale)["m:1"].action == "none"
    world.resources[place.path]["systemData"]["lastModifiedAt"] = ago(5)
    assert verdicts("modelVersion", stale, marks={place.key: mark})["m:1"].action == "none"


@pytest.mark.parametrize(
    ("kind", "family"),
    [("environmentVersion", "environments"), ("dataVersion", "data"), ("componentVersion", "components"), ("codeVersion", "codes")],
)
def test_every_kind_of_asset_is_judged_alike(world, verdicts, kind, family):
    """Old and unused goes; the one that a component or deployment names stays."""
    world.version(f"workspaces/ws/{family}/a/versions/1")
    world.version(f"workspaces/ws/{family}/used/versions/1")
    world.endpoint()
    world.deployment("ep/blue", x=f"azureml:{ML}/workspaces/ws/{family}/used/versions/1")
    found = verdicts(kind, {"olderThan": DAYS_90, "unreferenced": True})
    assert (found["a:1"].action, found["used:1"].action) == ("delete", "none")


def test_names_tags_and_workspaces_narrow_a_policy(scene, verdicts):
    """What it does not look at is kept, with that reason; a workspace it does not look into is not even listed."""
    scene.version("workspaces/ws/models/other/versions/1")
    where = model.Where(names=("oth*",))
    found = verdicts("modelVersion", {"olderThan": DAYS_90}, where=where)
    assert [name for name, verdict in found.items() if verdict.action == "delete"] == []
    assert found["other:1"].reason.startswith("online deployment")
    assert found["flats:1"].reason == "its name matches none of oth*"
    assert verdicts("modelVersion", {"olderThan": DAYS_90}, where=model.Where(workspaces=("!ws",))) == {}


def test_a_policys_own_protection_keeps(scene, verdicts):
    """More tags and names than steward-keep."""
    assert "FLA*" in verdicts("modelVersion", STALE, protect_names=("FLA*",))["flats:1"].reason
    scene.resources[f"{ML}/workspaces/ws/models/flats"]["properties"]["tags"] = {"Production": "yes"}
    assert verdicts("modelVersion", STALE, protect_tags=("production",))["flats:1"].reason == "its asset has the tag production"


def test_judged_again_it_is_read_anew_with_its_siblings_and_container(scene):
    """A newer version that went, a tag that came, a deployment that came: all are seen."""
    policy = model.Policy(name="p", kind="modelVersion", action="delete", stale_when=STALE)
    place = ids.parse(f"{ML}/workspaces/ws/models/flats/versions/2")

    def again():
        return judge.again(policy, place, scene.survey(), {}, scene, NOW)

    assert again().verdict.action == "delete"
    newest = scene.resources.pop(f"{ML}/workspaces/ws/models/flats/versions/4")
    assert again().verdict.reason == "version 2 of 3, counted from the newest; the newest 2 are kept"
    scene.resources[newest["id"]] = newest
    scene.deployment("ep/d1", model="azureml:flats:2")
    assert "refers to it" in again().verdict.reason
    del scene.resources[place.path]
    assert again() is None
    del scene.resources[f"{ML}/workspaces/ws/models/flats"]
    assert again() is None


def test_explain_tells_every_condition_not_only_the_first(scene):
    """The verdict keeps to the first reason; the findings are all there."""
    policy = model.Policy(name="p", kind="modelVersion", action="delete", stale_when=STALE)
    other = model.Policy(name="q", kind="computeInstance", action="stop")
    place = ids.parse(f"{ML}/workspaces/ws/models/flats/versions/4")
    ((judged, found),) = judge.explain([policy, other], place, scene.survey(), {}, scene, NOW)
    assert judged.verdict.reason == "version 1 of 4, counted from the newest; the newest 2 are kept"
    assert {name: finding.holds for name, finding in found} == {
        "olderThan": True, "unchangedFor": True, "beyondNewest": False, "unreferenced": True,
    }  # fmt: skip
