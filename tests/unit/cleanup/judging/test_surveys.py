"""A survey finds every referrer, in any workspace or registry, or says what it could not read."""

from __future__ import annotations

import json

import pytest

from shared.cleanup.facts import survey
from shared.rest import client, errors, ids
from tests.estate import GROUP, ML, NOW, SUBSCRIPTION

MODEL = "workspaces/ws/models/flats/versions/3"


def who(world, path=MODEL, **more):
    """Return who refers to an asset, after surveying everything."""
    return world.survey(**more).of_asset(ids.parse(f"{ML}/{path}"))


def refused(status):
    """Return an answer that refuses."""
    return client.Response(status=status, url="", body={"error": {"code": "Refused", "message": "No."}})


def test_deployments_of_online_and_batch_endpoints_are_read_whole(world):
    """Three endpoints are two pages; each has two deployments."""
    for family in ("onlineEndpoints", "batchEndpoints"):
        for endpoint in ("e1", "e2", "e3"):
            world.put(f"workspaces/ws/{family}/{endpoint}")
            for number in (1, 2):
                path = f"workspaces/ws/{family}/{endpoint}/deployments/d{number}"
                world.put(path, model={"assetId": f"azureml:{family}-{endpoint}:{number}"})
    found = world.survey()
    assert found.counts["deployments"] == 12
    path = f"{ML}/workspaces/ws/models/batchEndpoints-e3/versions/2"
    assert found.of_asset(ids.parse(path)) == "batch deployment d2 of endpoint e3 in workspace ws"


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"environmentId": "azureml:env:2"}, "environments/env/versions/2"),
        ({"codeConfiguration": {"codeId": f"{ML}/workspaces/ws/codes/c0de/versions/1"}}, "codes/c0de/versions/1"),
        ({"dataCollector": {"collections": {"in": {"dataId": "azureml:inputs:1"}}}}, "data/inputs/versions/1"),
        ({"deploymentConfiguration": {"componentId": {"assetId": "azureml:pipe:1"}}}, "components/pipe/versions/1"),
    ],
)
def test_everything_a_deployment_stands_on_counts(world, members, path):
    """Environment, code, data collector, and the component of a pipeline deployment."""
    world.endpoint()
    world.deployment("ep/blue", **members)
    assert who(world, f"workspaces/ws/{path}").startswith("online deployment blue of endpoint ep")


def test_a_deployment_in_another_workspace_keeps_the_model(world):
    """By ARM id; and the other workspace's own model of that name is not meant."""
    world.workspace("other")
    world.put("workspaces/other/onlineEndpoints/ep")
    world.put("workspaces/other/onlineEndpoints/ep/deployments/blue", model=f"{ML}/workspaces/ws/models/flats/versions/3")
    assert who(world) == "online deployment blue of endpoint ep in workspace other"
    assert not who(world, MODEL.replace("/ws/", "/other/"))


def test_a_workspace_is_known_by_its_guid_too(world):
    """`azureml://locations/…/workspaces/{guid}/…` names a workspace by its workspaceId."""
    guid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
    world.workspace("ws", workspaceId=guid)
    world.workspace("other", workspaceId=guid.replace("0f", "ff"))
    text = f"azureml://locations/westeurope/workspaces/{guid.upper()}/models/flats/versions/3"
    world.put("workspaces/other/schedules/s", action={"model": text})
    assert who(world)
    assert not who(world, MODEL.replace("/ws/", "/other/"))


def test_a_mention_of_a_workspace_that_is_not_there_counts_everywhere(world):
    """A workspace may have been moved to another group since; its old id still stands in deployments."""
    world.endpoint()
    world.deployment("ep/blue", model=f"{GROUP.replace('/rg/', '/old/')}/Microsoft.MachineLearningServices/{MODEL}")
    assert who(world)


def test_disabled_schedules_and_their_job_bodies_count(world):
    """A schedule that is disabled today may be enabled tomorrow."""
    job = {"jobDefinition": {"inputs": {"m": {"uri": "azureml:flats:3"}}, "computeId": f"{ML}/workspaces/ws/computes/cpu"}}
    world.put("workspaces/ws/schedules/nightly", isEnabled=False, isArchived=True, action=job)
    assert who(world) == "schedule nightly in workspace ws"
    assert world.survey().of_compute(ids.parse(f"{ML}/workspaces/ws/computes/CPU")) == "schedule nightly in workspace ws"


