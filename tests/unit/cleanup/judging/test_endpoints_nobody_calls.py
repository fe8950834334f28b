"""Endpoints and deployments: traffic, requests as Azure Monitor counts them, failures; what is called by its name is in use."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.cleanup.facts import metrics
from shared.rest import client, errors, ids
from tests.estate import ML, NOW

DAYS_30 = timedelta(days=30)
UNCALLED = {"noRequests": DAYS_30}
EP = f"{ML}/workspaces/ws/onlineEndpoints/ep"


@pytest.fixture
def scene(world):
    """An endpoint with all its traffic on blue, nothing on green."""
    world.endpoint(traffic={"blue": 100, "green": 0})
    world.deployment("ep/blue")
    world.deployment("ep/green")
    return world


def test_an_endpoint_that_nobody_called_may_be_parked_and_saves_its_instances(scene, verdicts):
    """Both deployments have two instances of one size."""
    found = verdicts("onlineEndpoint", UNCALLED, action="park")["ep"]
    assert (found.action, found.reason) == ("park", "no request for 30 days")
    assert dict(found.saves) == {"vmSize": "Standard_DS3_v2", "nodes": 4}
    assert found.evidence[-1].startswith("no RequestsPerMinute from 2026-01-31T08:00Z")


def test_one_request_keeps_it(scene, verdicts):
    """However long ago within the window."""
    scene.requests[EP] = [("green", NOW - timedelta(days=29, hours=23))]
    assert verdicts("onlineEndpoint", UNCALLED, action="park")["ep"].reason == "Azure Monitor saw requests until 2026-01-31T11:00Z"
    scene.requests[EP] = [("green", NOW - timedelta(days=32))]
    assert verdicts("onlineEndpoint", UNCALLED, action="park")["ep"].action == "park"


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"value": []},
        {"value": [{"name": {"value": "Other"}, "timeseries": []}]},
        {"value": [{"name": {"value": "RequestsPerMinute"}, "errorCode": "InternalError", "timeseries": []}]},
        {"value": [{"name": {"value": "RequestsPerMinute"}}]},
        {"value": [{"name": {"value": "RequestsPerMinute"}, "timeseries": [{"data": [{"total": 1, "timeStamp": "?"}]}]}]},
        {"value": [{"name": {"value": "RequestsPerMinute"}, "timeseries": [{}] * metrics.SERIES}]},
    ],
)
def test_metrics_that_are_not_told_keep(scene, verdicts, body):
    """An answer without the metric, with its own error, or cut off is unknown, never zero."""
    scene.answers[f"{EP}/providers/microsoft.insights/metrics"] = client.Response(status=200, url="", body=body)
    for kind, condition in (("onlineEndpoint", "noRequests"), ("onlineDeployment", "zeroTrafficFor")):
        found = verdicts(kind, {condition: DAYS_30}, action="notify")
        assert {verdict.action for name, verdict in found.items() if name != "ep:blue"} == {"none"}


def test_metrics_do_not_go_back_further_than_they_are_kept(scene, verdicts):
    """93 days: of what was before nobody knows."""
    found = verdicts("onlineEndpoint", {"noRequests": timedelta(days=120)}, action="park")["ep"]
    assert (found.action, found.unknown) == ("none", True)
    assert "keeps metrics for 93 days" in found.reason


def test_an_endpoint_younger_than_the_window_is_kept(world, verdicts):
    """It could not have been called for so long."""
    place = world.endpoint()
    world.deployment()
    world.resources[place.path]["systemData"]["createdAt"] = "2026-03-01T09:00:00Z"
    assert "created 24 hours ago" in verdicts("onlineEndpoint", UNCALLED, action="park")["ep"].reason


def test_an_answer_without_the_split_counts_for_every_deployment(scene, verdicts):
    """A series without its dimension may be anybody's."""
    point = {"timeStamp": "2026-03-01T09:00:00Z", "maximum": 1}
    body = {"value": [{"name": {"value": "RequestsPerMinute"}, "timeseries": [{"metadatavalues": [], "data": [point]}]}]}
    scene.answers[f"{EP}/providers/microsoft.insights/metrics"] = client.Response(status=200, url="", body=body)
    found = verdicts("onlineDeployment", UNCALLED, action="notify")
    assert {verdict.action for verdict in found.values()} == {"none"}


