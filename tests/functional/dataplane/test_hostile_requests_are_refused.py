"""Whatever is sent to the data plane and the scoring hosts, the answer is one that Azure could give: never a 500."""

import itertools
import json
from datetime import timedelta

import pytest

from infra.local.emulator import scene, services, web
from infra.local.emulator.resources import Resource
from infra.local.emulator.runs import Metric, Run
from infra.local.emulator.serving import scoring, web_services
from tests import tables

HOST = f"{scene.LOCATION}.api.azureml.ms"
NASTY = (None, True, -1, 1e400, "", "x", "'", "\0", "../../x", [], [1], [None], [[]], {}, {"a": None}, {"": []}, {"value": 1})
BODIES, QUERIES = 15, 150  # of those that are tried, in a run by day
FIELDS = (
    "name", "url", "mimeType", "kvTags", "tags", "properties", "filter", "orderBy", "top", "continuationToken", "runId", "values",
    "value", "data", "cells", "key", "step", "timestamp", "metrics", "params", "run_id", "computeType", "environmentImageRequest",
    "assets", "modelIds", "keys", "artifacts", "archive", "description", "displayName", "metricName", "startTime",
    "maxDataPoints", "count", "viewType", "experiment_name", "origin", "container", "path", "op", "createdUtc", "keyType",
)  # fmt: skip


@pytest.fixture
def everything(world, workspace_id):
    """A workspace in which every path leads somewhere: its path."""
    run = Run(run_id="r", workspace_id=workspace_id, experiment="e", created_at=world.now() - timedelta(days=1), target="c")
    run.metrics = [Metric(name="x", value=1.0, step=0, at=world.now())]
    world.runs.create(run)
    body = {"properties": {"computeType": "AmlCompute", "provisioningState": "Succeeded", "properties": {}}}
    world.resources.put(Resource(id=f"{workspace_id}/computes/c", body=body))
    for path in ("models/m", "models/m/versions/1"):
        properties = {"modelUri": "aml://artifact/a/b/c", "nextVersion": "2"}
        world.resources.put(Resource(id=f"{workspace_id}/{path}", body={"properties": properties}))
    service = {"id": "s", "name": "s", "computeType": "ACI", "kvTags": {}, "modelIds": [], "state": "Healthy", "authEnabled": True}
    keys = {"primaryKey": "k", "secondaryKey": "l"}
    hidden = {"host": f"s-1.{scene.LOCATION}.azurecontainer.io", "modelIds": []}
    world.resources.put(Resource(id=f"{workspace_id}/services/s", body={"service": service}, secrets=keys, hidden=hidden))
    return workspace_id


def paths(workspace_id):
    """Each method and path of the data plane, filled in."""
    values = {
        "experiment": "e",
        "run": "r",
        "compute": "c",
        "origin": "o",
        "container": "dcid.r",
        "version": "v1.0",
        "verb": "log-batch",
        "registry": "g",
        "operation": "o",
        "endpoint": "b",
        "deployment": "d",
    }
    _, _, subscription, _, group, *_, workspace = workspace_id.split("/")
    values |= {"subscription": subscription, "group": group, "workspace": workspace, "name": "workspaceblobstore"}
    for route in services.dataplane.routes._routes:
        for one in ("m:1", "s") if "{id}" in route.template else ("",):
            yield route.method, route.template.replace("{path*}", "a/b").replace("{rest*}", "no/such").format(**values, id=one)


