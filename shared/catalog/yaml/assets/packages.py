"""Model packages (`az ml model package`): the body of POST `models/{m}/versions/{v}/package`, a preview.

Source of the body: what `ModelOperations.package` of azure-ai-ml sends. Not here: models.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import drafts, references
from shared.catalog.yaml.assets.assets import filled
from shared.catalog.yaml.jobs.jobs import draft_code
from shared.text import yaml_values
from shared.text.yaml_values import anything, choice, either, mapping, named, record, same, sequence, snake, text

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor

SERVERS = {"azureml_online": "AzureMLOnline", "azureml_batch": "AzureMLBatch", "custom": "Custom", "triton": "Custom"}
_PATH_TYPES = {"path_id": "PathId", "url": "Url", "path_version": "PathVersion"}
_SHORT = re.compile(r"^azureml:(\w+):(\d+)$")
_ROUTE = record({"port": either(text, yaml_values.whole), "path": text})
_PATH_TYPE = {"input_path_type": choice(*_PATH_TYPES, fold=snake)}
_PATH = either(
    record({**_PATH_TYPE, "resource_id": text}),
    record({**_PATH_TYPE, "url": text}),
    record({**_PATH_TYPE, "resource_name": text, "resource_version": text}),
)
PACKAGE = record(
    {
        "target_environment": either(mapping(text, key=choice("name", fold=same)), text),
        "base_environment_source": record({"type": text, "resource_id": text}),
        "inferencing_server": record(
            {
                "type": choice(*SERVERS),
                "code_configuration": record({"code": references.code, "scoring_script": text}),
                "inference_configuration": record(
                    {
                        "liveness_route": _ROUTE,
                        "readiness_route": _ROUTE,
                        "scoring_route": _ROUTE,
                        "entry_script": text,
                        "configuration": named(anything),
                    }
                ),
            },
            required=("type",),
        ),
        "model_configuration": record({"mode": choice("copy", "download"), "mount_path": text}),
        "inputs": sequence(
            record(
                {
                    "type": choice("uri_file", "uri_folder", fold=snake),
                    "mode": choice("read_only_mount", "download", fold=snake),
                    "path": _PATH,
                    "mount_path": text,
                }
            )
        ),
        "tags": mapping(),
        "environment_variables": mapping(),
    },
    required=("target_environment", "inferencing_server"),
    ignored=("$schema",),
)


def package_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a model package."""
    fields = PACKAGE(at)
    base = fields.get("base_environment_source")
    model = fields.get("model_configuration")
    body = {
        "targetEnvironmentId": _target(draft, fields["target_environment"]),
        "baseEnvironmentSource": _base(draft, at.child("base_environment_source"), base) if base else None,
        "inferencingServer": _server(draft, fields["inferencing_server"]),
        "modelConfiguration": {yaml_values.camel(name): each for name, each in model.items()} if model is not None else None,
        "inputs": [_input(each) for each in fields["inputs"]] if fields.get("inputs") else None,
        "tags": fields.get("tags") or None,
        "environmentVariables": fields.get("environment_variables"),
    }
    return filled(body)


def _target(draft: Draft, target: Any) -> str:
    """Return the id of the environment to be made; without the workspace's own id and region, what was written."""
    name, version = (str(target.get("name", "")), "") if isinstance(target, dict) else (str(target), "")
    found = _SHORT.match(name)
    if found:
        name, version = found[1], f"/versions/{found[2]}"
    if not draft.location or not draft.workspace_id:
        return name + version.replace("/versions/", ":")
    return f"azureml://locations/{draft.location}/workspaces/{draft.workspace_id}/environments/{name}{version}"


def _base(draft: Draft, at: Cursor, base: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {"baseEnvironmentSourceType": base.get("type")}
    if "resource_id" in base:
        written = base["resource_id"]
        where = at.child("resource_id")
        found: Any = written
        if not written.startswith(references.REGISTRIES):
            reference = references.versioned("environments")(where) if written.startswith(references.PREFIX) else written
            found = draft.versioned("environments", reference, where)
        if isinstance(found, drafts.Pending):
            found = found.within("azureml:/{}")
        elif not found.startswith(references.PREFIX):
            found = f"azureml:/{found}"
        out["resourceId"] = found
    return out


def _server(draft: Draft, server: dict[str, Any]) -> dict[str, Any]:
    code, inference = server.get("code_configuration"), server.get("inference_configuration")
    out: dict[str, Any] = {"serverType": SERVERS[server["type"]]}
    if server["type"].startswith("azureml_"):
        if code is not None:
            found = draft_code(draft, code.get("code"), "azureml:/{}")
            out["codeConfiguration"] = filled({"codeId": found, "scoringScript": code.get("scoring_script")})
    elif inference is not None:
        out["inferenceConfiguration"] = {
            yaml_values.camel(name): _route(each) if name.endswith("_route") else each
            for name, each in inference.items()
            if name != "configuration"  # REST has no such field; the CLI leaves it out as well
        }
    return out


def _route(route: dict[str, Any]) -> dict[str, Any]:
    port = str(route["port"]) if "port" in route else None
    return filled({"port": int(port) if port and port.isdecimal() else port, "path": route.get("path")})


def _input(given: dict[str, Any]) -> dict[str, Any]:
    path = given.get("path")
    body: dict[str, Any] = {
        "inputType": yaml_values.pascal(given["type"]) if "type" in given else None,
        "mode": yaml_values.pascal(given["mode"]) if "mode" in given else None,
        "mountPath": given.get("mount_path"),
    }
    if path is not None:
        kind = "PathId" if "resource_id" in path else "Url" if "url" in path else "PathVersion"
        body["path"] = {
            "inputPathType": kind,
            **{yaml_values.camel(name): each for name, each in path.items() if name != "input_path_type"},
        }
    return filled(body)