def test_one_call_tells_the_requests_of_all_deployments(scene, verdicts):
    """Split by the dimension, asked once an endpoint."""
    for number in range(8):
        scene.deployment(f"ep/more{number}")
    scene.calls.clear()
    verdicts("onlineDeployment", UNCALLED, action="notify")
    assert len([path for _, path in scene.calls if path.endswith("/metrics")]) == 1


def test_a_deployment_at_0_percent_goes_only_when_nobody_named_it_either(scene, verdicts):
    """A request can name its deployment, whatever the traffic."""
    zero = {"zeroTrafficFor": DAYS_30}
    found = verdicts("onlineDeployment", zero)
    assert (found["ep:green"].action, found["ep:blue"].reason) == ("delete", "100 % of the endpoint's traffic goes to it")
    assert dict(found["ep:green"].saves) == {"vmSize": "Standard_DS3_v2", "nodes": 2}
    scene.requests[EP] = [("green", NOW - timedelta(days=1))]
    assert "requests named it until" in verdicts("onlineDeployment", zero)["ep:green"].reason


@pytest.mark.parametrize(
    ("endpoint", "deployment", "why"),
    [
        ({"days": 3}, {}, "its endpoint's traffic"),
        ({}, {"days": 3}, "it, or its"),
        ({"traffic": None}, {}, "unknown"),
        ({"traffic": {"blue": 90, "GREEN": 10}}, {}, "10 %"),
        ({"mirrorTraffic": {"green": 5}}, {}, "5 %"),
        ({"traffic": {"green": "0"}}, {}, "unknown"),
    ],
)
def test_what_is_not_known_to_have_been_at_0_percent_for_so_long_is_kept(world, verdicts, endpoint, deployment, why):
    """A change of the traffic is a change of the endpoint; mirrored traffic is traffic."""
    world.endpoint(**{"traffic": {"blue": 100}, **endpoint})
    world.deployment("ep/green", **deployment)
    found = verdicts("onlineDeployment", {"zeroTrafficFor": DAYS_30})["ep:green"]
    assert found.action == "none"
    assert why in found.reason


def test_a_failed_deployment_that_still_has_traffic_is_kept(scene, verdicts):
    """An update that failed leaves the old one serving; Azure refuses to delete it."""
    scene.deployment("ep/blue", provisioningState="Failed")
    scene.deployment("ep/green", provisioningState="Failed")
    found = verdicts("onlineDeployment", {"failed": True})
    assert (found["ep:green"].action, found["ep:blue"].action) == ("delete", "none")


def test_an_endpoint_without_traffic_is_one_whose_shares_have_all_been_zero_for_long(scene, verdicts):
    """Unchanged for so long, because a change of traffic changes the endpoint."""
    none = {"noTraffic": DAYS_30}
    assert verdicts("onlineEndpoint", none, action="notify")["ep"].reason == "100 % of its traffic goes to blue"
    scene.endpoint(traffic={"blue": 0})
    assert verdicts("onlineEndpoint", none, action="notify")["ep"].action == "notify"
    scene.endpoint(traffic={}, days=2)
    assert verdicts("onlineEndpoint", none, action="notify")["ep"].action == "none"
    scene.endpoint(traffic={}, mirrorTraffic={"green": 10})
    assert verdicts("onlineEndpoint", none, action="notify")["ep"].reason == "10 % of its traffic goes to green"


def test_an_endpoint_with_deployments_is_deleted_only_where_somebody_asked_for_its_requests(scene, verdicts):
    """No traffic and old age do not tell that nobody calls it."""
    assert "it has 2 deployments" in verdicts("onlineEndpoint", {"olderThan": DAYS_30})["ep"].reason
    assert verdicts("onlineEndpoint", UNCALLED)["ep"].action == "delete"


def test_an_endpoint_without_deployments_is_told_by_its_list(world, verdicts):
    """An empty one, and one that could not be read."""
    world.endpoint("empty")
    world.endpoint("full")
    world.deployment("full/blue")
    found = verdicts("onlineEndpoint", {"noDeployments": True})
    assert {name: verdict.action for name, verdict in found.items()} == {"empty": "delete", "full": "none"}


