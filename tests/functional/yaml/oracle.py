"""What azure-ai-ml sends for a YAML: run by the interpreter of the environment that has it, never imported by a test.

Reads a JSON list of `{"file", "loader", "overrides", "files"}` from standard input and writes one JSON line for each: `requests`
(every write the client made, in order), `rest` (the entity's own REST object, for kinds whose write is a template deployment),
`uploads` (local paths), or `error`. HTTP is answered here: nothing leaves the process.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
os.environ["AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED"] = "false"
os.environ["AZURE_ML_DISABLE_ON_DISK_CACHE"] = "true"

import jwt  # noqa: E402
import requests  # noqa: E402
import urllib3  # noqa: E402
from azure.ai.ml import MLClient  # noqa: E402
from azure.ai.ml._artifacts import _artifact_utilities  # noqa: E402
from azure.ai.ml._utils import _experimental  # noqa: E402
from azure.ai.ml.entities import DataImport  # noqa: E402
from azure.ai.ml.entities import _load_functions as load  # noqa: E402
from azure.ai.ml.entities._assets._artifacts.artifact import ArtifactStorageInfo  # noqa: E402
from azure.ai.ml.operations import _job_operations  # noqa: E402
from azure.core.credentials import AccessToken  # noqa: E402

START = Path.cwd()
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP = "rg"
WORKSPACE = "ws"
ROOT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
LATEST = "7"
ASSETS = ("models", "environments", "data", "components")
RESOURCES: dict[str, dict[str, Any]] = {
    "datastores": {
        "datastoreType": "AzureBlob",
        "accountName": "wsaccount",
        "containerName": "c",
        "endpoint": "core.windows.net",
        "protocol": "https",
        "credentials": {"credentialsType": "Sas"},
        "isDefault": True,
    },
    "computes": {"computeType": "AmlCompute", "properties": {"vmSize": "x"}},
    "onlineEndpoints": {"authMode": "Key", "provisioningState": "Succeeded"},
    "batchEndpoints": {"authMode": "aadToken", "provisioningState": "Succeeded"},
}
WRITES = ("PUT", "PATCH", "POST")

requests_seen: list[dict[str, Any]] = []
uploads_seen: list[str] = []
must_be_there = False  # what is uploaded; the corpus names files that it does not have


class Credential:
    """Hands out unsigned tokens of the audience asked for."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """A token that says what the client checks: its audience."""
        claims = {
            "aud": scopes[0].removesuffix("/.default") if scopes else "",
            "tid": "t",
            "oid": "o",
            "exp": int(time.time()) + 9999,
        }
        return AccessToken(jwt.encode(claims, "k" * 32), int(time.time()) + 9999)


def answer(method: str, url: str, body: Any) -> tuple[int, Any]:
    """Azure's part of the conversation, as little as the client needs."""
    parts = urlsplit(url)
    path, query = parts.path, parse_qs(parts.query)
    if method == "PUT":
        out = {
            "id": path,
            "name": path.rsplit("/", 1)[-1],
            "type": "x",
            **(json.loads(json.dumps(body)) if isinstance(body, dict) else {}),
        }
        out.setdefault("properties", {})
        if "/models/" in path and isinstance(out["properties"], dict):
            out["properties"].setdefault("flavors", {})
        if isinstance(out["properties"], dict):
            out["properties"] = {**out["properties"], "provisioningState": "Succeeded"}
        return 200, out
    if method == "POST" and path.endswith("/startPendingUpload"):
        blob = "https://wsaccount.blob.core.windows.net/container-for-upload"
        reference = {"blobUri": blob, "storageAccountArmId": "x", "credential": {"credentialType": "SAS", "sasUri": blob + "?sas"}}
        return 200, {
            "blobReferenceForConsumption": reference,
            "pendingUploadId": "p",
            "pendingUploadType": "TemporaryBlobReference",
        }
    if method == "POST" and path.endswith("/listSecrets"):
        return 200, {"secretsType": "Sas", "sasToken": "sas"}
    if method == "PATCH":
        return 200, body
    if method != "GET":
        return 200, {}
    return read(path, query)


