"""azure-ai-ml's MLClient and the generated management client, unchanged, against the local Azure."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)
type Run = Callable[..., dict[str, Any]]


def test_jobs_sweeps_and_pipelines_run_and_stream(run_client: Run, client_workspace: str) -> None:
    """Three trials, the best named by its metric; the second step reads the first one's file."""
    said = run_client("jobs.py", WORKSPACE=client_workspace)
    assert (said["job"], said["sweep"], said["pipeline"]) == ("Completed", "Completed", "Completed")
    assert "data ['a,b']" in said["stdout"], "the command job's log was streamed"
    assert said["made"] == ["0.2"], "an output that is a model is downloaded"
    assert set(said["trials"].values()) == {"Completed"}
    assert len(said["trials"]) == 3
    assert said["best"] in said["trials"]
    assert float(said["score"]) == pytest.approx(1.0)
    assert said["steps"] == [["first", "Completed"], ["second", "Completed"]]
    assert said["final"] == ["0.5"]
    assert "data ['0.25']" in said["log"][0], "the first step's model reached the second"


def test_online_and_batch_endpoints_score(run_client: Run, client_workspace: str) -> None:
    """A local model, deployed with a mirror, called with a key; then a folder scored as a job, and put through a pipeline."""
    said = run_client("endpoints.py", WORKSPACE=client_workspace)
    assert said["scored"] == "[2, 4]"
    assert said["key"]
    assert "POST /score 200" in said["logs"]
    assert said["mirrored"], "green got a share of blue's requests, too"
    assert said["summed"] == ["21"], "a pipeline component was invoked"
    assert [row.strip() for row in said["batch"]] == ["42"]
    assert said["listed"]
    assert said["left"] == []


def test_registries_schedules_and_connections(run_client: Run, client_workspace: str) -> None:
    """A model is shared to a registry and had from there; a component of the registry runs in a workspace's pipeline."""
    said = run_client("registry.py", WORKSPACE=client_workspace)
    assert said["shared"].endswith("/models/shared/versions/1")
    assert said["downloaded"] == ["m"]
    assert said["models"] == ["shared"]
    assert said["pipeline"] == "Completed"
    assert said["schedules"] == ["nightly", "weekly"]
    assert said["triggered"] == "Completed"
    assert "git" in said["connections"]


@pytest.mark.nightly
def test_automl_spark_and_parallel_jobs(run_client: Run, client_workspace: str) -> None:
    """AutoML names its best child and its model; a Spark job counts rows; a parallel step takes five files in batches."""
    said = run_client("composed.py", WORKSPACE=client_workspace)
    assert (said["automl"], said["spark"], said["parallel"]) == ("Completed", "Completed", "Completed")
    assert said["type"] == "ClassificationJob"
    assert said["best"] in said["children"]
    assert len(said["children"]) == 2
    assert said["flavor"], "the best model is an MLflow model"
    assert said["count"] == "121"
    assert said["rows"] == ["1 10", "2 20", "3 30", "4 40", "5 50"]


def test_every_kind_of_resource_is_made(run_client: Run, client_workspace: str) -> None:
    """Computes, connections, datastores, data; a job is cancelled, a model packaged, the workspace diagnosed."""
    said = run_client("resources.py", WORKSPACE=client_workspace)
    assert (said["stopped"], said["resized"], said["sizes"], said["usage"]) == ("Stopped", 3, True, True)
    assert {"desk-a": "ComputeInstance", "low": "AmlCompute", "k8s": "KubernetesCompute"}.items() <= said["computes"].items()
    assert said["computes"]["sparks"] == "SynapseSparkCompute"
    assert "machine" not in said["computes"], "it was detached"
    assert set(said["wanted"]) <= set(said["connections"])
    assert len(said["wanted"]) == 19
    assert said["secret"] == "k"
    assert said["fewer"] == len(said["connections"]) - 1
    assert said["default"] == "workspaceblobstore"
    assert [said["datastores"][name] for name in ("bare", "share", "lake1", "lake2")] == [
        "AzureBlobDatastore",
        "AzureFileDatastore",
        "AzureDataLakeGen1Datastore",
        "AzureDataLakeGen2Datastore",
    ]
    assert (said["table"], said["canceled"], said["archived"], said["packed"]) == ("mltable", "Canceled", True, "packed")
    assert said["keys"]
    assert said["diagnosed"]


@pytest.mark.nightly
def test_assets_are_kept_as_people_keep_them(run_client: Run, client_workspace: str) -> None:
    """A changed image is the next version; a job's named output is data, its other one a model; archives, networks."""
    said = run_client("assets.py", WORKSPACE=client_workspace)
    assert (said["latest"], sorted(said["versions"]), said["active"]) == ("python:3.12", ["1", "2"], ["2"])
    assert said["built"].endswith("/context/")
    assert said["joined"].startswith("workspaceblobstore/paths/azureml/")
    assert said["model"] == ["ab"]
    assert (said["stage"], said["models"]) == ("prod", [])
    assert said["tags"] == {"kind": "joined", "looked": "yes"}
    assert said["listed"]
    assert said["sweep"] == "Completed"
    assert said["workspace"] == ["letters", "us", "AllowOnlyApprovedOutbound"]
    assert said["rules"] == ["files", "pypi"]


@pytest.mark.nightly
def test_feature_stores_hubs_and_projects(run_client: Run, client_workspace: str) -> None:
    """A feature store with an entity and a feature set whose features are listed; a project in a hub of another group."""
    said = run_client("stores.py", WORKSPACE=client_workspace)
    assert said["store"]
    assert (said["entities"], said["set"]) == (["account"], ["azureml:account:1"])
    assert said["features"] == ["spent_7d", "count_7d"]
    assert said["backfill"] == [], "nothing is materialized here"
    assert said["kinds"] == {"project": [f"pro{client_workspace}"], "featurestore": [f"fs{client_workspace}"]}
    assert said["hub"]


def test_the_generated_management_client_works(run_client: Run, client_workspace: str) -> None:
    """azure-mgmt-machinelearningservices, an api-version of its own, with its own poller: each group of operations."""
    said = run_client("management.py", WORKSPACE=client_workspace)
    assert (said["name"], said["key"], said["made"]) == (client_workspace, True, "ci-mgmt-a")
    assert said["stopped"] == "Stopped"
    assert "cpu" in said["left"]
    assert "ci-mgmt-a" not in said["left"]
    assert said["tags"] == "management"
    assert len(said["found"]) == 11
    empty = {name for name, count in said["found"].items() if not count}
    assert empty == {"workspace_features", "private_link_resources"}
    assert said["notebook"]