@pytest.mark.parametrize("source", ["made-it", f"{ML}/workspaces/ws/jobs/made-it", f"azureml:{ML}/workspaces/ws/jobs/made-it"])
def test_what_a_schedule_repeats_is_read_from_the_job_that_it_names(world, source):
    """`create_job: azureml:made-it` leaves `sourceJobId` alone in the schedule: what it needs stands in a job long over."""
    job = {"flats": {"uri": "azureml:flats:3"}}
    world.job("made-it", status="Completed", inputs=job, computeId="azureml:cpu")
    action = {"actionType": "CreateJob", "jobDefinition": {"jobType": "Pipeline", "sourceJobId": source}}
    world.put("workspaces/ws/schedules/nightly", isEnabled=False, action=action)
    assert who(world) == "job made-it, which schedule nightly repeats, in workspace ws"
    assert world.survey().of_compute(ids.parse(f"{ML}/workspaces/ws/computes/cpu"))
    assert world.survey().of_job(ids.parse(f"{ML}/workspaces/ws/jobs/made-it")).startswith("schedule nightly")


def test_what_a_schedule_repeats_of_a_repetition_is_read_too(world):
    """A job that was itself a repetition names its own source; a circle of them ends."""
    world.job("first", status="Completed", inputs={"m": {"uri": "azureml:flats:3"}}, sourceJobId="second")
    world.job("second", status="Completed", sourceJobId="first")
    world.put("workspaces/ws/schedules/nightly", action={"jobDefinition": {"sourceJobId": "second"}})
    assert who(world).startswith("job first, which schedule nightly repeats")


def test_a_repeated_job_that_cannot_be_read_leaves_nothing_known(world):
    """A refusal is no absence."""
    world.put("workspaces/ws/schedules/nightly", action={"jobDefinition": {"sourceJobId": "made-it"}})
    assert not world.survey().problem
    world.answers[f"{ML}/workspaces/ws/jobs/made-it"] = refused(403)
    assert "could not be read completely" in world.survey().problem


def test_a_component_that_was_made_from_a_job_needs_what_the_job_needs(world):
    """A batch deployment of a job: an anonymous component that holds `source_job_id` and no steps of its own."""
    world.job("made-it", status="Completed", environmentId="azureml:env:2")
    spec = {"type": "pipeline", "source_job_id": "made-it", "jobs": {}}
    world.version("workspaces/ws/components/azureml_anonymous/versions/1", componentSpec=spec, isAnonymous=True)
    assert who(world, "workspaces/ws/environments/env/versions/2").startswith("job made-it, which is component azureml_anonymous:1")
    assert world.survey().of_job(ids.parse(f"{ML}/workspaces/ws/jobs/made-it"))


def test_v1_services_count(world):
    """v1 services list model ids as `name:version`."""
    world.services["ws"] = [{"name": "old", "environmentImageRequest": {"modelIds": ["flats:3"]}}]
    assert who(world) == "v1 service old in workspace ws"


def test_a_running_jobs_inputs_environment_code_and_compute_count(world):
    """ARM's body of every run that is under way is read; those that are over are not."""
    inputs = {"m": {"uri": f"{ML}/workspaces/ws/models/flats/versions/3"}}
    world.job("now", inputs=inputs, environmentId="azureml:env:1", codeId="azureml:code:1", computeId="azureml:gpu")
    world.job("over", status="Completed", inputs={"m": {"uri": "azureml:old:1"}})
    assert who(world) == "running job now in workspace ws"
    for path in ("environments/env", "codes/code"):
        assert who(world, f"workspaces/ws/{path}/versions/1")
    assert not who(world, "workspaces/ws/models/old/versions/1")
    assert not [path for _, path in world.calls if path.endswith("/jobs/over")]


def test_a_v1_run_counts_by_its_own_record(world):
    """ARM knows no such job; run history has its definition."""
    world.run("v1", definition={"environment": {"name": "sklearn", "version": "3"}, "target": "gpu"})
    assert who(world, "workspaces/ws/environments/sklearn/versions/3") == "running job v1 in workspace ws"


