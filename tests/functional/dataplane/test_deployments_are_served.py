"""Deployments of the local Azure are Microsoft's inference server with the user's own score.py and model."""

import json
from pathlib import Path

import pytest

from infra.local.emulator import scene, web
from infra.local.emulator.backends import DeploymentRequest
from infra.local.emulator.machine_learning import access
from infra.local.emulator.resources import Resource
from infra.local.emulator.serving import scoring
from infra.local.emulator.serving.deployments import ProcessServing
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

SCORE = """
import json, os, pathlib
def init():
    global factor
    factor = int(next(pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("factor.txt")).read_text())
def run(data):
    return [number * factor for number in json.loads(data)["data"]]
"""


@pytest.fixture
def endpoint(world, workspace_id):
    """An endpoint with keys, and no deployment yet."""
    return world.resources.put(
        Resource(
            id=f"{workspace_id}/onlineEndpoints/ep",
            body={"location": scene.LOCATION, "properties": {"authMode": "Key", "traffic": {}}},
            secrets={"primaryKey": "first-key", "secondaryKey": "second-key"},
        )
    )


@pytest.fixture
def deploy(world, workspace_id, endpoint, until, ml_python):
    """Deploys score.py and a model; waits until it is up or has failed."""
    world.serving_backend = ProcessServing(world, ml_python)

    def begin(name="blue", *, score=SCORE, factor="2", **more):
        model = f"azureml://datastores/workspaceblobstore/paths/models/{name}/factor.txt"
        storage.write(world, locations.resolve(world, workspace_id, model), factor.encode())
        made = world.resources.put(Resource(id=f"{endpoint.id}/deployments/{name}", body={"properties": {}}))
        request = DeploymentRequest(
            deployment_id=made.id,
            code=lambda folder: (folder / "score.py").write_text(score),
            scoring_script="score.py",
            model=storage.fetch(world, workspace_id, model.rpartition("/")[0], keep_folder=True),
            model_folder="m/1",
            **more,
        )
        serving = world.serving_backend.deploy(request)
        world.serving[made.id.lower()] = serving
        until(lambda: serving.state != "starting")
        return serving

    return begin


def ask(world, data, *, key="first-key", host=None, **headers):
    """One scoring request."""
    request = web.request_from(
        "POST",
        host or f"ep.{scene.LOCATION}.inference.ml.azure.com",
        "/score",
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers},
        json.dumps(data).encode(),
    )
    return scoring.routes.handle(world, request)


def headers_of(response):
    """Names in lower case."""
    return {name.lower(): value for name, value in response.headers}


def test_a_deployment_answers_with_its_model(world, endpoint, deploy):
    """The bare JSON array, without charset, with the headers that recorded traffic has."""
    assert deploy().failure == ""
    endpoint.properties["traffic"] = {"blue": 100}
    response = ask(world, {"data": [1, 2]})
    assert (response.status, json.loads(response.body)) == (200, [2, 4])
    headers = headers_of(response)
    assert headers["content-type"] == "application/json"
    assert headers["x-ms-run-function-failed"] == "False"
    assert float(headers["x-ms-run-fn-exec-ms"]) >= 0
    assert headers["azureml-model-deployment"] == "blue"
    assert ask(world, {"data": [3]}, key="second-key").status == 200


def test_a_model_that_raises_is_424_with_its_own_status(world, endpoint, deploy):
    """Azure answers 424 and says in a header what the model's server said."""
    deploy()
    endpoint.properties["traffic"] = {"blue": 100}
    response = ask(world, {"wrong": 1})
    assert response.status == 424
    assert headers_of(response)["x-ms-run-function-failed"] == "True"
    assert headers_of(response)["ms-azureml-model-error-statuscode"] == "500"


def test_traffic_and_the_pin_header_choose_the_deployment(world, endpoint, deploy):
    """A deployment without traffic is reached by its name only."""
    deploy("blue", factor="2")
    deploy("green", factor="3")
    endpoint.properties["traffic"] = {"blue": 100, "green": 0}
    assert {ask(world, {"data": [1]}).body for _ in range(5)} == {b"[2]"}
    pinned = ask(world, {"data": [1]}, **{"azureml-model-deployment": "green"})
    assert (pinned.body, headers_of(pinned)["azureml-model-deployment"]) == (b"[3]", "green")
    assert ask(world, {"data": [1]}, **{"azureml-model-deployment": "red"}).status == 404


