"""The description of the v1 paths that are handed on to the region's API server as they come (catalog.proxy_routes)."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from shared.catalog import proxy_routes
from shared.openapi import parts, resources
from shared.rest import addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.catalog.proxy_routes import Passage
    from shared.openapi.parts import Json

EXPERIMENT = ("experiments/{experimentName}", "experimentids/{experimentId}")
NAMES = {"experiments": "experimentName", "experimentids": "experimentId", "artifacts": "origin", "runId": "runId"}
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def operations() -> Iterator[tuple[str, str, Json]]:
    """Yield (path, verb in lower case, operation) of every passage."""
    for row in proxy_routes.PASSAGES:
        for template, verb in itertools.product(_templates(row.template), VERBS):
            if verb in row.verbs:
                yield _path(row, template), verb.lower(), _operation(row, template, verb)


def _templates(template: str) -> list[str]:
    """Return what a row's template stands for, names filled in: `[E]` is nothing, or one of two ways to name an experiment."""
    lead, _, rest = template.partition("/")
    if lead == "[E]":
        return [_named(rest), *(f"{each}/{_named(rest)}" for each in EXPERIMENT)]
    if lead == "E":
        return [f"{each}/{_named(rest)}" for each in EXPERIMENT]
    return [_named(template)]


def _named(template: str) -> str:
    """Give each `{}` a name, after the segment before it."""
    out: list[str] = []
    for segment in template.split("/"):
        if segment == "{*}":
            out.append("{path}")
        elif segment == "{}":
            before = out[-1]
            name = NAMES.get(before) or ("container" if before.startswith("{") else f"{before.removesuffix('s')}Name")
            if before == "content":
                name = "origin"
            out.append(f"{{{name}}}")
        else:
            out.append(segment)
    return "/".join(out)


def _path(row: Passage, template: str) -> str:
    return f"/{row.plane}/{addresses.PLANE_VERSIONS[row.plane]}/workspaces/{{workspaceName}}/{template}"


def _operation(row: Passage, template: str, verb: str) -> Json:
    path = _path(row, template)
    given = [{"name": name, "in": "path", "required": True, "schema": parts.STRING} for name in re.findall(r"{(\w+)}", path)]
    named = re.sub(r"\W+", "_", template).strip("_")
    out: Json = {
        "operationId": f"{row.plane}_{named}_{verb.lower()}",
        "tags": [f"v1: {row.plane}"],
        "summary": f"{verb} {template}",
        "description": "Handed on as it comes, query and body included; nothing is recorded.",
        "parameters": [*given, parts.ref("parameters", "ApiVersion"), parts.ref("parameters", "ClientRequestId")],
        "responses": {status: parts.ref("responses", name) for status, name in resources.PROBLEMS.items()},
    }
    if "{path}" in template:
        out["description"] += " `path` may hold slashes."
    out["x-role"] = row.verbs[verb]
    out["description"] += f" {parts.needs(row.verbs[verb])}"
    out["responses"]["200"] = {"description": "Azure's own answer.", "content": parts.anything()}
    out["responses"]["502"] = parts.ref("responses", "BadGateway")
    if verb == "DELETE":
        out["responses"]["204"] = parts.ref("responses", "Done")
    if verb != "GET":
        out["requestBody"] = {"required": False, "content": parts.anything()}
        out["responses"] |= {status: parts.ref("responses", name) for status, name in resources.BODY_PROBLEMS.items()}
    return out