def test_parking_needs_deployments_that_stand_still(world, verdicts):
    """One that is parked already, empty, or changing is let alone."""
    world.endpoint("empty")
    world.put("workspaces/ws/onlineEndpoints/parked", {"tags": {"steward-parked": "x"}}, traffic={}, provisioningState="Succeeded")
    world.endpoint("moving")
    world.deployment("moving/blue", provisioningState="Updating")
    found = verdicts("onlineEndpoint", UNCALLED, action="park", parked=lambda _: [])
    assert {name: verdict.reason for name, verdict in found.items()} == {
        "empty": "it has no deployment to park",
        "parked": "it is already parked",
        "moving": "deployment blue is Updating",
    }


def test_a_batch_endpoints_default_deployment_is_kept(world, verdicts):
    """It is the one that an invocation gets."""
    world.put("workspaces/ws/batchEndpoints/b", defaults={"deploymentName": "One"})
    for name in ("one", "two"):
        world.put(f"workspaces/ws/batchEndpoints/b/deployments/{name}", provisioningState="Failed")
    found = verdicts("batchDeployment", {"failed": True})
    assert (found["b:one"].reason, found["b:two"].action) == ("it is its endpoint's default deployment", "delete")


def test_a_throttled_metric_is_waited_for_not_taken_for_unknown(scene, verdicts):
    """The queue brings the work back."""
    scene.answers[f"{EP}/providers/microsoft.insights/metrics"] = errors.ThrottledError("wait", delay_s=60, maybe_arrived=False)
    with pytest.raises(errors.ThrottledError):
        verdicts("onlineEndpoint", UNCALLED, action="park")


def test_the_span_and_the_series_asked_for_cover_the_window(scene):
    """One interval more than the window; a split answer has ten series unless more are asked for."""
    urls = []
    send = scene.send
    scene.send = lambda method, url, **options: urls.append(url) or send(method, url, **options)
    metrics.requests(ids.parse(EP), scene, window=timedelta(days=60), now=NOW)
    assert "timespan=2025-12-31T09%3A00%3A00Z%2F2026-03-02T09%3A00%3A00Z" in urls[0]
    assert "interval=P1D" in urls[0]
    assert "top=1000" in urls[0]


BATCH = f"{ML}/workspaces/ws/batchEndpoints/b/deployments"


@pytest.mark.parametrize("name", ["azureml:b:two", f"azureml:{BATCH.upper()}/TWO", f"{BATCH}/two?x=1"])
@pytest.mark.parametrize("where", ["schedules", "jobs"])
def test_a_deployment_that_a_running_job_or_a_monitor_names_is_kept(world, verdicts, name, where):
    """A batch job runs on it; a monitoring schedule watches it."""
    world.put("workspaces/ws/batchEndpoints/b", defaults={"deploymentName": "one"})
    for own in ("one", "two", "three"):
        world.put(f"workspaces/ws/batchEndpoints/b/deployments/{own}", {"id": f"{BATCH}/{own}"}, provisioningState="Failed")
    if where == "jobs":
        world.job("batchjob", properties={"deployment": name})
    else:
        world.put("workspaces/ws/schedules/watch", action={"monitorDefinition": {"monitoringTarget": {"deploymentId": name}}})
    found = verdicts("batchDeployment", {"failed": True})
    assert (found["b:two"].action, found["b:three"].action) == ("none", "delete")
    assert "refers to it" in found["b:two"].reason


def test_an_endpoint_whose_deployment_a_monitor_watches_is_not_deleted(scene, verdicts):
    """With all that is in it: what is true of a deployment is true of the endpoint that it would go with."""
    assert verdicts("onlineEndpoint", UNCALLED)["ep"].action == "delete"
    watched = {"monitoringTarget": {"deploymentId": f"azureml:{EP}/deployments/green"}}
    scene.put("workspaces/ws/schedules/watch", isEnabled=False, action={"monitorDefinition": watched})
    found = verdicts("onlineEndpoint", UNCALLED)["ep"]
    assert (found.action, found.reason) == ("none", "deployment green: schedule watch in workspace ws refers to it")
