"""The v1 data plane as a table: which paths of the regional API server are handed on as they come, one row each.

What a caller sends (query, body, content type) goes to Azure unchanged, what Azure answers comes back unchanged; nothing is
recorded, so nothing can be followed. What takes time there is a kind with operations instead (catalog.kinds: runs, models'
deletion, web services). Sources: the published 2019-09-30 specifications of the data plane and the newer run history, metric
and model registry paths that Azure's own clients use.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

from shared.catalog import grants, kinds, paths
from shared.rest import addresses, errors, ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.catalog.paths import Scope
    from shared.catalog.roles import Role
    from shared.rest.addresses import Plane


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Paths of one plane below `workspaces/{w}/`.

    Attributes:
        plane: The service, as the URL's first segment names it.
        template: Segments; `{}` is one name, `{*}` one or more, `E` an experiment by name or id, `[E]` one or none.
        verbs: What Azure offers there, and the role that each needs: to read needs a reader, all else an operator, unless a row
            says otherwise (`POST=reader` asks a question).
        secret: Its answers may hold keys or signed URLs: each use is audited.
    """

    plane: Plane
    template: str
    verbs: Mapping[str, Role]
    secret: bool = False


def _rows(plane: Plane, **verbs_by_template: str) -> tuple[Passage, ...]:
    return tuple(
        Passage(plane=plane, template=template, verbs=_roles(verbs.removesuffix("!")), secret=verbs.endswith("!"))
        for template, verbs in verbs_by_template.items()
    )


def _roles(verbs: str) -> dict[str, Role]:
    given = (each.partition("=") for each in verbs.split())
    return {verb: cast("Role", role or ("reader" if verb == "GET" else "operator")) for verb, _, role in given}


