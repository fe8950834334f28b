"""Timer, queue and HTTP: the clean-up by schedule and on demand, its policies, and the reports it leaves."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import azure.functions as func

from functions import http, parameters, routes, terms, waiting, yaml_files
from shared import services
from shared.durable import messages
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.cleanup.policy.model import Mode
    from shared.cleanup.policy.scopes import Scope
    from shared.cleanup.run.journal import Run

blueprint = func.Blueprint()
log = logging.getLogger("steward.cleanup")

QUEUE = messages.CLEANUP_QUEUE
LIST_LIMIT = 100
SKIP_LIMIT = 100_000_000
WAIT_STEP_S = 0.5
MODES: tuple[Mode, ...] = ("dryRun", "enforce")
FORMS = ("json", "html", "csv")
SHOWN = ("all", "changes")


@blueprint.function_name("cleanup_timer")
@blueprint.timer_trigger("timer", "0 * * * * *", use_monitor=True)
def tick(timer: func.TimerRequest) -> None:
    """Start the policies that came due, and send again what is overdue of runs under way."""
    from shared.cleanup.run import runs, timetable
    from shared.durable import aside, sweep, timers

    app, started = services.get(), ""

    def due() -> int:
        nonlocal started
        started = timetable.tick(app)
        return bool(started)

    with aside.collected("clean-up", lambda: app.blobs):
        sent = sweep.parts({"lost": lambda: runs.reconcile(app), "due": due})
    timers.finished("cleanup_timer", app.cleanup_rows, app.clock())
    log.info("clean-up: %d sent again, started %s; past due: %s", sent["lost"], started or "none", timer.past_due)


@blueprint.function_name("cleanup_step")
@blueprint.queue_trigger("message", QUEUE, "AzureWebJobsStorage")
def step(message: func.QueueMessage) -> None:
    """Take the step of a run that the message names."""
    from shared.cleanup.run import runs

    runs.step(message.get_body().decode("utf-8"), services.get(), redelivered=(message.dequeue_count or 1) > 1)


@blueprint.function_name("cleanup_poison")
@blueprint.queue_trigger("message", f"{QUEUE}-poison", "AzureWebJobsStorage")
def poison(message: func.QueueMessage) -> None:
    """Put a message aside that kept failing; its run goes on by the timer, which gives up what fails again and again."""
    from shared.cleanup.run import runs
    from shared.durable import worker
    from shared.operations import observing

    text = message.get_body().decode("utf-8", errors="replace")
    app = services.get()
    worker.poisoned(runs.machine(), QUEUE, text, app, lambda: app.ledger.blobs)
    observing.poisoned(QUEUE)
    log.error("poison message: %.200s", text)


@routes.route(blueprint, "cleanup_run", "cleanup", ["POST"])
async def run_clean_up(req: func.HttpRequest) -> func.HttpResponse:
    """POST `cleanup?policy=&workspace=&mode=dryRun|enforce` (default: all, dry): 202 with the report to come."""
    return await http.guarded(_begun(req, _start), req)


@routes.route(blueprint, "cleanup_approve", "cleanup/reports/{id}/approve", ["POST"])
async def approve(req: func.HttpRequest) -> func.HttpResponse:
    """POST `cleanup/reports/{id}/approve`: carry out exactly what that dry run would do, each judged again; 202."""
    return await http.guarded(_begun(req, _approve), req)


@routes.route(blueprint, "cleanup_cancel", "cleanup/reports/{id}/cancel", ["POST"])
async def cancel(req: func.HttpRequest) -> func.HttpResponse:
    """POST `cleanup/reports/{id}/cancel`: submit nothing more; 200 with the run as it stands."""
    return await http.answer(req, _cancel)


@routes.route(blueprint, "cleanup_reports", "cleanup/reports", ["GET"])
async def list_reports(req: func.HttpRequest) -> func.HttpResponse:
    """GET `cleanup/reports?$top=`: the newest first, without their resources."""
    return await http.answer(req, _list)


@routes.route(blueprint, "cleanup_report", "cleanup/reports/{id}", ["GET"])
async def read_report(req: func.HttpRequest) -> func.HttpResponse:
    """GET `cleanup/reports/{id}?format=json|html|csv&show=all|changes`: every resource that was looked at, with the reason."""
    return await http.answer(req, _read)


@routes.route(blueprint, "cleanup_result", "cleanup/reports/{id}/result", ["GET"])
async def read_result(req: func.HttpRequest) -> func.HttpResponse:
    """GET `cleanup/reports/{id}/result`: 202 while the run goes on, for `Location`; then its report or why it failed."""
    return await http.answer(req, _result)


@routes.route(blueprint, "cleanup_explain", "cleanup/explain", ["GET"])
async def explain(req: func.HttpRequest) -> func.HttpResponse:
    """GET `cleanup/explain?resource=`: what each policy finds of one resource, condition by condition."""
    return await http.answer(req, _explain)


@routes.route(blueprint, "cleanup_policies", "cleanup/policies", ["GET"])
async def list_policies(req: func.HttpRequest) -> func.HttpResponse:
    """GET `cleanup/policies`: those in force, and what is wrong with files."""
    return await http.answer(req, _policies)


@routes.route(blueprint, "cleanup_policies_check", "cleanup/policies", ["POST"])
async def check_policies(req: func.HttpRequest) -> func.HttpResponse:
    """POST `cleanup/policies` with a file of policies: how it reads, or every mistake at its place; nothing is stored."""
    return await http.answer(req, _check)


@routes.route(blueprint, "cleanup_policy_file", "cleanup/policies/{file}", ["GET", "PUT", "DELETE"])
async def policy_file(req: func.HttpRequest) -> func.HttpResponse:
    """GET, PUT or DELETE `cleanup/policies/{file}`: one YAML file of policies, refused with line and column when it is wrong."""
    return await http.answer(req, _policy_file)


async def _begun(req: func.HttpRequest, begin: Callable[[func.HttpRequest], Run]) -> func.HttpResponse:
    """Begin a run, wait as long as the caller prefers, and answer with the report as it stands then."""
    app, run = services.get(), await waiting.in_thread(begin, req)
    end = time.monotonic() + http.preferred_wait_s(req)
    with waiting.place() as free:
        while free and not run.ended and time.monotonic() < end:
            await asyncio.sleep(WAIT_STEP_S)
            kept = await waiting.in_thread(app.journal.load, run.name)
            run = kept.value if kept else run
    return await waiting.in_thread(_answer, req, run)


def _answer(req: func.HttpRequest, run: Run) -> func.HttpResponse:
    """Answer with the report, or 202 and where to follow the run.

    Raises:
        RejectedError: `CleanupFailed` (502); the run ended before it could judge anything.
    """
    from shared.cleanup.report import reports

    below = f"cleanup/reports/{run.name}"
    if not run.ended:
        headers = {"Location": http.to_follow(req, f"{below}/result"), "Retry-After": "2"}
        return http.json_response(reports.summary(run), 202, req, headers)
    if run.status == "Failed":
        message = f"The clean-up failed, and its report has what it came to: {' '.join(run.notes)}"
        error = errors.AzureError(code="CleanupFailed", message=message, target=f"/{below}")
        raise errors.RejectedError(error, status=502)
    headers = {"Location": f"{http.base_url(req)}/{below}"}
    return http.json_response(reports.view(reports.load(run.name, reports.Page(), services.get())), 200, req, headers)


def _start(req: func.HttpRequest) -> Run:
    from shared.cleanup.run import runs, timetable

    mode: Mode = "enforce" if parameters.choice(req, "mode", MODES) == "enforce" else "dryRun"
    names = [name.strip() for name in parameters.text(req, "policy").split(",") if name.strip()]
    if not names and (given := parameters.text(req, "policy")):
        message = f"'policy' is '{given[:50]}'; expected names of policies, by commas, or no such parameter for all of them."
        raise errors.BadRequestError("InvalidParameter", message, target="policy")
    chosen, notes = timetable.chosen(names, services.get())
    if mode == "enforce":
        dry = [policy.name for policy in chosen if policy.mode != "enforce"]
        if dry and (names or len(dry) == len(chosen)):
            who = f"{', '.join(dry[:10])} only report{'s' if len(dry) == 1 else ''}"
            message = f"{who}: run it dry and POST cleanup/reports/{{id}}/approve, or say `mode: enforce` in the policy."
            raise errors.BadRequestError("PolicyNotEnforced", message, target="mode", status=409)
    app = services.get()
    told = terms.callbacks(req, app.settings)
    asked = runs.Asked(mode=mode, caller=http.caller(req), notes=notes, notify=told, scope=_scope(req))
    return runs.start(chosen, asked, app)


def _scope(req: func.HttpRequest) -> Scope:
    from shared.cleanup.policy import scopes

    given = [word for word in scopes.WORDS if parameters.text(req, word)]
    if len(given) > 1:
        message = f"A run keeps to one of {', '.join(scopes.WORDS)}; {' and '.join(given)} are given."
        raise errors.BadRequestError("InvalidParameter", message, target=given[1])
    return scopes.read(given[0], parameters.text(req, given[0]), services.get()) if given else scopes.EVERYTHING


def _approve(req: func.HttpRequest) -> Run:
    from shared.cleanup.run import runs

    app = services.get()
    told = terms.callbacks(req, app.settings)
    return runs.approve(_name(req), caller=http.caller(req), services=app, notify=told)


def _cancel(req: func.HttpRequest) -> func.HttpResponse:
    from shared.cleanup.report import reports
    from shared.cleanup.run import runs

    return http.json_response(reports.summary(runs.cancel(_name(req), services.get())), 200, req)


def _list(req: func.HttpRequest) -> func.HttpResponse:
    from shared.cleanup.report import reports

    top = parameters.whole_number(req, "$top", 20, LIST_LIMIT)
    return http.json_response({"value": [reports.summary(run) for run in reports.newest(top, services.get())]}, 200, req)


def _read(req: func.HttpRequest) -> func.HttpResponse:
    from shared.cleanup.report import report_page, reports
    from shared.notify import deliveries

    page = reports.Page(
        skip=parameters.whole_number(req, "$skipToken", 0, SKIP_LIMIT) or parameters.whole_number(req, "$skip", 0, SKIP_LIMIT),
        top=max(1, parameters.whole_number(req, "$top", reports.TOP, reports.MOST)),
        changes=parameters.choice(req, "show", SHOWN) == "changes",
    )
    report = reports.load(_name(req), page, services.get())
    form, following = _form(req), http.next_link(req, str(report.more)) if report.more else ""
    if form == "json":
        body = reports.view(report)
        if report.run.notify:
            body["deliveries"] = deliveries.views(report.run.name, services.get())
        return http.json_response({**body, "nextLink": following} if following else body, 200, req)
    headers = {"Link": f'<{following}>; rel="next"'} if following else {}
    if form == "csv":
        headers["Content-Disposition"] = f'attachment; filename="cleanup-{report.run.name}.csv"'
        return http.response(report_page.table(report), 200, req, {**headers, "Content-Type": "text/csv; charset=utf-8"})
    headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    link = f"?{following.partition('?')[2]}" if following else ""
    content = report_page.page(report, following=link)
    return http.response(content, 200, req, {**headers, "Content-Type": "text/html; charset=utf-8"})


def _result(req: func.HttpRequest) -> func.HttpResponse:
    from shared.cleanup.run import journal

    kept = services.get().journal.load(_name(req))
    if kept is None:
        raise journal.missing(_name(req))
    return _answer(req, kept.value)


def _name(req: func.HttpRequest) -> str:
    return str(req.route_params.get("id", ""))


def _form(req: func.HttpRequest) -> str:
    """Return json, html or csv: what `format` says, else what the caller accepts."""
    if given := parameters.choice(req, "format", FORMS):
        return given
    accepts = str(req.headers.get("accept", "")).lower()
    return "csv" if "text/csv" in accepts else "html" if "text/html" in accepts else "json"


def _explain(req: func.HttpRequest) -> func.HttpResponse:
    from shared.cleanup.report import explaining

    app = services.get()
    resource = parameters.resource(req, "resource", app.settings)
    if resource is None or resource.is_collection or not resource.types:
        given = f"'resource' is '{parameters.text(req, 'resource')[:200]}'" if resource else "'resource' is missing"
        message = f"{given}; expected one resource: its ARM id, or its path below /api such as workspaces/ml1/computes/cpu."
        raise errors.BadRequestError("InvalidParameter", message, target="resource")
    return http.json_response(explaining.explain(resource, app), 200, req)


def _policies(req: func.HttpRequest) -> func.HttpResponse:
    from shared.cleanup.policy import policies

    found, problems = policies.load(services.get().blobs)
    body = {"value": [policies.to_json(policy) for policy in found], "problems": [problem.to_json() for problem in problems]}
    return http.json_response(body, 200, req)


def _check(req: func.HttpRequest) -> func.HttpResponse:
    from shared.cleanup.policy import policies

    text = yaml_files.text_of(req, policies.CODE)
    name = "".join(each for each in parameters.text(req, "name", "policies.yaml") if each.isprintable())
    found = policies.parse(text, name[:200])
    return http.json_response({"value": [policies.to_json(policy) for policy in found]}, 200, req)


def _policy_file(req: func.HttpRequest) -> func.HttpResponse:
    from shared.cleanup.policy import policies

    folder = yaml_files.Folder(
        prefix=policies.FOLDER,
        holds="policies",
        listing="cleanup/policies",
        invalid=policies.CODE,
        missing="PolicyFileNotFound",
    )

    def read(text: str, file: str) -> list[dict[str, Any]]:
        return [policies.to_json(policy) for policy in policies.parse(text, file)]

    return yaml_files.answer(req, folder, read, lambda: None)  # a run reads the files when it begins
