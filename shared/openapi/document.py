"""The whole description: OpenAPI 3.1, as bytes with their hash, written when first asked for."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.catalog import kinds
from shared.openapi import own, parts, regional, resources, webhooks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.api.route import Route
    from shared.openapi.parts import Json

EXAMPLES = Path(__file__).parent / "examples.json"
ABOUT = """Provision, run and score on Azure Machine Learning over plain HTTP. The app follows every long operation to its end.

Paths are relative to the default subscription and resource group in the app's settings. For another scope, choose a server below;
any ARM id is accepted below `/api`. Bodies are ARM's own JSON, passed on unchanged, or the YAML of `az ml`. A request that takes
time answers 202; follow it at `Operation-Location`. Errors are always ARM's envelope.
"""
SCOPED = "/subscriptions/{subscriptionId}"
VARIABLES: parts.Json = {
    "subscriptionId": {"default": "00000000-0000-0000-0000-000000000000"},
    "resourceGroup": {"default": "my-resource-group"},
}


def written(prefix: str, rows: Sequence[Route]) -> tuple[bytes, str]:
    """Return the document as JSON, and a strong validator of it (an ETag).

    Args:
        prefix: What stands before every path: `/api` unless host.json says otherwise.
        rows: Every route.
    """
    content = json.dumps(build(rows, prefix), ensure_ascii=False, separators=(",", ":")).encode()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def build(rows: Sequence[Route], prefix: str = "/api") -> Json:
    """Return the document."""
    paths: dict[str, dict[str, Any]] = {}
    shown = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    ours: list[parts.Json] = [{"url": prefix or "/", "description": "This app; the settings' scope."}]
    for path, verb, operation in (*resources.operations(), *regional.operations(), *own.operations(rows)):
        _with_examples(operation, shown.get(operation["operationId"], []))
        if parts.ref("parameters", "CallbackUrl") in operation["parameters"]:
            operation["callbacks"] = {"ended": webhooks.callback()}  # not by reference: openapi-python-client reads none
        operation["responses"] = dict(sorted(operation["responses"].items()))
        item = paths.setdefault(path, {})
        if verb in item:
            raise ValueError(f"{verb} {path} stands twice")
        item[verb] = operation
    components = parts.component_parts()
    components["schemas"] |= {**resources.schemas(), "Notice": webhooks.event()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "azureml-steward", "version": "1", "description": ABOUT},
        "servers": [*ours, *_servers(prefix)],
        "security": [{"key": []}, {"code": []}],
        "tags": [{"name": name, "description": _about(name)} for name in _tags(paths)],
        "paths": dict(sorted(paths.items())),
        "components": components,
    }


def _servers(prefix: str) -> list[Json]:
    """Return the scopes that may stand before a path of Azure's kinds.

    Not as servers of single paths: generators give these precedence over the host that their user sets.
    """
    whole = {"subscriptionId": VARIABLES["subscriptionId"]}
    only = "; only of Azure's kinds, the app's own paths have no scope."
    group = f"{prefix}{SCOPED}/resourceGroups/{{resourceGroup}}"
    return [
        {"url": group, "description": f"A subscription's resource group{only}", "variables": VARIABLES},
        {
            "url": f"{prefix}{SCOPED}",
            "description": f"A whole subscription: lists, and what has no group{only}",
            "variables": whole,
        },
    ]


def _with_examples(operation: Json, shown: list[Json]) -> None:
    for example in shown:
        media = example["media"]
        where = operation["responses"].get("200", {}) if example.get("answer") else operation.get("requestBody", {})
        content = where.get("content", {})
        if media in content:
            named = content[media].setdefault("examples", {})
            words = "-".join(re.findall(r"[a-z0-9]+", example["summary"].lower())[:8]) or "example"
            named[words if words not in named else f"{words}-{len(named) + 1}"] = {
                "summary": example["summary"],
                "value": example["value"],
            }


def _tags(paths: dict[str, dict[str, Any]]) -> list[str]:
    """Return the groups: this app's own, Azure ML's kinds, their neighbours, the v1 paths; each in the table's order."""
    used = dict.fromkeys(verb["tags"][0] for item in paths.values() for verb in item.values() if isinstance(verb, dict))
    order = ("", "workspaces", "registries", "locations", "Azure", "Microsoft.", "v1: ")
    rest = [tag for tag in used if tag not in own.TAGS]
    return [*own.TAGS, *sorted(rest, key=lambda tag: max(place for place, lead in enumerate(order) if tag.startswith(lead)))]


def _about(tag: str) -> str:
    """Return what a group is."""
    if tag.startswith("v1: "):
        return f"The region's `{tag.removeprefix('v1: ')}` server: requests are passed on unchanged."
    grouped = dict.fromkeys(f"`{kind.full_type}`" for kind in kinds.KINDS if resources.tag_of(kind) == tag)
    return own.TAGS.get(tag) or ", ".join(grouped)