def read(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
    """The answer to a GET."""
    name = path.rsplit("/", 1)[-1]
    below = path.removeprefix(ROOT).strip("/").split("/") if path.startswith(ROOT) else ["nowhere"]
    identity = {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"}
    if below == [""]:
        body = {"properties": {"workspaceId": "11111111-0000-0000-0000-000000000000"}, "identity": identity, "location": "eastus"}
    elif below[-1] == "versions":
        if any("hash" in key for key in query):  # "is this code registered already?"
            return 200, {"value": []}
        return 200, {"value": [{"id": f"{path}/{LATEST}", "name": LATEST, "type": "x", "properties": asset(below[-2], LATEST)}]}
    elif len(below) == 2 and below[0] in RESOURCES:
        body = {"location": "eastus", "properties": RESOURCES[below[0]]}
    elif len(below) == 2 and below[0] in ASSETS:
        body = {"properties": {"nextVersion": "1", "latestVersion": LATEST}}
    elif len(below) == 4 and below[0] in ASSETS and below[1] != "azureml_anonymous":
        body = {"properties": asset(below[1], name)}
    else:
        return 404, {"error": {"code": "ResourceNotFound", "message": path}}
    return 200, {"id": path, "name": name, "type": "x", **body}


def asset(name: str, version: str) -> dict[str, Any]:
    """A version of whatever kind: the client reads only what belongs to its own."""
    spec = {"type": "command", "name": name, "version": version, "command": "x", "environment": "azureml:e:1"}
    uris = {"modelUri": "azureml://x", "dataUri": "azureml://x", "dataType": "uri_file", "modelType": "custom_model"}
    return {**uris, "flavors": {}, "image": "x", "componentSpec": spec, "isAnonymous": False}


def send(self: Any, request: requests.PreparedRequest, **_: Any) -> requests.Response:
    """In the place of `HTTPAdapter.send`."""
    content = request.body
    try:
        body = json.loads(content) if content else None
    except ValueError:
        body = None
    if request.method in WRITES:
        url = urlsplit(request.url)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        requests_seen.append({"method": request.method, "path": url.path, "host": url.netloc, "query": query, "body": body})
    status, out = answer(request.method, request.url, body)
    raw = urllib3.HTTPResponse(
        io.BytesIO(json.dumps(out).encode()), headers={"Content-Type": "application/json"}, status=status, preload_content=False
    )
    response = requests.adapters.HTTPAdapter().build_response(request, raw)
    response.raw = raw
    return response


def upload(
    operation_scope: Any, datastore_operation: Any, path: Any, artifact_type: str, datastore_name: str | None = None, **kwargs: Any
) -> ArtifactStorageInfo:
    """In the place of the upload to storage: the remote path names the local one."""
    local = os.path.relpath(path)
    if must_be_there and not Path(path).exists():
        raise FileNotFoundError(local)
    uploads_seen.append(local)
    mark = "ROOT" if local == "." else local.replace("..", "UP").replace("/", "~")
    if "code_with_additional_includes" in local:  # a copy of the code with more files in it
        mark = "MERGED"
    datastore = f"{ROOT}/datastores/{datastore_name or 'workspaceblobstore'}"
    return ArtifactStorageInfo(
        name=mark,
        version="1",
        relative_path=f"UPLOADED/{mark}",
        datastore_arm_id=datastore,
        container_name="container",
        storage_account_url="https://wsaccount.blob.core.windows.net/",
        is_file=Path(path).is_file() or (not Path(path).exists() and bool(Path(path).suffix)),
        indicator_file="x",
    )


requests.adapters.HTTPAdapter.send = send
_artifact_utilities._upload_to_datastore = upload
_job_operations.get_git_properties = dict
_experimental._should_skip_warning = lambda: True  # reads the whole stack for a hidden warning: a third of the time


def client() -> MLClient:
    """The client under its own name, over the wires above."""
    return MLClient(Credential(), SUBSCRIPTION, GROUP, WORKSPACE)


SENDERS: dict[str, Any] = {
    "job": lambda c, e: c.jobs.create_or_update(e),
    "component": lambda c, e: c.components.create_or_update(e),
    "data_import": lambda c, e: c.data.import_data(e),
    "model_package": lambda c, e: c.models.package("m", "1", e),
    "environment": lambda c, e: c.environments.create_or_update(e),
    "model": lambda c, e: c.models.create_or_update(e),
    "data": lambda c, e: c.data.create_or_update(e),
    "datastore": lambda c, e: c.datastores.create_or_update(e),
    "compute": lambda c, e: c.compute.begin_create_or_update(e),
    "connection": lambda c, e: c.connections.create_or_update(e),
    "schedule": lambda c, e: c.schedules.begin_create_or_update(e),
    "online_endpoint": lambda c, e: c.online_endpoints.begin_create_or_update(e),
    "batch_endpoint": lambda c, e: c.batch_endpoints.begin_create_or_update(e),
    "online_deployment": lambda c, e: c.online_deployments.begin_create_or_update(e),
    "batch_deployment": lambda c, e: c.batch_deployments.begin_create_or_update(e),
    "model_batch_deployment": lambda c, e: c.batch_deployments.begin_create_or_update(e),
    "pipeline_component_batch_deployment": lambda c, e: c.batch_deployments.begin_create_or_update(e),
    "feature_set": lambda c, e: c.feature_sets.begin_create_or_update(e),
    "feature_store_entity": lambda c, e: c.feature_store_entities.begin_create_or_update(e),
    "serverless_endpoint": lambda c, e: c.serverless_endpoints.begin_create_or_update(e),
    "marketplace_subscription": lambda c, e: c.marketplace_subscriptions.begin_create_or_update(e),
}


def loaded(loader: str, name: str, overrides: list[Any]) -> Any:
    """The entity of a file; for data imports the SDK has no function of its own."""
    if loader == "data_import":
        return load.load_common(DataImport, name, None, overrides)
    return getattr(load, "load_" + loader)(name, params_override=overrides)


def rest_of(entity: Any) -> Any:
    """The entity's REST object as JSON, or None."""
    from azure.ai.ml._restclient.arm_ml_service._utils.model_base import SdkJSONEncoder

    rest = entity._to_rest_object()
    if hasattr(rest, "serialize"):
        return rest.serialize()
    return json.loads(json.dumps(rest, cls=SdkJSONEncoder, exclude_readonly=True))


def run(case: dict[str, Any]) -> dict[str, Any]:
    """Load one file as the CLI does, send it, and tell what went out."""
    global must_be_there  # noqa: PLW0603 - read by what stands in for a method
    must_be_there = case.get("files", False)
    requests_seen.clear()
    uploads_seen.clear()
    folder, name = os.path.split(case["file"])
    os.chdir(START / folder)  # AutoML and fine-tuning resolve paths from here
    out: dict[str, Any] = {"file": case["file"], "loader": case["loader"]}
    try:
        overrides = list(case.get("overrides") or [])
        entity = loaded(case["loader"], name, overrides)
        out["name"] = getattr(entity, "name", None)
        out["version"] = getattr(entity, "version", None)
        if case.get("rest") or case["loader"] not in SENDERS:
            out["rest"] = rest_of(entity)
    except Exception as problem:  # noqa: BLE001
        out["error"] = f"{type(problem).__name__}: {str(problem)[:1500]}"
        out["trace"] = traceback.format_exc()[-1500:]
        return out
    if case["loader"] in SENDERS:
        try:
            SENDERS[case["loader"]](client(), entity)
        except Exception as problem:  # noqa: BLE001
            if not any(one["method"] == "PUT" or one["path"].endswith("/package") for one in requests_seen):
                out["error"] = f"{type(problem).__name__}: {str(problem)[:1500]}"
                out["trace"] = traceback.format_exc()[-2500:]
            else:
                out["after"] = f"{type(problem).__name__}: {str(problem)[:500]}"
        out["requests"] = list(requests_seen)
    out["uploads"] = list(uploads_seen)
    return out


def main() -> None:
    """One line out for each case in."""
    for case in json.load(sys.stdin):
        sys.stdout.write(json.dumps(run(case)) + "\n")
        sys.stdout.flush()


main()
