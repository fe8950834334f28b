"""Timer and HTTP: the clean-up by schedule and on demand, and the reports it leaves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import azure.functions as func

from functions import http
from shared import services
from shared.rest import errors

if TYPE_CHECKING:
    from shared.cleanup import reports

blueprint = func.Blueprint()
log = logging.getLogger("steward.cleanup")

LIST_LIMIT = 100


@blueprint.function_name("cleanup_timer")
@blueprint.timer_trigger("timer", "%STEWARD_CLEANUP_SCHEDULE%", use_monitor=True)
def clean_up(timer: func.TimerRequest) -> None:
    """Run the clean-up; it acts only where `STEWARD_CLEANUP_MODE` is `enforce`."""
    from shared.cleanup import sweep

    app = services.get()
    try:
        mode: reports.Mode = "enforce" if app.settings.cleanup_enforce else "dryRun"
        sweep.sweep(app, mode=mode, caller="timer", budget=sweep.TIMER_BUDGET)
    except errors.BadRequestError as problem:
        log.warning("no clean-up: %s; past due: %s", problem, timer.past_due)


@blueprint.function_name("cleanup_run")
@blueprint.route("cleanup", methods=["POST"])
async def run_clean_up(req: func.HttpRequest) -> func.HttpResponse:
    """POST `cleanup?mode=dryRun|enforce` (default dryRun): the report, 200; 202 while what it started is under way."""
    return await http.answer(req, _run)


@blueprint.function_name("cleanup_reports")
@blueprint.route("cleanup/reports", methods=["GET"])
async def list_reports(req: func.HttpRequest) -> func.HttpResponse:
    """GET `cleanup/reports?$top=`: the newest first, without their resources."""
    return await http.answer(req, _list)


@blueprint.function_name("cleanup_report")
@blueprint.route("cleanup/reports/{id}", methods=["GET"])
async def read_report(req: func.HttpRequest) -> func.HttpResponse:
    """GET `cleanup/reports/{id}`: every resource that was looked at, with the reason."""
    return await http.answer(req, _read)


def _run(req: func.HttpRequest) -> func.HttpResponse:
    from shared.cleanup import sweep

    modes: dict[str, reports.Mode] = {"": "dryRun", "dryrun": "dryRun", "enforce": "enforce"}
    given = req.params.get("mode", "")
    if given.lower() not in modes:
        raise errors.BadRequestError("InvalidParameter", f"'mode' is '{given[:50]}'; expected dryRun or enforce.", target="mode")
    report = sweep.sweep(services.get(), mode=modes[given.lower()], caller=http.caller(req), budget=sweep.REQUEST_BUDGET)
    headers = {"Location": f"{http.base_url(req)}/cleanup/reports/{report.name}"}
    if report.ended_at:
        return http.json_response(report.view(), 200, req, headers)
    return http.json_response(report.view(), 202, req, {**headers, "Retry-After": "2"})


def _list(req: func.HttpRequest) -> func.HttpResponse:
    from shared.cleanup import reports

    top = http.whole_number(req.params.get("$top", "20"), "$top", LIST_LIMIT)
    found = reports.newest(top, services.get())
    return http.json_response({"value": [report.view(resources=False) for report in found]}, 200, req)


def _read(req: func.HttpRequest) -> func.HttpResponse:
    from shared.cleanup import reports

    name = str(req.route_params.get("id", ""))
    report = reports.load(name, services.get())
    if report is None:
        message = f"There is no clean-up report '{name[:100]}'."
        raise errors.BadRequestError("ReportNotFound", message, target="id", status=404)
    return http.json_response(report.view(), 200, req)