def send(world, method, path, body, token):
    """One request straight to the service."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return services.dataplane.routes.handle(world, web.request_from(method, HOST, path, headers, body))


@pytest.fixture
def token(world):
    """A good token."""
    return world.tokens.mint(audience="https://ml.azure.com", tenant_id="t", app_id=scene.CLIENT_ID, object_id=scene.OBJECT_ID)[0]


@pytest.mark.sweep
def test_no_body_makes_the_data_plane_stumble(world, everything, token):
    """Every route, with every odd value in every field, and bodies that are no JSON at all."""
    bodies = [json.dumps(value).encode() for value in NASTY]
    bodies += [json.dumps(dict.fromkeys(FIELDS, value)).encode() for value in NASTY]
    bodies += [json.dumps([dict.fromkeys(FIELDS, value)]).encode() for value in NASTY]
    for value in NASTY:
        inner = dict.fromkeys(FIELDS, value)
        odd = {"run_id": "r", "runId": "r", "name": "m", "url": "x://", "metricName": "x"}
        listed = {"values": [inner], "metrics": [inner], "params": [inner], "tags": [inner], "assets": [inner], "value": [inner]}
        bodies.append(json.dumps({**inner, **odd}).encode())
        bodies.append(json.dumps({**odd, **listed, "environmentImageRequest": inner, "computeType": "ACI"}).encode())
        bodies.append(
            json.dumps({**odd, "values": [{"name": "x", "value": [inner], "cells": [inner]}], "artifacts": [inner]}).encode()
        )
    bodies += [b"", b"{", b"\xff\xfe", b"[" * 5000, b'{"a":NaN}']
    bodies = tables.sample(bodies, BODIES)
    seen = set()
    for method, path in paths(everything):
        for body in bodies if method != "GET" else [b""]:
            answer = send(world, method, path, body, token)
            seen.add(answer.status)
            assert answer.status < 500 or answer.status == 503, (method, path, body[:200], answer.body)
    assert {200, 400, 404} <= seen


@pytest.mark.sweep
@pytest.mark.parametrize(
    "value",
    ["%00", *(pytest.param(each, marks=pytest.mark.nightly) for each in ("", "x", "-1", "0", "9" * 20, "'", "%ff", "..%2f..%2fx"))],
)
def test_no_query_makes_the_data_plane_stumble(world, everything, token, value):
    """Every GET with odd values in every query parameter."""
    names = ("$top", "$filter", "$orderby", "$sortorder", "$continuationtoken", "continuationtoken", "$skiptoken", "count", "path",
        "name", "tags", "orderby", "datastorenames", "includesecret", "run_id", "metric_key", "modelid", "modelname")  # fmt: skip
    every = [f"{path}?{name}={value}" for method, path in paths(everything) if method == "GET" for name in names]
    for path in tables.sample(every, QUERIES):
        answer = send(world, "GET", path, b"", token)
        assert answer.status < 500, (path, answer.body)


def test_no_form_makes_startrun_stumble(world, everything, token):
    """Broken multipart bodies are 4xx."""
    types = ("multipart/form-data", "multipart/form-data; boundary=b", 'multipart/form-data; boundary="', "text/plain")
    bodies = (b"", b"--b", b"--b\r\n\r\n", b'--b\r\nContent-Disposition: form-data; name="runDefinitionFile"\r\n\r\n[[\r\n--b--')
    path = f"/execution/v1.0{everything}/experiments/e/startrun"
    wrong = []
    for content_type, body in itertools.product(types, bodies):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
        answer = services.dataplane.routes.handle(world, web.request_from("POST", HOST, path, headers, body))
        if not 400 <= answer.status < 500:
            wrong.append((content_type, body, answer.status, answer.body))
    assert not wrong


def test_no_caller_makes_the_scoring_hosts_stumble(world, everything):
    """Odd credentials are 401, odd paths change nothing about it."""
    endpoint = {"location": scene.LOCATION, "properties": {"authMode": "Key", "traffic": {"gone": 100}}}
    world.resources.put(Resource(id=f"{everything}/onlineEndpoints/ep", body=endpoint, secrets={"primaryKey": "k"}))
    hosts = (
        (scoring.routes, f"ep.{scene.LOCATION}.inference.ml.azure.com"),
        (web_services.routes, f"s-1.{scene.LOCATION}.azurecontainer.io"),
    )
    credentials = ("", "Bearer", "Bearer ", "Basic x", "Bearer \u00e9", "Bearer a.b.c", "k")
    wrong = []
    for (service, host), path, given in itertools.product(hosts, ("/score", "/", "/..%2f", "/score?x=%00", "//score"), credentials):
        answer = service.handle(world, web.request_from("POST", host, path, {"Authorization": given}, b"x"))
        if answer.status not in {401, 404}:
            wrong.append((host, path, given, answer.status, answer.body))
    assert not wrong
