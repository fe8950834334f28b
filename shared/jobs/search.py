"""Job search, which ARM does not have: run history filters by status, compute, tag and time (OData), page by page.

With a compute, run history lists that compute's runs; otherwise it answers per experiment, and the answers of several experiments
are merged (merging). The results look like ARM's jobs. Not here: one job's logs and metrics (logs, history).
"""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.catalog import kinds
from shared.jobs import merging
from shared.jobs.merging import Search
from shared.rest import errors, ids
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.jobs.merging import Ask
    from shared.rest.addresses import Addresses
    from shared.rest.client import Client

PARAMETERS = frozenset({"status", "compute", "since", "tag", "experiment", "archived", "anonymous"})
STATUSES = (
    "NotStarted", "Starting", "Provisioning", "Preparing", "Queued", "Running", "Finalizing", "CancelRequested", "Completed",
    "Failed", "Canceled", "NotResponding", "Paused", "Unknown",
)  # fmt: skip
TOP_LIMIT = 500
NAME = re.compile(r"[\w.-]{1,255}", re.ASCII)  # characters allowed in an OData path


def read(query: Mapping[str, list[str]]) -> Search:
    """Read the query parameters of a search; a repeated parameter matches any of its values, a repeated tag all of them.

    Raises:
        BadRequestError: `InvalidParameter`, with the expected value.
    """
    given = {name.lower(): values for name, values in query.items()}
    computes = [value.rstrip("/").rpartition("/")[2] for value in _several(given, "compute")]
    since = [_moment(value) for value in given.get("since", [])]
    parts = [
        _any("Status", [_status(value) for value in _several(given, "status")]),
        _any("Target", computes) if len(computes) > 1 else "",
        *(_tag(value) for value in given.get("tag", [])),
        *(f"CreatedUtc ge {times.iso(moment)}" for moment in since),
    ]
    experiment = (given.get("experiment") or [""])[0]
    for name in (*computes, experiment):
        if name and not NAME.fullmatch(name):
            raise _bad("compute" if name in computes else "experiment", name, "a name")
    return Search(
        condition=" and ".join(part for part in parts if part),
        compute=computes[0] if len(computes) == 1 else "",
        experiment=experiment,
        archived=_flag(given, "archived"),
        anonymous=_flag(given, "anonymous"),
        top=_top(given),
        since=max(since, default=merging.LONG_AGO),
        place=_place((given.get("$skiptoken") or [""])[0]),
    )


def page(search: Search, workspace: ids.ResourceId, client: Client, addresses: Addresses) -> tuple[list[dict[str, Any]], str]:
    """Return one page of jobs, newest first, and the token of the next page ('' after the last).

    Raises:
        RejectedError: Azure refused the filter, or has no such workspace.
        TransientError: Azure did not answer; a partial result is never returned.
    """
    ask = partial(_ask, workspace=workspace, client=client, addresses=addresses)
    if search.compute or search.experiment:
        found, token = (_of_compute if search.compute else _of_experiment)(search, ask)
        place = {"token": token} if token else {}
    else:
        found, place = merging.page(search, ask)
    jobs = [_as_job(run, workspace) for run in found if _wanted(run, search)]
    return jobs, base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=") if place else ""


def _ask(
    method: str, *tail: str, body: Any = None, query: str = "", workspace: ids.ResourceId, client: Client, addresses: Addresses
) -> dict[str, Any]:
    query = f"api-version={kinds.V1_VERSION}{query}"
    url = addresses.url("history", ids.below(workspace.path, *tail), query, workspace=workspace.path)
    answer = client.send(method, url, body=body).checked().body
    return answer if isinstance(answer, dict) else {}


def _of_compute(search: Search, ask: Ask) -> tuple[list[dict[str, Any]], str]:
    parameters = {
        "$filter": search.condition,
        "$orderby": "CreatedUtc desc",
        "$top": str(search.top),
        "$continuationtoken": search.place.get("token", ""),
    }
    query = "".join(f"&{name}={quote(value, safe='')}" for name, value in parameters.items() if value)
    answer = ask("GET", "computes", search.compute, "runs", query=query)
    experiment = search.experiment.lower()
    runs = [run for run in merging.items(answer) if not experiment or str(run.get("experimentName", "")).lower() == experiment]
    return runs, str(answer.get("continuationToken") or "")


def _of_experiment(search: Search, ask: Ask) -> tuple[list[dict[str, Any]], str]:
    asked = merging.query(search, search.condition, token=search.place.get("token", ""))
    answer = ask("POST", "experiments", search.experiment, "runs:query", body=asked)
    return merging.items(answer), str(answer.get("continuationToken") or "")