PASSAGES: tuple[Passage, ...] = (
    *_rows(
        "history",
        **{
            "experiments:query": "POST=reader",
            "experiments/{}": "GET POST",
            "experimentids/{}": "GET PATCH DELETE",
            "experimentids/{}/tags": "DELETE",
            "experimentids/{}/tags:delete": "POST",
            "experimentids/{}/runs/{}/cancel": "POST",
            "[E]/batch/events": "POST",
            "E/batch/runs": "PATCH",
            "E/runs:query": "POST=reader",
            "E/runs/runIds": "POST=reader",
            "E/metrics/{}": "GET",
            "E/metrics:query": "POST=reader",
            "[E]/runs/{}": "GET PATCH",
            "runs/{}": "POST",
            "[E]/runs/{}/children": "GET",
            "[E]/runs/{}/details": "GET",
            "[E]/runs/{}/events": "POST",
            "[E]/runs/{}/tags": "DELETE",
            "E/runs/{}/tags": "PATCH",
            "[E]/runs/{}/services": "DELETE",
            "E/runs/{}/metrics": "POST",
            "E/runs/{}/batch/metrics": "POST",
            "runs/{}/serviceinstances/{}": "GET PATCH",
            "E/runs/{}/artifacts": "GET",
            "E/runs/{}/artifacts/path": "GET",
            "E/runs/{}/artifacts/metadata": "GET",
            "E/runs/{}/artifacts/contentinfo": "GET!",
            "E/runs/{}/artifacts/artifacturi": "GET!",
            "E/runs/{}/artifacts/prefix/contentinfo": "GET!",
            "E/runs/{}/artifacts/batch/metadata": "POST=reader",
            "computes/{}/runs": "GET",
            "rundata": "POST=reader",
            "batchrundata": "POST=reader",
        },
    ),
    *_rows(
        "execution",
        **{
            "experiments/{}/startlocalrun": "POST",
            "experiments/{}/snapshotrun": "POST",
            "experiments/{}/runId/{}/cancel": "POST",
        },
    ),
    *_rows("hyperdrive", **{"[E]/runs": "POST", "[E]/runs/{}/cancel": "POST"}),
    *_rows(
        "metric",
        **{
            "runs/{}/full": "POST=reader",
            "runs/{}/list": "POST=reader",
            "runs/{}/sample": "POST=reader",
            "runs/{}/batch": "POST",
            "runs/{}/deleteMetrics": "DELETE",
            "experiments/{}/containers/{}/deleteMetrics": "DELETE",
        },
    ),
    *_rows(
        "artifact",
        **{
            "artifacts/metadata": "POST",
            "artifacts/register": "POST",
            "artifacts/batch/metadata": "POST",
            "artifacts/storageuri/batch/metadata": "POST!",
            "artifacts/content/{}/{}/{*}": "GET POST",
            "artifacts/{}/{}": "GET",
            "artifacts/{}/{}/metadata": "GET DELETE",
            "artifacts/{}/{}/content": "GET POST",
            "artifacts/{}/{}/contentinfo": "GET!",
            "artifacts/{}/{}/contentinfo/storageuri": "GET!",
            "artifacts/{}/{}/write": "GET=operator!",
            "artifacts/{}/{}/prefix/contentinfo": "GET!",
            "artifacts/{}/{}/prefix/contentinfo/storageuri": "GET!",
            "artifacts/{}/{}/batch": "DELETE",
            "artifacts/{}/{}/batch/metadata": "POST",
            "artifacts/{}/{}/batch/metadata:delete": "POST",
            "artifacts/{}/{}/batch/ingest/containersas": "POST!",
        },
    ),
    *_rows(
        "datastore",
        **{
            "datastores": "GET=admin POST DELETE!",
            "datastores/{}": "GET=admin PUT DELETE!",
            "default": "GET=admin!",
            "default/{}": "PUT",
        },
    ),
    *_rows(
        "modelmanagement",
        **{
            "assets": "GET POST",
            "assets/{}": "GET PATCH DELETE",
            "models": "POST",
            "models/list": "POST=reader",
            "models/{}": "PATCH",
            "models/{}/metrics": "GET",
            "images/{}/profiles": "GET POST",
            "images/{}/profiles/{}": "GET",
            "operations/{}": "GET",
            "services/{}/logs": "GET",
        },
    ),
    *_rows(
        "modelregistry",
        **{
            "extensiveModels/{}": "GET",
            "assets": "GET POST",
            "assets/{}": "GET PATCH DELETE",
            "models": "GET POST",
            "models/list": "POST=reader",
            "models/querybatch": "POST=reader",
            "models/deploymentSettings": "POST",
            "models/createUnregisteredInput": "POST",
            "models/createUnregisteredOutput": "POST",
            "models/batchGetResolvedUris": "POST=reader!",
            "models/{}": "GET PATCH DELETE",
        },
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where one request goes: the plane, the path below it, the workspace that determines its server, and its sender's role."""

    plane: Plane
    path: str
    workspace: ids.ResourceId
    role: Role
    secret: bool = False


def find(path: str, verb: str, scope: Scope) -> Way | None:
    """Return where to hand a request on to, or None when a kind has its path below `/api/`.

    Raises:
        BadRequestError: `UnknownKind` (404), `MethodNotAllowed` (405), `InvalidPath`, `ScopeMissing`.
    """
    plane = unquote(path.strip("/").partition("/")[0]).lower()
    if plane not in addresses.CALLERS_PLANES:
        return None
    before, after = _cut(plane, path.strip("/"))
    rest = [paths.decoded(segment) for segment in after]
    rows = [row for row, pattern in _patterns() if row.plane == plane and pattern.fullmatch("/".join(rest))]
    taking = [row for row in rows if verb in row.verbs]
    if not taking:
        _refuse_unless_a_kind(path, plane, rows, scope)
        return None
    workspace = paths.resolve("/".join(before), scope).id
    role = max((row.verbs[verb] for row in taking), key=grants.LADDER.index)
    secret = any(row.secret for row in taking)
    return Way(plane=taking[0].plane, path=ids.below(workspace.path, *rest), workspace=workspace, role=role, secret=secret)


def _refuse_unless_a_kind(path: str, plane: str, rows: list[Passage], scope: Scope) -> None:
    """Leave the path to a kind, or refuse it when none has it."""
    try:
        paths.resolve(path, scope)
    except errors.BadRequestError as problem:
        if problem.error.code != "UnknownKind":
            raise
        if rows:
            offered = {verb for row in rows for verb in row.verbs}
            raise errors.MethodNotAllowedError(
                f"Azure offers {', '.join(sorted(offered))} there.", offered, target="path"
            ) from None
        known = [_shown(row.template) for row in PASSAGES if row.plane == plane]
        known += [_named(kind.types[1:]) for kind in kinds.KINDS if kind.plane == plane and len(kind.types) > 1]
        asked = path.partition("workspaces/")[2].partition("/")[2]
        near = difflib.get_close_matches(asked[:200], known, n=3, cutoff=0.5)
        shown = f"the nearest of what there is below workspaces/{{w}}/: {', '.join(near)}. GET /api/openapi.json has all."
        if not near:
            shown = f"below workspaces/{{w}}/ there are {', '.join(sorted(known))}."
        message = f"'{path[:200]}' names nothing on {plane}; {shown}"
        raise errors.BadRequestError("UnknownKind", message, target="path", status=404) from None


def _shown(template: str) -> str:
    """Return a template as people write it: `experiments/{e}/runs/{name}`."""
    optional = template.replace("[E]/", "experiments/{e}/")
    whole = f"experiments/{{e}}/{optional.removeprefix('E/')}" if template.startswith("E/") else optional
    return whole.replace("{}", "{name}").replace("{*}", "{path}")


def _named(types: Sequence[str]) -> str:
    return "/".join(f"{each}/{{name}}" for each in types)


def _cut(plane: str, path: str) -> tuple[list[str], list[str]]:
    """Split `{plane}/v1.0/[scope/]workspaces/{w}/rest` into the workspace's own path and the rest; no rest for any other path."""
    segments = path.split("/")[1:]
    paths.drop_version(plane, segments)
    at = next((position for position, segment in enumerate(segments[:7]) if segment.lower() == "workspaces"), 1)
    return (segments[: at + 2], segments[at + 2 :]) if at % 2 == 0 else ([], [])


@cache
def _patterns() -> tuple[tuple[Passage, re.Pattern[str]], ...]:
    return tuple((row, re.compile(_pattern(row.template), re.IGNORECASE)) for row in PASSAGES)


def _pattern(template: str) -> str:
    experiment, name = "(?:experiments|experimentids)/[^/]+", "[^/]+"
    text = re.escape(template).replace(r"\{\}", name).replace(r"\{\*\}", f"{name}(?:/{name})*")
    if text.startswith(r"\[E\]/"):
        return f"(?:{experiment}/)?" + text.removeprefix(r"\[E\]/")
    return f"{experiment}/" + text.removeprefix("E/") if text.startswith("E/") else text
