"""Both sides of the comparison in one form: what the official SDK sent, and what a translation amounts to when it is carried out.

Names that each side makes up (job names, hashes of anonymous assets) are replaced by what they stand for.
"""

import copy
import hashlib
import json
import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from shared.catalog import yaml as translations
from shared.rest import ids

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
ROOT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"
WORKSPACE = ids.parse(ROOT)
WORKSPACE_ID = "11111111-0000-0000-0000-000000000000"  # as the oracle's Azure says
LATEST = "7"  # what the oracle's Azure has under every label
COLLECTIONS = {
    "job": "jobs", "data_import": "jobs",
    "component": "components", "environment": "environments", "model": "models", "data": "data",
    "datastore": "datastores", "compute": "computes", "connection": "connections", "schedule": "schedules",
    "online_endpoint": "onlineEndpoints", "batch_endpoint": "batchEndpoints", "serverless_endpoint": "serverlessEndpoints",
    "feature_set": "featuresets", "feature_store_entity": "featurestoreEntities",
}  # fmt: skip
UNSENT = {"client_component_hash"}  # the SDK's own bookkeeping


def target(loader: str, text: str) -> ids.ResourceId:
    """Return the path that the YAML would be sent to."""
    if loader == "model_package":
        return WORKSPACE.child("models", "m").child("versions", "1")
    if loader in COLLECTIONS:
        return WORKSPACE.child(COLLECTIONS[loader])
    if loader in ("workspace", "feature_store"):
        return ids.ResourceId(subscription=SUBSCRIPTION, resource_group="rg", namespace=WORKSPACE.namespace, types=("workspaces",))
    if loader == "registry":
        return ids.ResourceId(subscription=SUBSCRIPTION, resource_group="rg", namespace=WORKSPACE.namespace, types=("registries",))
    endpoint = re.search(r"^endpoint_name: *(\S+)", text, re.MULTILINE)
    kind = "onlineEndpoints" if loader.startswith("online") else "batchEndpoints"
    return WORKSPACE.child(kind, endpoint[1] if endpoint else "endpoint").child("deployments")


def carried_out(translation: translations.Translation) -> dict[str, Any]:
    """Return the body of a translation once everything before it is done, registrations replaced by their content."""
    body = copy.deepcopy(translation.body)
    bodies = [copy.deepcopy(each.body) for each in translation.registrations]
    for upload in translation.uploads:
        translations.fill(bodies, body, upload.places, _uploaded(upload))
    for label in translation.labels:
        translations.fill(bodies, body, label.places, f"{ROOT}/{label.type}/{label.name}/versions/{LATEST}")
    for index, registration in enumerate(translation.registrations):
        translations.fill(bodies, body, registration.places, f"registered<{_digest(bodies[index])}>")
    return _normal(body)


def sent(answer: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return path and body of the SDK's last write, earlier registrations replaced by their content."""
    known: dict[str, str] = {}
    path, body = "", {}
    for request in writes(answer):
        path = unquote(request["path"])
        text = json.dumps(request["body"])
        for registered, digest in known.items():
            text = text.replace(f'{registered}"', f'{digest}"')
        body = json.loads(text)
        known[path] = f"registered<{_digest(body)}>"
    return path, _normal(body)


def writes(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the SDK's writes of everything but code."""
    return [
        request
        for request in answer["requests"]
        if (request["method"] == "PUT" or request["path"].endswith("/package")) and "/codes/" not in request["path"]
    ]


def check_files(translation: translations.Translation, folder: Path) -> None:
    """Refuse what a YAML says of the files beside it, as a request with these files is refused."""
    for each in translation.expected:
        path = folder / each.path / each.inside if each.inside else folder / each.path
        if not (path.is_file() if each.form == "file" else path.is_dir()):
            raise each.refusal


def collection(path: str) -> str:
    """Return which of a workspace's collections a version is in."""
    return path.split("/")[-4]


def without_made_up_names(loader: str, path: str, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Take out what the SDK makes up where the YAML says nothing: a job's name and its experiment."""
    if loader not in ("job", "data_import"):
        return
    if theirs["properties"].get("displayName") == path.rsplit("/", 1)[-1] and "displayName" not in ours["properties"]:
        del theirs["properties"]["displayName"]
    if "experimentName" not in ours["properties"]:
        theirs["properties"].pop("experimentName", None)


def _uploaded(upload: Any) -> str:
    path = posixpath.normpath(upload.path)
    mark = "ROOT" if path == "." else path.replace("..", "UP").replace("/", "~")
    mark = "MERGED" if upload.includes else mark
    store = upload.datastore or "workspaceblobstore"
    if upload.purpose == "code":
        return f"{ROOT}/codes/{mark}/versions/1"
    if upload.purpose == "environment":
        return f"https://wsaccount.blob.core.windows.net/container/UPLOADED/{mark}"
    if upload.purpose in ("data", "input"):
        return f"azureml://datastores/{store}/paths/UPLOADED/{mark}"
    place = f"azureml://subscriptions/{SUBSCRIPTION}/resourcegroups/rg/workspaces/ws/datastores/{store}"
    return f"{place}/paths/UPLOADED/{mark}"


def _digest(body: Any) -> str:
    return hashlib.sha256(json.dumps(_normal(body), sort_keys=True).encode()).hexdigest()[:12]


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _normal(each) for name, each in value.items() if each is not None and name not in UNSENT}
    if isinstance(value, list):
        return [_normal(each) for each in value]
    return unquote(value) if isinstance(value, str) and value.startswith("/subscriptions/") else value