def _wanted(run: Mapping[str, Any], search: Search) -> bool:
    return (search.archived or not run.get("hidden")) and (search.anonymous or not run.get("parentRunId"))


def _as_job(run: Mapping[str, Any], workspace: ids.ResourceId) -> dict[str, Any]:
    """Return a run in the form of ARM's jobs, with the fields that run history has; ARM's GET of its id has the rest."""
    job = workspace.child("jobs", str(run.get("runId")))
    target = run.get("target")
    kind = str(run.get("runType") or "").lower().removeprefix("azureml.")
    by = run.get("createdBy") if isinstance(run.get("createdBy"), dict) else {}
    properties = {
        "jobType": _JOB_TYPES.get(kind),
        "status": run.get("status"),
        "displayName": run.get("displayName") or run.get("name"),
        "description": run.get("description"),
        "experimentName": run.get("experimentName"),
        "parentJobName": run.get("parentRunId"),
        "computeId": workspace.child("computes", str(target)).path if target and NAME.fullmatch(str(target)) else None,
        "isArchived": bool(run.get("hidden")),
        "startTimeUtc": run.get("startTimeUtc"),
        "endTimeUtc": run.get("endTimeUtc"),
        "error": run.get("error"),
        "tags": run.get("tags") or {},
        "properties": run.get("properties") or {},
    }
    return {
        "id": job.path,
        "name": job.name,
        "type": job.full_type,
        "systemData": {"createdAt": run.get("createdUtc"), "createdBy": (by or {}).get("userName")},
        "properties": {name: value for name, value in properties.items() if value is not None},
    }


_JOB_TYPES = {
    "commandjob": "Command", "scriptrun": "Command", "sweepjob": "Sweep", "hyperdrive": "Sweep", "pipelinejob": "Pipeline",
    "pipelinerun": "Pipeline", "automljob": "AutoML", "automl": "AutoML", "sparkjob": "Spark",
}  # fmt: skip


def _several(given: Mapping[str, list[str]], name: str) -> list[str]:
    return [part.strip() for value in given.get(name, []) for part in value.split(",") if part.strip()]


def _any(field_name: str, values: list[str]) -> str:
    if not values:
        return ""
    terms = [f"{field_name} eq {_text(value)}" for value in values]
    return terms[0] if len(terms) == 1 else f"({' or '.join(terms)})"


def _status(value: str) -> str:
    known = next((status for status in STATUSES if status.lower() == value.lower()), None)
    if known is None:
        raise _bad("status", value, f"one of {', '.join(STATUSES)}")
    return known


def _tag(value: str) -> str:
    """Return the filter for a tag: `name` (the tag exists) or `name=value`."""
    name, has_value, text = value.partition("=")
    if not NAME.fullmatch(name):
        raise _bad("tag", value, "name or name=value; the name has letters, digits, dots, hyphens and underscores")
    return f"tags/{name} eq {_text(text)}" if has_value else f"tags/{name} ne null"


def _text(value: str) -> str:
    """Return an OData string: quotes are doubled."""
    return "'" + value.replace("'", "''") + "'"


def _moment(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value.replace(" ", "+"))  # a plus sign in a query is decoded as a space
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _bad("since", value, "an ISO date or time such as 2026-01-31 or 2026-01-31T08:00:00Z") from None


def _flag(given: Mapping[str, list[str]], name: str) -> bool:
    text = (given.get(name) or ["false"])[0].lower()
    if text not in ("", "true", "false"):
        raise _bad(name, text, "true or false")
    return text != "false"


def _top(given: Mapping[str, list[str]]) -> int:
    text = (given.get("$top") or [str(merging.TOP)])[0]
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= TOP_LIMIT):
        raise _bad("$top", text, f"a whole number from 1 to {TOP_LIMIT}")
    return int(text)


def _place(token: str) -> dict[str, Any]:
    if not token:
        return {}
    try:
        place = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError:
        place = None
    known = {"token": str, "experiments": str, "before": str, "told": list}
    if not isinstance(place, dict) or any(not isinstance(value, known.get(name, ())) for name, value in place.items()):
        raise _bad("$skipToken", token, "the token from a nextLink of this search")
    if not all(isinstance(name, str) for name in place.get("told", ())):
        raise _bad("$skipToken", token, "the token from a nextLink of this search")
    if place.get("before"):
        place["before"] = times.iso(_moment(place["before"]))
    return place


def _bad(name: str, value: str, expected: str) -> errors.BadRequestError:
    return errors.BadRequestError("InvalidParameter", f"'{name}' is '{value[:100]}'; expected {expected}.", target=name)
