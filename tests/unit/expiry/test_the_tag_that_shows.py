"""What is to expire has a tag that says so in Azure: within the PUT that makes it, kept in step, and a person can take it off."""

from __future__ import annotations

from typing import Any

import pytest

from shared.catalog import bodies, expiry_tag, kinds
from shared.expiry import expiry_record
from tests.fake_azure import WORKSPACE, Fault, lost, refusal
from tests.fakes import START
from tests.unit.expiry.conftest import CLUSTER, COMPUTE, Stage

HOUR = 3600
GPU = f"{WORKSPACE}/computes/gpu"
SOLD, SAID = "workspaces/w1/batchEndpoints/be1", "2026-03-02T17:00:00Z"
ENDPOINT = {"location": "westeurope", "properties": {"authMode": "Key"}, "tags": {"team": "vision", "Steward-Expires": "never"}}
ENDPOINT_PATH = f"{WORKSPACE}/batchEndpoints/be1"


def _tags(stage: Stage, path: str = GPU) -> Any:
    body = stage.azure.resources[path.lower()]
    return bodies.dig(body, "tags" if "tags" in body else "properties.tags")


def test_the_put_that_makes_it_sets_its_tag(stage: Stage) -> None:
    """One request; the caller's own tags stay, and one of that name in another casing goes."""
    made = stage.put(SOLD, ENDPOINT, expires_in="PT8H")
    assert stage.azure.effects == [f"PUT {SOLD}"]
    assert _tags(stage, ENDPOINT_PATH) == {"team": "vision", "steward-expires": SAID}
    assert (made["tag"], "untagged" in made) == ("steward-expires", False)


def test_a_job_has_it_in_its_properties(stage: Stage) -> None:
    """As a schedule; also when it is only queued, and again from the queue."""
    body = {"properties": {"jobType": "Command", "command": "python train.py"}}
    status, answer = stage.send("PUT", "workspaces/w1/jobs/j1", body, expires_in="PT8H", prefer="respond-async")
    assert status == 202
    stage.wait(30)
    assert bodies.dig(stage.azure.resources[f"{WORKSPACE}/jobs/j1".lower()], "properties.tags") == {"steward-expires": SAID}
    assert stage.expiry(answer["properties"]["expires"]["name"])["status"] in ("Pending", "Gone")


def test_the_same_key_is_the_same_request_though_the_moment_is_another(stage: Stage) -> None:
    """The tag is no part of what was asked for."""
    first = stage.put(expires_in="PT8H", idempotency_key="k")
    stage.wait(HOUR)
    assert stage.put(expires_in="PT8H", idempotency_key="k")["at"] == first["at"]
    assert _tags(stage) == {"steward-expires": SAID}


def test_a_secret_is_sent_with_the_tag_and_is_kept_nowhere(stage: Stage) -> None:
    """Its body is no part of the operation."""
    settings = {"sshPublicAccess": "Disabled", "adminUserName": "me", "adminUserPassword": "secret!"}
    properties = {"computeType": "AmlCompute", "properties": {"userAccountCredentials": settings}}
    stage.put(body={"location": "westeurope", "properties": properties}, expires_in="PT8H")
    assert _tags(stage) == {"steward-expires": SAID}


def test_full_tags_and_tags_that_are_none_are_sent_as_they_are(stage: Stage) -> None:
    """Azure takes fifty; the expiry says that there is no tag, and counts."""
    full = {f"t{number}": "x" for number in range(bodies.MOST_TAGS)}
    made = stage.put(body={**CLUSTER, "tags": full}, expires_in="PT8H")
    assert _tags(stage) == full
    assert ("tag" in made, made["untagged"]) == (False, "Azure does not show the tag that was sent with the request")
    kind = kinds.by_type()["arm", kinds.ML.lower(), "workspaces/jobs"]
    for odd in ({"tags": 5}, {"properties": 5}, {"properties": {"tags": []}}, None, 5):
        assert expiry_tag.said(kind, odd) == ""
    assert expiry_tag.changed(kind, {"properties": {"tags": 5}}, SAID) == {"properties": {"tags": 5}}
    stage.wait(8 * HOUR)
    assert stage.expiry(made["name"])["status"] == "Done"


@pytest.mark.parametrize("text", [None, "", "2030-01-01T00:00:00Z", "tomorrow"])
def test_who_takes_it_off_or_changes_it_keeps_the_resource(stage: Stage, text: str | None) -> None:
    """By hand, in Azure; the receivers hear of it, and another time can be set."""
    made = stage.put(expires_in="PT8H")
    stage.wait(HOUR)
    stage.azure.resources[GPU.lower()]["tags"] = {"steward-expires": text} if text is not None else {}
    stage.wait(8 * HOUR)
    kept = stage.expiry(made["name"])
    assert (kept["status"], stage.deletes()) == ("Kept", [])
    assert kept["reason"] == f"its tag steward-expires was {'changed' if text else 'removed'}"
    assert stage.told()[-1] == "expiry.kept"
    assert stage.send("PATCH", f"expiries/{made['name']}", {"in": "PT1H"})[0] == 200
    stage.wait(HOUR + 60)
    assert stage.expiry(made["name"])["status"] == "Done"


@pytest.mark.parametrize("tags", [None, {"steward-expires": "2030-01-01T00:00:00Z"}])
def test_a_put_by_this_app_that_leaves_it_out_changes_no_expiry(stage: Stage, tags: Any) -> None:
    """A PUT replaces all tags; it came from a caller who said nothing of an end."""
    made = stage.put(expires_in="PT8H")
    stage.wait(HOUR)
    assert stage.send("PUT", COMPUTE, CLUSTER | ({"tags": tags} if tags else {}))[0] in (200, 202)
    stage.wait(60)
    stage.azure.resources[GPU.lower()]["tags"] = tags or {}
    stage.wait(8 * HOUR)
    assert stage.expiry(made["name"])["status"] == "Done"


