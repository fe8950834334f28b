"""What one answer of a long-running operation says: its state, its error, the URLs it names. No decision is taken here.

Not here: what follows from it (rest.long_running), error bodies as such (rest.error_bodies).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.rest import error_bodies, errors

if TYPE_CHECKING:
    from shared.rest.client import Response

NO_REASON = "; Azure gave no reason."  # how the words for it end


def dig(body: Any, path: str) -> Any:
    """Return what stands at a dotted path, None when nothing does."""
    for name in path.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return body


def state(body: Any, path: str) -> str:
    """Return the text at a dotted path, '' for anything else."""
    found = dig(body, path)
    return found if isinstance(found, str) else ""


def percent(body: dict[str, Any]) -> float | None:
    """Return `percentComplete` when it is one."""
    found = body.get("percentComplete")
    return float(found) if isinstance(found, int | float) and 0 <= found <= 100 else None


def status_url_in(body: Any) -> str:
    """Return the status URL that stands in a deployment's body, '' when none does."""
    return state(body, "properties.properties.AzureAsyncOperationUri")


def v1_operation_url(resource_url: str, response: Response) -> str:
    """Return `…/workspaces/{w}/operations/{id}` beside a v1 service, '' for any other answer; only the id is the header's."""
    named = response.headers.get("operation-location", "").partition("?")[0].rstrip("/").rpartition("/")[2]
    path, _, query = resource_url.partition("?")
    workspace, found, _ = path.rpartition("/services/")
    if not named or not found or "/modelmanagement/" not in workspace:
        return ""
    return f"{workspace}/operations/{named}" + (f"?{query}" if query else "")


def location_elsewhere(resource_url: str, response: Response) -> str:
    """Return where `Location` points, '' when it is missing or names the resource itself, in whatever spelling."""
    location = absolute(resource_url, response.headers.get("location", ""))
    return location if _path(location) != _path(resource_url) else ""


def is_resource(resource_url: str, body: Any) -> bool:
    """Return whether the body is the resource: it has its id."""
    return bool(state(body, "id")) and _path(absolute(resource_url, state(body, "id"))) == _path(resource_url)


def absolute(resource_url: str, url: str) -> str:
    """Return `url` as it came; one that starts at the root, with a slash or without, gets the resource's server in front."""
    if url.lower().startswith("subscriptions/"):  # Microsoft.Workloads, MixedReality
        url = f"/{url}"
    if not url.startswith("/"):
        return url
    server = "/".join(resource_url.split("/", 3)[:3])
    return f"https:{url}" if url.startswith("//") else f"{server}{url}"


def operation_error(body: dict[str, Any], ended_as: str) -> errors.AzureError:
    """Read why an operation ended otherwise, from its status body."""
    for path in ("error", "properties.error"):
        if error_bodies.speaks(dig(body, path)):
            return error_bodies.unfold(200, {"error": dig(body, path)})
    return errors.AzureError(
        code=f"Operation{ended_as.capitalize()}", message=f"Azure ended the operation as {ended_as} and gave no reason."
    )


def resource_error(body: Any, ended_as: str) -> errors.AzureError:
    """Read why a resource is Failed: compute lists it in `provisioningErrors`, a run in `error`, others nowhere."""
    for path in ("properties.provisioningErrors", "properties.errors", "error", "properties.error"):
        found = dig(body, path)
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, dict):
            found = found.get("error") or found
        if error_bodies.speaks(found):
            return error_bodies.unfold(200, {"error": found})
    noun = state(body, "name") or "The resource"
    return errors.AzureError(code=f"Resource{ended_as.capitalize()}", message=f"{noun} ended as {ended_as}{NO_REASON}")


def _path(url: str) -> str:
    return url.partition("?")[0].rstrip("/").lower()