@pytest.mark.parametrize("status", ["Queued", "NotStarted", "Finalizing", "CancelRequested", "Paused", "SomethingNew", None])
def test_any_status_that_is_no_end_is_under_way(world, status):
    """Only Completed, Failed and Canceled are over."""
    world.job("j", status=status, inputs={"m": {"uri": "azureml:flats:3"}})
    assert who(world)


def test_where_run_history_has_no_such_query_arms_jobs_are_read(world):
    """All of them, archived ones too: archived experiments run on."""
    world.answers[f"/history/v1.0{ML}/workspaces/ws/experiments:query"] = refused(404)
    world.job("j", isArchived=True, inputs={"m": {"uri": "azureml:flats:3"}})
    world.job("over", status="Failed", inputs={"m": {"uri": "azureml:old:1"}})
    assert who(world) == "running job j in workspace ws"
    assert not who(world, "workspaces/ws/models/old/versions/1")


def test_components_keep_environments_code_and_components(world):
    """Archived and anonymous ones, too; a component does not keep itself."""
    spec = {"name": "train", "version": "1", "environment": "azureml:env:2", "jobs": {"a": {"componentId": "azureml:step:5"}}}
    world.version("workspaces/ws/components/train/versions/1", isAnonymous=True, componentSpec=spec)
    found = "component train:1 in workspace ws"
    assert who(world, "workspaces/ws/environments/env/versions/2") == found
    assert who(world, "workspaces/ws/components/step/versions/5") == found
    assert not who(world, "workspaces/ws/components/train/versions/1")


def test_a_registrys_components_keep_what_they_name(world):
    """Also a workspace's, by its full id."""
    world.put("registries/shared")
    spec = {"name": "train", "version": "1", "code": f"azureml:{ML}/workspaces/ws/codes/c/versions/1"}
    world.version("registries/shared/components/train/versions/1", componentSpec=spec)
    assert who(world, "workspaces/ws/codes/c/versions/1") == "component train:1 in registry shared"


def test_a_serverless_endpoint_counts(world):
    """It names its model by a registry's id."""
    world.put(
        "workspaces/ws/serverlessEndpoints/chat", modelSettings={"modelId": "azureml://registries/azureml/models/flats/versions/3"}
    )
    assert who(world) == "serverless endpoint chat in workspace ws"


def test_what_a_parked_endpoint_will_serve_again_counts(world):
    """Its deployments are gone from Azure, their specs are in the app's storage."""
    world.put("workspaces/ws/onlineEndpoints/ep", {"tags": {"Steward-Parked": "2026"}})
    assert "ParkedUnknown" in world.survey().problem
    assert "ParkedUnknown" in world.survey(parked=lambda _: None).problem
    assert who(world, parked=lambda _: [{"properties": {"model": "azureml:flats:3"}}]).startswith(
        "parked deployment of endpoint ep"
    )


LISTS = (
    "onlineEndpoints", "onlineEndpoints/ep/deployments", "batchEndpoints", "schedules", "components", "components/c/versions",
)  # fmt: skip


@pytest.mark.parametrize("which", LISTS)
@pytest.mark.parametrize("answer", [refused(403), refused(400), client.Response(status=200, url="", body={"value": None})])
def test_a_list_that_is_not_read_makes_everything_unknown(world, which, answer):
    """In any workspace: what it would have named may be anywhere."""
    world.workspace("other")
    world.put("workspaces/other/onlineEndpoints/ep")
    world.version("workspaces/other/components/c/versions/1")
    world.answers[f"{ML}/workspaces/other/{which}"] = answer
    found = world.survey()
    assert found.problem.startswith("workspace other could not be read completely")
    assert not found.problem_of(ids.parse(f"{ML}/workspaces/ws/computes/cpu"))
    assert found.problem_of(ids.parse(f"{ML}/workspaces/other/computes/cpu"))


@pytest.mark.parametrize(("status", "unknown"), [(404, False), (410, False), (403, True), (400, True)])
def test_a_workspace_without_v1_services_can_be_surveyed(world, status, unknown):
    """404 and 410 say that there are none; a refusal to tell does not."""
    world.answers[f"/modelmanagement/v1.0{ML}/workspaces/ws/services"] = refused(status)
    assert bool(world.survey().problem) is unknown