def test_without_key_without_traffic_and_without_endpoint(world, endpoint):
    """401, 404 and 404, in this order of judgement."""
    assert ask(world, {}, key="wrong").status == 401
    assert ask(world, {}).status == 404
    assert ask(world, {}, host=f"absent.{scene.LOCATION}.inference.ml.azure.com").status == 404
    assert ask(world, {}, host="ep.elsewhere.inference.ml.azure.com").status == 404


@pytest.mark.parametrize("mode", ["AMLToken", "AADToken"])
def test_token_endpoints_take_their_own_kind_of_token_only(world, endpoint, mode):
    """An endpoint's token opens that endpoint; Entra ID's opens AADToken endpoints; a key opens neither."""
    endpoint.properties["authMode"] = mode
    aml = access.issue_token(world, endpoint)
    aad, _ = world.tokens.mint(audience="https://ml.azure.com", tenant_id="t", app_id=scene.CLIENT_ID, object_id=scene.OBJECT_ID)
    allowed = aml["accessToken"] if mode == "AMLToken" else aad
    refused = aad if mode == "AMLToken" else aml["accessToken"]
    assert ask(world, {}, key=allowed).status == 404
    assert ask(world, {}, key=refused).status == 401
    assert ask(world, {}, key="first-key").status == 401
    world.clock.advance(13 * 3600 + 86400)
    assert ask(world, {}, key=allowed).status == 401
    assert isinstance(aml["expiryTimeUtc"], int)


def test_an_init_that_raises_fails_the_deployment_and_points_to_the_log(world, endpoint, deploy):
    """The failure names the log to read and the exception; getLogs has the whole."""
    serving = deploy(score="def init():\n    raise ValueError('no such layer')\ndef run(data):\n    return 1\n")
    assert serving.state == "failed"
    assert "getLogs" in serving.failure
    assert "ValueError: no such layer" in serving.failure
    assert "no such layer" in serving.logs("InferenceServer", 200)
    endpoint.properties["traffic"] = {"blue": 100}
    assert ask(world, {"data": [1]}).status == 424


def test_a_missing_model_fails_in_the_storage_initializer(world, endpoint, workspace_id, until, ml_python):
    """The model is downloaded before the server starts, and its absence is said there."""
    backend = world.serving_backend = ProcessServing(world, ml_python)
    request = DeploymentRequest(
        deployment_id=f"{endpoint.id}/deployments/blue",
        code=None,
        scoring_script="score.py",
        model=storage.fetch(world, workspace_id, "azureml://datastores/workspaceblobstore/paths/nowhere"),
    )
    serving = backend.deploy(request)
    until(lambda: serving.state == "failed")
    assert "does not exist" in serving.failure
    assert "does not exist" in serving.logs("StorageInitializer", 10)


def test_variables_and_log_tail(world, endpoint, deploy):
    """The deployment's own environment variables reach score.py; its log can be read from the end."""
    score = "import os\ndef init():\n    print('mine is', os.environ['MINE'])\ndef run(data):\n    return os.environ['MINE']\n"
    serving = deploy(score=score, environment_variables={"MINE": "yes"})
    assert "mine is yes" in serving.logs("InferenceServer", 500)
    assert "are not built" in serving.logs("InferenceServer", 500)
    assert len(serving.logs("InferenceServer", 2).splitlines()) == 2


def test_a_stopped_deployment_leaves_nothing_behind(world, endpoint, deploy, until):
    """Its process ends and its folder goes."""
    serving = deploy()
    serving.stop()
    until(lambda: not serving.thread.is_alive())
    assert list((Path(world.workdir) / "deployments").iterdir()) == []
    endpoint.properties["traffic"] = {"blue": 100}
    assert ask(world, {"data": [1]}).status == 424
