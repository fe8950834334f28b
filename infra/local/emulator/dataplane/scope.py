"""What every handler of the data plane needs: whose token it is, which workspace is meant, how to refuse, how to page."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from infra.local.emulator import clouds, web
from infra.local.emulator.authorization import dataplane
from infra.local.emulator.identity.state import TokenRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from infra.local.emulator.resources import Resource
    from infra.local.emulator.runs import Run
    from infra.local.emulator.world import World

HOSTS = rf"(?:{clouds.ML_API}|{clouds.EXPERIMENTS}|{clouds.MODEL_MANAGEMENT})"
WORKSPACE = (
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
)
PAGE_SIZE = 100
_MAX_DIGITS = 9
_COMPONENTS = {
    "execution": "execution",
    "history": "run-history",
    "artifact": "artifact",
    "metric": "metric",
    "mlflow": "mlflow",
    "datastore": "datastore",
}
_WORDS = {
    "missing": "Bearer token not provided. Authorization header with a bearer token is required.",
    "invalid": "Bearer token is not valid.",
    "audience": "Bearer token has a wrong audience.",
    "expired": "Bearer token is expired.",
}


# ── refusing ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def refused(request: web.Request, status: int, message: str, *inner: str, code: str = "UserError") -> web.Refused:
    """A refusal in the shape of the service that was asked: model management has its own, all others the older ML form.

    Args:
        request: names service and region.
        status: the HTTP status.
        message: for the user.
        inner: the useful codes, from outer to innermost.
        code: the generic outer code.
    """
    service = request.path.split("/")[1].lower()
    if service == "modelmanagement":
        return web.Refused(web.model_management_error(status, inner[-1] if inner else code, message))
    component = _COMPONENTS.get(service, service or "discovery")
    return web.Refused(web.service_error(status, code, message, inner=inner, component=component, location=region_of(request)))


def bad(request: web.Request, message: str, inner: str = "BadArgument") -> web.Refused:
    """400."""
    return refused(request, 400, message, *dict.fromkeys(("BadArgument", inner)))


def not_found(request: web.Request, message: str, inner: str = "NotFound") -> web.Refused:
    """404."""
    return refused(request, 404, message, *dict.fromkeys(("NotFound", inner)))


def no_route(_world: World, request: web.Request) -> web.Response:
    """The answer for a path or method that the data plane does not have."""
    return refused(request, 404, f"No route matches {request.method} {request.path}.", "NotFound").response


# ── who, and where ───────────────────────────────────────────────────────────────────────────────────────────────────
def guard(world: World, request: web.Request) -> web.Request:
    """Check the bearer token (its audience is ARM or Azure ML), then the roles. Discovery is open, as the article uses it.

    Raises:
        web.Refused: 401 or 403.
    """
    if request.path.lower() == "/discovery":
        return request
    try:
        audiences = (*clouds.ARM_AUDIENCES, *clouds.ML_AUDIENCES)
        principal = world.tokens.check(request.headers.get("authorization"), audiences)
    except TokenRefusedError as error:
        inner = {"expired": "TokenExpired", "audience": "InvalidAudience"}.get(error.reason, "InvalidToken")
        refusal = refused(request, 401, _WORDS[error.reason], "AuthorizationError", inner).response
        why = ', error="invalid_token"' if error.reason != "missing" else ""
        raise web.Refused(refusal.with_headers({"WWW-Authenticate": f'Bearer realm="azureml"{why}'})) from None
    request = replace(request, principal=principal)
    dataplane.check(world, request, refused)
    return request


def region_of(request: web.Request) -> str:
    """The region in the host name."""
    return request.host.partition(".")[0]


def workspace(world: World, request: web.Request) -> Resource:
    """The workspace in the path, which must be one of the host's region.

    Raises:
        web.Refused: 404.
    """
    arm_id = WORKSPACE.format(**{name: request.params[name] for name in ("subscription", "group", "workspace")})
    with world.lock:
        found = world.resources.get(arm_id)
    here = region_of(request)
    if found is None or str(found.body.get("location") or "").replace(" ", "").lower() != here:
        text = f"Workspace {request.params['workspace']} was not found in region {here}."
        raise not_found(request, text, "WorkspaceNotFound")
    return found


def workspace_id(world: World, request: web.Request) -> str:
    """Its lower-cased ARM id.

    Raises:
        web.Refused: 404.
    """
    return "/" + workspace(world, request).id.strip("/").lower()


def run(world: World, request: web.Request) -> Run:
    """The run in the path (and of the experiment in the path, if there is one: its name, or its id as MLflow's plug-in sends).

    Raises:
        web.Refused: 404.
    """
    found = world.runs.get(workspace_id(world, request), request.params["run"])
    experiment = request.params.get("experiment")
    known = {found.experiment.lower(), found.experiment_id.lower()} if found else set()
    if found is None or (experiment is not None and experiment.lower() not in known):
        raise not_found(request, f"RunId {request.params['run']} was not found.", "RunNotFound")
    return found


# ── bodies and pages ─────────────────────────────────────────────────────────────────────────────────────────────────
def body(request: web.Request) -> dict[str, Any]:
    """The JSON object of a request; an empty body is an empty object.

    Raises:
        web.Refused: 400.
    """
    if not request.body.strip():
        return {}
    try:
        found = request.json()
    except (ValueError, RecursionError) as error:
        raise bad(request, f"The request body is not valid JSON: {error}", "InvalidJson") from None
    if not isinstance(found, dict):
        raise bad(request, "The request body is not a JSON object.", "InvalidJson")
    return found


def field(values: Mapping[str, Any], name: str) -> Any:
    """A field by its name in any case: these services do not mind."""
    return next((value for key, value in values.items() if key.lower() == name.lower()), None)


def text(request: web.Request, values: Mapping[str, Any], name: str) -> str | None:
    """A text field (a number is taken as text); None when absent.

    Raises:
        web.Refused: 400, when it is something else.
    """
    value = field(values, name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad(request, f"The field {name} is not a string.")
    return str(value)


def mapping(request: web.Request, values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object field, empty when absent.

    Raises:
        web.Refused: 400, when it is something else.
    """
    value = field(values, name)
    if value is not None and not isinstance(value, dict):
        raise bad(request, f"The field {name} is not an object.")
    return value or {}


def texts(request: web.Request, values: Mapping[str, Any], name: str) -> dict[str, str]:
    """An object field with its values as text, as tags and properties are kept."""
    return {str(key): str(value) for key, value in mapping(request, values, name).items()}


def objects(request: web.Request, values: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A field that is a list of objects, empty when absent.

    Raises:
        web.Refused: 400, when it is something else.
    """
    value = field(values, name)
    if value is not None and not (isinstance(value, list) and all(isinstance(one, dict) for one in value)):
        raise bad(request, f"The field {name} is not a list of objects.")
    return value or []


def names(request: web.Request, name: str) -> set[str]:
    """The names that a body lists: a JSON list itself, or one under `name`.

    Raises:
        web.Refused: 400.
    """
    try:
        found = request.json()
    except (ValueError, RecursionError):
        raise bad(request, "The request body is not valid JSON.", "InvalidJson") from None
    listed = field(found, name) if isinstance(found, dict) else found
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise bad(request, "The request body is not a list of names.")
    return set(listed)


def count_of(request: web.Request, value: object) -> int:
    """A page size; PAGE_SIZE when absent.

    Raises:
        web.Refused: 400, unless it is a positive number.
    """
    if value is None or value == "":
        return PAGE_SIZE
    written = str(value)
    if not written.isascii() or not written.isdecimal() or len(written) > _MAX_DIGITS or int(written) < 1:
        raise bad(request, f"The page size {written!r} is not a positive number.")
    return int(written)


def page(request: web.Request, items: Sequence[Any], *, top: int, token: str | None, token_name: str) -> dict[str, Any]:
    """`{"value"}` with `continuationToken` and `nextLink` only while more follows, as recorded traffic shows.

    Raises:
        web.Refused: 400, for a token that cannot be read.
    """
    try:
        start = max(0, int(base64.b64decode(token, validate=True))) if token else 0
    except (binascii.Error, ValueError):
        raise bad(request, "The continuation token is invalid.", "InvalidContinuationToken") from None
    found: dict[str, Any] = {"value": list(items[start : start + top])}
    if start + top < len(items):
        following = base64.b64encode(str(start + top).encode()).decode()
        query = {name: value for name, value in request.query.items() if name != token_name.lower()}
        found["continuationToken"] = following
        found["nextLink"] = f"https://{request.host}{request.path}?{urlencode({**query, token_name: following})}"
    return found


def time_text(moment: datetime | None) -> str | None:
    """A time as these services write it, or None."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}+00:00" if moment else None
