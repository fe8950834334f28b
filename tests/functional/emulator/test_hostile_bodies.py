"""Bodies with a wrong type anywhere are refused, never answered with a server error: the local Azure has no excuse either."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.emulator.bodies import ACCOUNT, CLUSTER, INSTANCE, PLACE, SCHEDULE
from tests.functional.emulator.client import WORKSPACES, Client, workspace_body

LAB = f"{WORKSPACES}/lab"
WRONG: tuple[Any, ...] = (None, 7, "text", True, [], {}, [{}], {"a": []})
VALID: dict[str, tuple[str, str, dict[str, Any]]] = {
    "workspace": ("PUT", f"{WORKSPACES}/other", {**workspace_body(), "tags": {"a": "b"}, "sku": {"name": "Basic"}}),
    "workspace patch": (
        "PATCH",
        LAB,
        {"tags": {"a": "b"}, "properties": {"description": "x"}, "identity": {"type": "SystemAssigned"}},
    ),
    "cluster": ("PUT", f"{LAB}/computes/cpu", CLUSTER),
    "cluster patch": ("PATCH", f"{LAB}/computes/there", {"properties": {"properties": {"scaleSettings": {"maxNodeCount": 2}}}}),
    "instance": ("PUT", f"{LAB}/computes/workstation", INSTANCE),
    "idle": ("POST", f"{LAB}/computes/there/updateIdleShutdownSetting", {"idleTimeBeforeShutdown": "PT30M"}),
    "datastore": (
        "PUT",
        f"{LAB}/datastores/mine",
        {
            "properties": {
                "datastoreType": "AzureBlob",
                "accountName": "a",
                "credentials": {"credentialsType": "AccountKey", "secrets": {"key": "k"}},
            }
        },
    ),
    "model": (
        "PUT",
        f"{LAB}/models/m/versions/1",
        {"properties": {"modelUri": "https://x/y", "modelType": "custom_model", "tags": {"a": "b"}}},
    ),
    "environment": (
        "PUT",
        f"{LAB}/environments/e/versions/2",
        {"properties": {"image": "i", "condaFile": "c", "build": {"contextUri": "u"}}},
    ),
    "container": ("PUT", f"{LAB}/models/m", {"properties": {"description": "d", "tags": {}, "isArchived": False}}),
    "upload": ("POST", f"{LAB}/codes/c/versions/1/startPendingUpload", {"pendingUploadType": "TemporaryBlobReference"}),
    "job": (
        "PUT",
        f"{LAB}/jobs/one",
        {
            "properties": {
                "jobType": "Command",
                "command": "true",
                "environmentId": "azureml:e:1",
                "limits": {"timeout": "PT1H"},
                "resources": {"instanceCount": 1},
                "inputs": {"a": {"jobInputType": "literal", "value": "1"}},
                "environmentVariables": {"A": "b"},
                "tags": {"a": "b"},
                "properties": {"a": "b"},
            }
        },
    ),
    "endpoint": (
        "PUT",
        f"{LAB}/onlineEndpoints/line",
        {
            **PLACE,
            "tags": {},
            "identity": {"type": "SystemAssigned"},
            "properties": {"authMode": "Key", "traffic": {}, "keys": {"primaryKey": "p"}, "properties": {}},
        },
    ),
    "keys": ("POST", f"{LAB}/onlineEndpoints/line/regenerateKeys", {"keyType": "Primary", "keyValue": "v"}),
    "deployment": (
        "PUT",
        f"{LAB}/onlineEndpoints/line/deployments/blue",
        {
            **PLACE,
            "sku": {"name": "Default", "capacity": 1},
            "properties": {
                "model": "azureml:m:1",
                "environmentId": "azureml:none:1",
                "instanceType": "Standard_DS2_v2",
                "codeConfiguration": {"codeId": "azureml:c:1", "scoringScript": "score.py"},
                "environmentVariables": {"A": "b"},
            },
        },
    ),
    "batch endpoint": (
        "PUT",
        f"{LAB}/batchEndpoints/batch",
        {**PLACE, "properties": {"defaults": {"deploymentName": "d"}, "properties": {"a": "b"}}},
    ),
    "batch deployment": (
        "PUT",
        f"{LAB}/batchEndpoints/batch/deployments/d",
        {**PLACE, "properties": {"model": {"assetId": "azureml:m:1"}, "compute": "c"}},
    ),
    "schedule": ("PUT", f"{LAB}/schedules/nightly", SCHEDULE),
    "recurrence": (
        "PUT",
        f"{LAB}/schedules/weekly",
        {
            "properties": {
                "trigger": {
                    "triggerType": "Recurrence",
                    "frequency": "week",
                    "interval": 1,
                    "timeZone": "UTC",
                    "startTime": "2026-01-01T00:00:00",
                    "schedule": {"hours": [1], "minutes": [2], "weekDays": ["monday"], "monthDays": [1]},
                },
                "action": {"actionType": "CreateMonitor"},
            }
        },
    ),
    "sweep": (
        "PUT",
        f"{LAB}/jobs/sweep",
        {
            "properties": {
                "jobType": "Sweep",
                "computeId": "none",
                "trial": {"command": "true", "environmentId": "azureml:e:1", "codeId": None},
                "searchSpace": {"x": ["uniform", [0, 1]]},
                "samplingAlgorithm": {"samplingAlgorithmType": "Random", "rule": "Sobol", "seed": 1},
                "objective": {"primaryMetric": "m", "goal": "Maximize"},
                "limits": {"maxTotalTrials": 1, "maxConcurrentTrials": 1, "timeout": "PT1H", "trialTimeout": "PT1H"},
                "earlyTermination": {"policyType": "Bandit", "slackFactor": 0.1, "evaluationInterval": 1, "delayEvaluation": 1},
            }
        },
    ),
    "automl": (
        "PUT",
        f"{LAB}/jobs/automl",
        {
            "properties": {
                "jobType": "AutoML",
                "computeId": "none",
                "taskDetails": {
                    "taskType": "Forecasting",
                    "targetColumnName": "y",
                    "primaryMetric": "R2Score",
                    "trainingData": {"jobInputType": "mltable", "uri": "u"},
                    "nCrossValidations": {"mode": "Custom", "value": 2},
                    "limitSettings": {"maxTrials": 1, "timeout": "PT1H", "exitScore": 0.5},
                    "featurizationSettings": {"mode": "Auto", "columnNameAndTypes": {"a": "Numeric"}},
                    "forecastingSettings": {
                        "timeColumnName": "t",
                        "timeSeriesIdColumnNames": ["a"],
                        "forecastHorizon": {"mode": "Custom", "value": 2},
                    },
                    "trainingSettings": {"allowedTrainingAlgorithms": ["Naive"]},
                },
            }
        },
    ),
    "spark": (
        "PUT",
        f"{LAB}/jobs/spark",
        {
            "properties": {
                "jobType": "Spark",
                "codeId": "azureml:none:1",
                "entry": {"file": "a.py"},
                "args": "a",
                "conf": {"a": "b"},
                "jars": ["a"],
                "pyFiles": ["a"],
                "resources": {"instanceType": "standard_e4s_v3"},
            }
        },
    ),
    "pipeline": (
        "PUT",
        f"{LAB}/jobs/pipeline",
        {
            "properties": {
                "jobType": "Pipeline",
                "settings": {"default_compute": "none"},
                "inputs": {"a": {"jobInputType": "literal", "value": "1"}},
                "jobs": {
                    "many": {
                        "type": "parallel",
                        "componentId": "azureml:parallel:1",
                        "inputs": {"rows": {"job_input_type": "uri_folder", "uri": "u"}},
                        "outputs": {"out": {"value": "${{parent.outputs.out}}"}},
                        "task": {"code": "c", "entry_script": "s.py", "program_arguments": "a"},
                        "retry_settings": {"timeout": 60},
                        "mini_batch_size": 1,
                        "resources": {"instance_count": 1},
                    },
                    "learn": {
                        "type": "automl",
                        "task": "regression",
                        "training_data": "${{parent.inputs.a}}",
                        "limits": {"max_trials": 1, "timeout_minutes": 1},
                        "training": {"allowed_training_algorithms": ["knn"]},
                        "n_cross_validations": 2,
                    },
                    "search": {
                        "type": "sweep",
                        "trial": {"componentId": "azureml:command:1"},
                        "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
                        "sampling_algorithm": {"type": "random"},
                        "objective": {"goal": "minimize", "primary_metric": "m"},
                        "limits": {"max_total_trials": 1, "timeout": 600},
                        "early_termination": {"type": "bandit", "slack_factor": 0.1},
                    },
                },
            }
        },
    ),
    "batch deployment of a component": (
        "PUT",
        f"{LAB}/batchEndpoints/batch/deployments/d",
        {
            **PLACE,
            "properties": {
                "deploymentConfiguration": {
                    "deploymentConfigurationType": "PipelineComponent",
                    "componentId": {"assetId": "azureml:c:1", "referenceType": "Id"},
                    "settings": {"default_compute": "cpu"},
                }
            },
        },
    ),
    "mirror": (
        "PUT",
        f"{LAB}/onlineEndpoints/line",
        {**PLACE, "properties": {"authMode": "Key", "traffic": {}, "mirrorTraffic": {"none": 10}}},
    ),
    "group": ("PUT", f"{LAB.partition('/providers')[0]}", {"location": "westeurope", "tags": {"a": "b"}}),
    "storage": (
        "PUT",
        LAB.partition("Microsoft.M")[0] + "Microsoft.Storage/storageAccounts/wrongstorage",
        {**ACCOUNT, "properties": {"a": 1}, "tags": {}},
    ),
}


def spoiled(body: Any) -> Iterator[Any]:
    """The body with each of its parts replaced by each wrong value."""
    yield from (wrong for wrong in WRONG if wrong != body)
    if isinstance(body, dict):
        for name, part in body.items():
            for wrong in spoiled(part):
                changed = copy.deepcopy(body)
                changed[name] = wrong
                yield changed


@pytest.mark.parametrize("name", list(VALID))
def test_a_wrong_type_anywhere_is_no_server_error(azure: Client, name: str) -> None:
    """Every part of a valid body, replaced by every wrong type: an answer below 500, and GETs still work afterwards."""
    azure.workspace()
    azure.arm("PUT", f"{LAB}/computes/there", INSTANCE if name == "idle" else CLUSTER)
    azure.arm("PUT", f"{LAB}/environments/e/versions/1", {"properties": {"image": "python:3"}})
    azure.arm("PUT", f"{LAB}/onlineEndpoints/line", {**PLACE, "properties": {"authMode": "Key"}})
    azure.arm("PUT", f"{LAB}/batchEndpoints/batch", {**PLACE, "properties": {"authMode": "AADToken"}})
    for kind in ("parallel", "command"):
        spec = {
            "type": kind,
            "inputs": {},
            "outputs": {"out": {"type": "uri_file"}},
            "command": "true",
            "input_data": "${{inputs.rows}}",
        }
        azure.arm("PUT", f"{LAB}/components/{kind}/versions/1", {"properties": {"componentSpec": spec}})
    method, path, body = VALID[name]
    version = {"idle": "2021-07-01", "group": "2022-09-01", "storage": "2023-05-01"}.get(name, "2023-10-01")
    token = {"Authorization": f"Bearer {azure.token()}"}
    for wrong in spoiled(body):
        url = f"https://management.azure.com{path}?api-version={version}"
        answer = azure.session.request(method, url, json=wrong, headers=token, timeout=30)
        assert answer.status_code < 500, (wrong, answer.text)
    for collection in ("", "/computes", "/datastores", "/models", "/jobs", "/onlineEndpoints", "/batchEndpoints", "/schedules"):
        assert azure.arm("GET", LAB + collection).status_code == 200
    azure.control("GET", "state")
