"""Logs of a job, a run or a deployment: all logs, or the last lines of the one that explains a failure.

Logs are read on request and never stored: they are foreign text and may hold anything. Not here: what a failure means
(operations.advice).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.catalog import kinds
from shared.jobs import history
from shared.rest import azure_versions, error_bodies, errors, ids
from shared.text import masking

if TYPE_CHECKING:
    from shared.rest.addresses import Addresses
    from shared.rest.client import Client

LOG_LIMIT = 256 * 1024  # bytes at the end of each log
CONTAINERS = ("InferenceServer", "StorageInitializer")  # containers of a deployment
LINES = 500  # log lines of a container
TAIL_LINES, TAIL_LINE = 20, 300  # lines, and characters of each, that an explanation shows
TAIL_LIMIT = 16 * 1024  # bytes that are searched for these lines
DEPTH = 3  # pipelines inside pipeline steps
SPEAKING = ("user_logs/std_log", "70_driver_log", "user_logs/", "logs/azureml/")  # logs of a run, best first


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The end of a log.

    Attributes:
        of: The path of the resource that wrote it: the failed child, if there are several.
        name: The name of the log.
        lines: The last lines, with secrets masked.
        error: The error of that child, if run history has one.
    """

    of: str
    name: str
    lines: tuple[str, ...]
    error: errors.AzureError | None = None


def read(where: ids.ResourceId, client: Client, addresses: Addresses, *, only: str = "") -> dict[str, Any]:
    """Return `{"status", "value": [{"name", "content"}]}`: the end of every log, or only of the log `only`.

    Raises:
        RejectedError: Azure has no such run or deployment.
        BadRequestError: `NoSuchLog` (404), listing the existing logs.
    """
    if _is_deployment(where):
        _check(only, CONTAINERS)
        wanted = [each for each in CONTAINERS if only in ("", each)]
        return {"value": [{"name": each, "content": _container(where, each, LINES, client, addresses)} for each in wanted]}
    details = _details(where.name, where, client, addresses)
    files: dict[str, str] = details.get("logFiles") or {}
    _check(only, tuple(files))
    value = [{"name": name, "content": _file(url, LOG_LIMIT, client)} for name, url in files.items() if only in ("", name)]
    return {"status": details.get("status"), "value": value}


def error_of(where: ids.ResourceId, client: Client, addresses: Addresses) -> errors.AzureError | None:
    """Return the error of a job or run from run history, None if it has none.

    Raises:
        StewardError: run history cannot be read.
    """
    return _error_in(_details(where.name, where, client, addresses))


def tail(where: ids.ResourceId, client: Client, addresses: Addresses) -> Tail | None:
    """Return the last lines of the log of the failed resource, None without a log.

    Raises:
        StewardError: the log cannot be read.
    """
    if _is_deployment(where):
        found = ((each, _container(where, each, TAIL_LINES, client, addresses)) for each in CONTAINERS)
        return next((Tail(of=where.path, name=name, lines=_last(text)) for name, text in found if text.strip()), None)
    name, error = _failed(where.name, where, client, addresses, DEPTH)
    files: dict[str, str] = _details(name, where, client, addresses).get("logFiles") or {}
    for each in sorted((each for each in files if not each.startswith("system_logs/")), key=_rank):
        if lines := _last(_file(files[each], TAIL_LIMIT, client)):
            return Tail(of=ids.below(where.ancestor(1).path, "jobs", name), name=each, lines=lines, error=error)
    return Tail(of=ids.below(where.ancestor(1).path, "jobs", name), name="", lines=(), error=error) if error else None


def _is_deployment(where: ids.ResourceId) -> bool:
    return "onlineEndpoints" in where.types


def _check(only: str, names: tuple[str, ...]) -> None:
    if only and only not in names:
        message = f"There is no log '{only[:200]}'; existing logs: {', '.join(names) or 'none yet'}."
        raise errors.BadRequestError("NoSuchLog", message, target="file", status=404)


def _container(where: ids.ResourceId, container: str, lines: int, client: Client, addresses: Addresses) -> str:
    """Return the last log lines of a container of a deployment, '' if it has logged nothing yet."""
    path = ids.below(where.path, "getLogs")
    url = addresses.url("arm", path, f"api-version={kinds.ML_VERSION}", workspace=where.ancestor(1).path)
    found = client.send("POST", url, body={"containerType": container, "tail": lines}).checked().body
    return str((found or {}).get("content") or "")


def _failed(
    name: str, where: ids.ResourceId, client: Client, addresses: Addresses, depth: int
) -> tuple[str, errors.AzureError | None]:
    """Return the run that explains a failed one, and its error: its first failed child (a step, a trial), or the run itself."""
    url = history.run_url(where, name, "children", addresses)
    answer = client.send("GET", url)
    children = (answer.body or {}).get("value") if answer.ok and isinstance(answer.body, dict) else None
    failed = [each for each in children or [] if isinstance(each, dict) and str(each.get("status")).lower() == "failed"]
    if not failed or not depth:
        return name, None
    child = min(failed, key=lambda each: str(each.get("endTimeUtc") or "~"))
    deeper, error = _failed(str(child.get("runId")), where, client, addresses, depth - 1)
    return deeper, error or _error_in(child)


def _details(name: str, where: ids.ResourceId, client: Client, addresses: Addresses) -> dict[str, Any]:
    found = client.send("GET", history.run_url(where, name, "details", addresses)).checked().body
    return found if isinstance(found, dict) else {}


def _error_in(run: dict[str, Any]) -> errors.AzureError | None:
    """Return the error of a run, with secrets masked, because its message may quote the log."""
    if not error_bodies.speaks(run.get("error")):
        return None
    found = error_bodies.unfold(200, {"error": run["error"]})
    return replace(found, message=masking.masked(found.message))


def _file(url: str, limit: int, client: Client) -> str:
    """Return the end of a log in storage ('' if it does not exist yet); the answer to a first read has its length."""
    answer = _part(url, f"bytes=0-{limit - 1}", client)
    whole = answer.headers.get("content-range", "").rpartition("/")[2]
    if whole.isdecimal() and int(whole) > limit:
        answer = _part(url, f"bytes={int(whole) - limit}-", client)
    return answer.content[-limit:].decode("utf-8-sig", errors="replace") if answer.ok else ""


def _part(url: str, span: str, client: Client) -> Any:
    return client.send_signed("GET", url, headers={"x-ms-version": azure_versions.STORAGE_DATA, "Accept": "*/*", "Range": span})


def _rank(name: str) -> int:
    return next((place for place, start in enumerate(SPEAKING) if start in name), len(SPEAKING))


def _last(text: str) -> tuple[str, ...]:
    """Return the last lines that are not empty."""
    lines = [line.rstrip() for line in masking.masked(text[-TAIL_LIMIT:]).splitlines() if line.strip()]
    return tuple(line if len(line) <= TAIL_LINE else f"{line[:TAIL_LINE]}…" for line in lines[-TAIL_LINES:])