def test_a_workspace_that_never_came_to_be_refers_to_nothing(world):
    """It has no discoveryUrl: its lists are not even asked for. One that is gone neither."""
    world.workspace("broken", discoveryUrl=None, provisioningState="Failed")
    found = world.survey("ws", "broken", "gone")
    assert not found.problem
    assert not [path for _, path in world.calls if "/broken/" in path or "/gone/" in path]


def test_a_long_throttle_is_not_a_problem_but_a_wait(world):
    """The message comes back later; nothing is concluded."""
    world.answers[f"{ML}/workspaces/ws/schedules"] = errors.ThrottledError("wait", delay_s=300, maybe_arrived=False)
    with pytest.raises(errors.ThrottledError):
        world.survey()


def test_a_survey_is_the_same_after_storage(world):
    """To JSON and back; another version is refused."""
    world.endpoint()
    world.deployment("ep/blue", model="hub://flats", environmentId="azureml:env:1")
    found = survey.of(ids.parse(f"{ML}/workspaces/ws"), world, NOW)
    assert survey.Survey.from_json(json.loads(json.dumps(found.to_json()))) == found
    with pytest.raises(ValueError, match="version 0"):
        survey.Survey.from_json({**found.to_json(), "version": 0})


def test_a_newer_survey_takes_the_place_of_the_older(world):
    """What was deployed meanwhile counts, and what is deployed no longer does not."""
    before = world.survey()
    world.endpoint()
    world.deployment("ep/blue", model="azureml:flats:3")
    after = before.replaced(survey.of(ids.parse(f"{ML}/workspaces/ws"), world, NOW))
    model = ids.parse(f"{ML}/{MODEL}")
    assert (before.of_asset(model), bool(after.of_asset(model))) == ("", True)
    assert before.replaced().of_asset(model) == ""
    assert len(after.by_home) == 2


def test_registries_that_cannot_be_listed_are_a_problem(world):
    """Their components might name anything."""
    world.answers[f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/registries"] = refused(403)
    assert world.survey().problem.startswith(f"the registries of subscription {SUBSCRIPTION} could not be read completely")


def test_many_running_jobs_are_read_from_a_list_not_one_by_one(world):
    """As long as a page of ARM's list tells of several."""
    for number in range(9):
        world.job(f"j{number}", inputs={"m": {"uri": f"azureml:m{number}:1"}})
    world.run("v1", definition={"environment": {"name": "sklearn", "version": "3"}})
    found = world.survey()
    assert found.counts["jobs"] == 10
    for number in range(9):
        assert found.of_asset(ids.parse(f"{ML}/workspaces/ws/models/m{number}/versions/1"))
    assert found.of_asset(ids.parse(f"{ML}/workspaces/ws/environments/sklearn/versions/3"))
    asked = [path for _, path in world.calls if "/jobs" in path]
    assert len([path for path in asked if path.endswith("/jobs")]) == 5  # pages of two
    assert [path.rpartition("/")[2] for path in asked if "/jobs/" in path] == ["v1"]  # which is no job of ARM's


def test_the_cluster_that_builds_images_is_in_use(world):
    """`imageBuildCompute` of the workspace: behind a private registry no environment is built without it."""
    world.workspace("ws", imageBuildCompute="Builder")
    who_builds = world.survey().of_compute(ids.parse(f"{ML}/workspaces/ws/computes/builder"))
    assert who_builds == "the building of images in workspace ws"


@pytest.mark.parametrize("lacking", ["workspaces", "registries"])
def test_a_list_that_arm_may_have_shortened_makes_nothing_unreferenced(world, lacking):
    """ARM leaves out what the app may not read: the survey says which action lacks where, although every list was a 200."""
    kinds = "Microsoft.MachineLearningServices"
    world.actions = tuple(f"{kinds}/{family}/read" for family in ("workspaces", "registries") if family != lacking)
    found = world.survey()
    assert "NotSeen: Not all workspaces and registries of the subscription can be seen" in found.problem
    assert f"it lacks {kinds}/{lacking}/read at /subscriptions/{SUBSCRIPTION}" in found.problem


def test_permissions_that_cannot_be_read_may_hide_anything(world):
    """A refusal to tell is no permission."""
    world.answers[f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/permissions"] = refused(403)
    assert "its permissions at" in world.survey().problem
