"""What runs, or ran last: run history's answers, and ARM's jobs where a server has no such list.

Run history is asked first, because it alone filters: ARM lists all jobs that ever were (docs/protocol.md §5.4). A run is over
when its status is Completed, Failed or Canceled; anything else, also a status that is new, counts as under way. Not here:
what follows from it (idle, conditions).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.catalog import bodies, kinds
from shared.cleanup.facts import inventory
from shared.rest import errors, ids
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from shared.cleanup.facts.inventory import Azure
    from shared.rest.client import Response

TERMINAL = frozenset({"completed", "failed", "canceled"})  # docs/protocol.md §5.6
UNDER_WAY = "Status ne 'Completed' and Status ne 'Failed' and Status ne 'Canceled'"
LONGEST_RUN = timedelta(days=30)  # a job lives for 21 days at most on Azure ML compute (documented limits), and a margin
TOP = 100
WORTH_A_PAGE = 2  # jobs in one page of ARM's list, for it to be cheaper than a call for each


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """What ran, or runs, on a compute or in a workspace.

    Attributes:
        count: How many were looked at; older ones are not read where they cannot matter.
        active: The first that is under way, e.g. `run train-7 is Queued`; '' when there is none.
        last_at: When the last of them began or ended.
    """

    count: int = 0
    active: str = ""
    last_at: datetime | None = None


def on_compute(workspace: ids.ResourceId, compute: str, azure: Azure, *, since: datetime) -> Runs:
    """Return what ran on a compute.

    Args:
        workspace: Its workspace.
        compute: Its name.
        azure: Where to read.
        since: What ended before does not matter; what is under way always does.

    Raises:
        StewardError: neither run history's list nor ARM's jobs could be read whole.
    """
    path = ids.below(workspace.path, "computes", compute, "runs")
    query = f"api-version={kinds.V1_VERSION}&$top={TOP}"
    try:
        active = azure.addresses.url("history", path, f"{query}&$filter={quote(UNDER_WAY, safe='')}", workspace=workspace.path)
        found = next((run for run in inventory.items(active, azure) if not ended(run)), None)
        if found:
            return Runs(count=1, active=told(found), last_at=_run_at(found))
        newest = azure.addresses.url("history", path, f"{query}&$orderby=CreatedUtc%20desc", workspace=workspace.path)
        return _folded(inventory.items(newest, azure), since - LONGEST_RUN)
    except errors.RejectedError:
        jobs = inventory.listing(workspace.child("jobs"), azure, "listViewType=All")
        return _folded((as_run(job) for job in jobs if _names_compute(job, compute)), None)


def under_way(workspace: ids.ResourceId, azure: Azure) -> Iterator[dict[str, Any]]:
    """Yield the runs of a workspace that are under way, as run history shows them; archived experiments run, too (c7n#11117).

    Raises:
        StewardError: neither run history nor ARM's jobs could be read whole.
    """
    try:
        found = [run for name in experiments(workspace, azure) for run in _of_experiment(workspace, name, azure)]
    except errors.RejectedError:
        jobs = inventory.listing(workspace.child("jobs"), azure, "listViewType=All")
        found = [{**as_run(job), "job": job} for job in jobs]
    yield from (run for run in found if not ended(run))


def made_since(workspace: ids.ResourceId, azure: Azure, since: datetime) -> Iterator[dict[str, Any]]:
    """Yield the runs that were made since a moment, of archived experiments, too.

    Raises:
        StewardError: run history could not be read completely.
    """
    for found in _experiments(workspace, azure):
        newest_at = times.moment(found.get("latestCreatedRunCreatedUtc"))
        if newest_at is None or newest_at >= since:
            url = _history(workspace, azure, "experiments", str(found.get("name")), "runs:query")
            condition = f"CreatedUtc ge {times.iso(since)}"
            yield from inventory.items(url, azure, {"filter": condition, "top": TOP})


def with_definitions(workspace: ids.ResourceId, azure: Azure) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield the runs under way, each with what it was started with (`definition`).

    Where several run, ARM's list of jobs is read for as long as a page of it holds several: one call in place of many.

    Raises:
        StewardError: a run, or what it was started with, could not be read.
    """
    found = list(under_way(workspace, azure))
    missing = {str(run.get("runId")).lower() for run in found if "job" not in run}
    jobs: dict[str, dict[str, Any]] = {}
    listed = inventory.pages(inventory.list_url(workspace.child("jobs"), azure, "listViewType=All"), azure)
    while len(missing) >= WORTH_A_PAGE:
        told = {str(job.get("name")).lower(): job for job in next(listed, [])}
        jobs |= {name: job for name, job in told.items() if name in missing}
        if len(missing & told.keys()) < WORTH_A_PAGE:
            break
        missing -= told.keys()
    for run in found:
        job = jobs.get(str(run.get("runId")).lower())
        yield run, job if job is not None else definition(workspace, run, azure)


def newest(workspace: ids.ResourceId, azure: Azure, *, since: datetime) -> Runs:
    """Return what was started last in a workspace, and what is under way; no more is read once a run after `since` is known.

    Raises:
        StewardError: run history could not be read completely.
    """
    names, last = [], None
    for found in _experiments(workspace, azure):
        names.append(str(found.get("name")))
        last = times.latest(last, found.get("latestCreatedRunCreatedUtc"))
        if last and last > since:
            return Runs(count=1, last_at=last)
    count = 0
    for name in names:
        if running := next(iter(_of_experiment(workspace, name, azure)), None):
            return Runs(count=count + 1, active=told(running), last_at=_run_at(running))
        url = _history(workspace, azure, "experiments", name, "runs:query")
        page = inventory.first_page(url, azure, {"orderBy": "CreatedUtc desc", "top": 1})
        count += len(page)
        last = times.latest(last, *(_run_at(run) for run in page))
    return Runs(count=count, last_at=last)


def experiments(workspace: ids.ResourceId, azure: Azure) -> Iterator[str]:
    """Yield the names of the experiments, archived ones included.

    Raises:
        StewardError: the list could not be read completely.
    """
    return (str(found.get("name")) for found in _experiments(workspace, azure))


def definition(workspace: ids.ResourceId, run: dict[str, Any], azure: Azure) -> Any:
    """Return what a run was started with: ARM's job, or run history's own record where ARM knows no such job (v1 runs).

    Raises:
        StewardError: neither could be read.
    """
    if "job" in run:
        return run["job"]
    name = str(run.get("runId"))
    job = inventory.read(workspace.child("jobs", name), azure)
    return job if job is not None else _record(workspace, name, azure).checked().body


def record(workspace: ids.ResourceId, name: str, azure: Azure) -> Any:
    """Return all that run history knows of a run, or None when there is none.

    Raises:
        StewardError: it could not be read.
    """
    answer = _record(workspace, name, azure)
    return None if answer.status in inventory.HTTP_ABSENT else answer.checked().body


def recorded(workspace: ids.ResourceId, name: str, azure: Azure) -> dict[str, Any] | None:
    """Return a run that ARM does not know as run history shows it, or None when there is none.

    Raises:
        StewardError: it could not be read.
    """
    found = bodies.dig(record(workspace, name, azure), "runMetadata")
    return found if isinstance(found, dict) else None


def _record(workspace: ids.ResourceId, name: str, azure: Azure) -> Response:
    asked = {"runId": name, "selectRunMetadata": True, "selectRunDefinition": True, "selectJobSpecification": True}
    return azure.client.send("POST", _history(workspace, azure, "rundata"), body=asked)


def ended(run: dict[str, Any]) -> bool:
    """Return whether a run is over."""
    return str(run.get("status") or "").lower() in TERMINAL


def told(run: dict[str, Any]) -> str:
    """Return a run that is under way, as a reason names it."""
    return f"{'job' if 'job' in run else 'run'} {run.get('runId')} is {run.get('status') or 'in an unknown state'}"


def as_run(job: dict[str, Any]) -> dict[str, Any]:
    """Return ARM's job as run history shows a run; the job itself stands in `job`."""
    return {
        "runId": job.get("name"),
        "status": bodies.dig(job, "properties.status"),
        "createdUtc": bodies.dig(job, "systemData.createdAt"),
        "startTimeUtc": bodies.dig(job, "properties.properties.StartTimeUtc"),
        "endTimeUtc": bodies.dig(job, "properties.properties.EndTimeUtc"),
        "parentRunId": bodies.dig(job, "properties.parentJobName"),
        "job": job,
    }


def _experiments(workspace: ids.ResourceId, azure: Azure) -> Iterator[dict[str, Any]]:
    url = _history(workspace, azure, "experiments:query")
    return inventory.items(url, azure, {"top": TOP, "viewType": "All"})


def _of_experiment(workspace: ids.ResourceId, name: str, azure: Azure) -> Iterator[dict[str, Any]]:
    url = _history(workspace, azure, "experiments", name, "runs:query")
    return (run for run in inventory.items(url, azure, {"filter": UNDER_WAY, "top": TOP}) if not ended(run))


def _history(workspace: ids.ResourceId, azure: Azure, *tail: str) -> str:
    path = ids.below(workspace.path, *tail)
    return azure.addresses.url("history", path, f"api-version={kinds.V1_VERSION}", workspace=workspace.path)


def _folded(found: Iterable[dict[str, Any]], horizon: datetime | None) -> Runs:
    """Fold runs, the newest first, into what matters of them; stop at one under way, or where the rest is too old."""
    count, last_at, older = 0, None, 0
    for run in found:
        count += 1
        if not ended(run):
            return Runs(count=count, active=told(run), last_at=_run_at(run))
        last_at = times.latest(last_at, _run_at(run))
        created = times.moment(run.get("createdUtc"))
        older = older + 1 if horizon and created and created < horizon else 0
        if older >= TOP:  # a whole page of them: the order was kept
            break
    return Runs(count=count, last_at=last_at)


def _run_at(run: dict[str, Any]) -> datetime | None:
    return times.latest(run.get("createdUtc"), run.get("startTimeUtc"), run.get("endTimeUtc"))


def _names_compute(job: dict[str, Any], compute: str) -> bool:
    from shared.cleanup.facts import mentions

    found = mentions.Mentions()
    found.add(job.get("properties"), "job", mentions.ANY)
    return any(key.split("|")[1:3] == [mentions.COMPUTES, compute.lower()] for key in found.found)