def test_another_time_is_shown_where_azure_changes_tags_alone(stage: Stage) -> None:
    """And an expiry that is forgotten leaves no tag that says anything."""
    made = stage.put(SOLD, ENDPOINT, expires_in="PT8H")
    status, moved = stage.send("PATCH", f"expiries/{made['name']}", {"at": "2026-03-02T12:30:00Z"})
    assert (status, moved["tag"]) == (200, "steward-expires")
    assert _tags(stage, ENDPOINT_PATH) == {"team": "vision", "steward-expires": "2026-03-02T12:30:00Z"}
    assert stage.send("DELETE", f"expiries/{made['name']}")[0] == 204
    stage.wait(60)
    assert not _tags(stage, ENDPOINT_PATH)["steward-expires"]
    assert stage.azure.effects[1:] == [f"PATCH {SOLD}"] * 2
    stage.wait(8 * HOUR)
    assert not stage.deletes()


def test_the_moved_time_counts_with_either_tag(stage: Stage) -> None:
    """The change of the tag may still be on its way."""
    made = stage.put(SOLD, ENDPOINT, expires_in="PT8H")
    stage.send("PATCH", f"expiries/{made['name']}", {"in": "PT2H"})
    stage.azure.resources[ENDPOINT_PATH.lower()]["tags"]["steward-expires"] = SAID
    stage.wait(2 * HOUR + 120)
    assert stage.expiry(made["name"])["status"] == "Done"


def test_a_tag_that_cannot_be_changed_is_said_and_the_time_counts(stage: Stage) -> None:
    """Azure's PATCH of a compute takes no tags; or it refuses."""
    made = stage.put(expires_in="PT8H")
    moved = stage.send("PATCH", f"expiries/{made['name']}", {"in": "PT2H"})[1]
    assert "its tag still shows the earlier time" in moved["untagged"]
    assert "tag" not in moved
    assert _tags(stage) == {"steward-expires": SAID}
    sold = stage.put(SOLD, ENDPOINT, expires_in="PT8H")
    stage.azure.faults.append(Fault(method="PATCH", match="be1", response=refusal(403, "AuthorizationFailed", "No.")))
    refused = stage.send("PATCH", f"expiries/{sold['name']}", {"in": "PT2H"})[1]
    assert refused["untagged"] == "the tag could not be changed: No."
    stage.azure.faults.clear()
    stage.azure.faults.append(Fault(method="GET", match="be1", response=refusal(403, "AuthorizationFailed", "Unseen."), times=1))
    assert "Unseen." in stage.send("PATCH", f"expiries/{sold['name']}", {"in": "PT2H"})[1]["untagged"]
    stage.wait(2 * HOUR + 120)
    assert [stage.expiry(each["name"])["status"] for each in (made, sold)] == ["Done", "Done"]


def test_what_is_not_the_one_that_was_made_gets_no_tag(stage: Stage) -> None:
    """A namesake is not touched, by a change of the time neither."""
    made = stage.put(SOLD, ENDPOINT, expires_in="PT8H")
    del stage.azure.resources[ENDPOINT_PATH.lower()]
    stage.wait(5)
    stage.azure._store(ENDPOINT_PATH, ENDPOINT, "Succeeded")
    moved = stage.send("PATCH", f"expiries/{made['name']}", {"in": "PT2H"})[1]
    assert moved["untagged"] == "the resource no longer exists, or another one has its name now"
    assert stage.azure.count("^PATCH") == 0


def test_an_expiry_of_the_release_before_has_no_tag_and_needs_none(stage: Stage) -> None:
    """Its record says nothing of one."""
    made = stage.put(expires_in="PT8H")
    place = expiry_record.place_of(made["name"])
    known = expiry_record.table(stage.world.app.cleanup_rows).load(*place)
    assert known
    stored = known.value.to_json()
    assert {"tags", "untagged"} <= stored.keys()
    older = expiry_record.Expiry.from_json({name: held for name, held in stored.items() if name not in ("tags", "untagged")})
    expiry_record.table(stage.world.app.cleanup_rows).save(known, older)
    stage.azure.resources[GPU.lower()].pop("tags")
    stage.wait(8 * HOUR)
    assert stage.expiry(made["name"])["status"] == "Done"


def test_each_kind_that_takes_an_expiry_can_have_the_tag() -> None:
    """By its row, in the PUT; those whose PATCH takes tags say so there."""
    rows = [kind for kind in kinds.KINDS if kind.endings]
    for kind in rows:
        body = expiry_tag.changed(kind, {"properties": {}}, SAID)
        assert expiry_tag.said(kind, body) == SAID
        assert bool(body["properties"]) == (kind.path in ("workspaces/jobs", "workspaces/schedules"))
    assert {kind.path for kind in rows if "tags" not in kind.patch} == {
        "workspaces/computes", "workspaces/jobs", "workspaces/schedules",
    }  # fmt: skip
    assert expiry_tag.value(START) == "2026-03-02T09:00:00Z"


def test_a_create_whose_answer_was_lost_is_found_with_its_tag(stage: Stage) -> None:
    """The tag is part of what was asked for: the create succeeded, and the resource expires."""
    stage.azure.faults.append(Fault(method="PUT", match="/computes/gpu", problem=lost(arrived=True), after=True))
    assert stage.put(expires_in="PT1H")["status"] == "Pending"
    assert stage.azure.count("^PUT .*/gpu$") == 1
    stage.wait(3700)
    assert stage.azure.count("^DELETE .*/gpu$") == 1
