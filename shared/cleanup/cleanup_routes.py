"""Routes of the clean-up: runs on demand, reports, approval, policies, marks. Not here: its timer and queue (functions)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Protocol

from shared.api import answer as answers
from shared.api import names, schemas, yaml_files
from shared.api.answer import Later
from shared.api.route import BUSY, LARGE, MISSING, Route
from shared.catalog import bodies, grants
from shared.rest import errors, ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.api.access import approvals
    from shared.api.answer import Answer
    from shared.api.call import Call
    from shared.cleanup.policy.model import Mode, Policy
    from shared.cleanup.run import claims
    from shared.cleanup.run.journal import Run
    from shared.cleanup.run.scopes import Scope

    class Services(claims.Services, approvals.Services, Protocol):
        """What these handlers need of the composition root (shared.services)."""


WHAT = "cleanup"  # of STEWARD_APPROVALS
LIST_LIMIT = 100
SKIP_LIMIT = 100_000_000
MARKS_LIMIT = 500
MODES: tuple[Mode, ...] = ("dryRun", "enforce")
FORMS = ("json", "html", "csv")
SHOWN = ("all", "changes")
REPORT = schemas.ref("schemas", "Report")
PLACE: schemas.Json = {"type": "string", "minLength": 1}
EXCEPT: schemas.Json = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"except": {"type": "array", "items": schemas.STRING, "description": "Ids of resources to leave as they are."}},
}
LISTED: schemas.Json = schemas.listed(schemas.ref("schemas", "Mark"))
MARKS: schemas.Json = {**LISTED, "required": ["value", "count"], "properties": {**LISTED["properties"], "count": schemas.NUMBER}}


def _begun(call: Call, run: Run, app: Services) -> Later:
    """Return the answer to a call that began a run: the report as it stands after as long as the caller prefers to wait."""

    def look() -> Later:
        kept = app.journal.load(run.name)
        return _begun(call, kept.value if kept else run, app)

    return Later(ended=run.ended, wait_s=call.wait_s, look=look, answer=lambda: _answer(call, run, app))


def _answer(call: Call, run: Run, app: Services) -> Answer:
    """Answer with the report, or 202 and where to follow the run.

    Raises:
        RejectedError: `CleanupFailed` (502); the run ended before it could judge anything.
    """
    from shared.cleanup.report import reports

    below = f"cleanup/reports/{run.name}"
    if not run.ended:
        headers = {"Location": answers.to_follow(call, f"{below}/result"), "Retry-After": "2", **answers.waited(call)}
        return answers.of_json(reports.summary(run), 202, headers)
    if run.status == "Failed":
        message = f"The clean-up failed; see the report for the results so far: {' '.join(run.notes)}"
        error = errors.AzureError(code="CleanupFailed", message=message, target=f"/{below}")
        raise errors.RejectedError(error, status=502)
    headers = {"Location": f"{call.base}/{below}", **answers.waited(call)}
    return answers.of_json(reports.view(reports.load(run.name, reports.Page(), app)), 200, headers)


def _start(call: Call, app: Services) -> Later | Answer:
    from shared.api.access import approvals
    from shared.api.resources import submission
    from shared.cleanup.run import runs, timetable

    mode: Mode = "enforce" if call.choice("mode", MODES) == "enforce" else "dryRun"
    names = [name.strip() for name in call.text("policy").split(",") if name.strip()]
    if not names and (given := call.text("policy")):
        message = (
            f"'policy' is '{given[:50]}'; expected names of policies, separated by commas; leave the parameter out for all of them."
        )
        raise errors.BadRequestError("InvalidParameter", message, target="policy")
    chosen, notes = timetable.chosen(names, app)
    if mode == "enforce":
        dry = [policy.name for policy in chosen if policy.mode != "enforce"]
        if dry and (names or len(dry) == len(chosen)):
            who = f"{', '.join(dry[:10])} only report{'s' if len(dry) == 1 else ''}"
            message = f"{who}: run it dry and POST cleanup/reports/{{id}}/approve, or say `mode: enforce` in the policy."
            raise errors.BadRequestError("PolicyNotEnforced", message, target="mode", status=409)
    notify, scope = submission.callbacks(call, app.settings), _scope(call, app)
    if mode == "enforce" and approvals.wanted(WHAT, call, app):
        return approvals.ask(WHAT, call, app)
    asked = runs.Asked(mode=mode, caller=call.by(app.settings), notes=notes, notify=notify, scope=scope)
    return _begun(call, runs.start(chosen, asked, app), app)


def _scope(call: Call, app: Services) -> Scope:
    """Return what a run keeps to: what its caller names, or what its caller is limited to."""
    from shared.cleanup.run import scopes

    def permit(*places: ids.ResourceId) -> None:
        grants.check_places(call.sender.grants, call.by(app.settings), "A clean-up", places)

    given = [word for word in scopes.WORDS if call.text(word)]
    if len(given) > 1:
        message = f"A run can have only one of {', '.join(scopes.WORDS)}; the request has {' and '.join(given)}."
        raise errors.BadRequestError("InvalidParameter", message, target=given[1])
    if given:
        return scopes.read(given[0], call.text(given[0]), app, permit)
    within = grants.places_of(call.sender.grants)
    permit(*map(ids.parse, within))
    return scopes.Scope(within=within)


def _sees(call: Call, run: Run) -> bool:
    return not call.limited or (bool(run.scope) and all(call.sees(place) for place in run.scope))


def _run(call: Call, app: Services) -> Run:
    """Return the run that the path names.

    Raises:
        BadRequestError: `ReportNotFound` (404), `OutOfScope` (403).
    """
    from shared.cleanup.run import journal

    kept = app.journal.load(_name(call))
    if kept is None:
        raise journal.missing(_name(call))
    places = [ids.parse(place) for place in kept.value.scope]
    grants.check_places(call.sender.grants, call.by(app.settings), f"The clean-up {kept.value.name}", places)
    return kept.value


def _approve(call: Call, app: Services) -> Later | Answer:
    from shared.api.access import approvals
    from shared.api.resources import submission
    from shared.cleanup.run import runs

    notify, dry, body = submission.callbacks(call, app.settings), _run(call, app), {}
    if call.body:
        body = bodies.parse(call.body, call.media)
        names.check_fields(body, ("except",))
    left_out = body.get("except", [])
    if not isinstance(left_out, list) or not all(isinstance(each, str) for each in left_out):
        message = "'except' is not a list of texts; expected the ids of the resources to leave out, as the report shows them."
        raise errors.BadRequestError("InvalidValue", message, target="except")
    if approvals.wanted(WHAT, call, app):
        return approvals.ask(WHAT, call, app)
    run = runs.approve(dry.name, caller=call.by(app.settings), services=app, notify=notify, left_out=left_out)
    return _begun(call, run, app)


def _cancel(call: Call, app: Services) -> Answer:
    from shared.cleanup.report import reports
    from shared.cleanup.run import runs

    return answers.of_json(reports.summary(runs.cancel(_run(call, app).name, app)))


def _list(call: Call, app: Services) -> Answer:
    from shared.cleanup.report import reports
    from shared.cleanup.run import journal

    top = call.whole_number("$top", 20, LIST_LIMIT)
    caller = call.text("caller")
    shown = (run for run in app.journal.runs() if _sees(call, run) and caller in ("", run.caller))
    return answers.of_json(answers.page(call, shown, top, journal.place, reports.summary, newest=False))


def _savings(call: Call, app: Services) -> Answer:
    """GET `cleanup/savings?since=`: what acts since then, by default since the first of this month, have saved until now."""
    from shared.cleanup.report import savings

    now = app.clock()
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    since = call.moment("since", now, month)
    runs = (run for run in app.journal.runs() if _sees(call, run))
    return answers.of_json(savings.until_now(itertools.takewhile(lambda run: run.created_at >= since, runs), since, now))


def _read(call: Call, app: Services) -> Answer:
    from shared.cleanup.report import report_page, reports
    from shared.notify import deliveries

    page = reports.Page(
        skip=call.whole_number("$skipToken", 0, SKIP_LIMIT) or call.whole_number("$skip", 0, SKIP_LIMIT),
        top=max(1, call.whole_number("$top", reports.TOP, reports.MOST)),
        changes=call.choice("show", SHOWN) == "changes",
    )
    report = reports.load(_run(call, app).name, page, app)
    form, following = call.form(FORMS), answers.next_link(call, str(report.more)) if report.more else ""
    if form == "json":
        body = reports.view(report)
        if report.run.notify:
            body["deliveries"] = deliveries.views(report.run.name, app)
        return answers.of_json({**body, "nextLink": following} if following else body)
    headers = {"Link": f'<{following}>; rel="next"'} if following else {}
    if form == "csv":
        return answers.of_csv(report_page.table(report), f"cleanup-{report.run.name}", headers)
    headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    link = f"?{following.partition('?')[2]}" if following else ""
    content = report_page.page(report, following=link)
    return answers.of_bytes(content, "text/html; charset=utf-8", headers=headers)


def _result(call: Call, app: Services) -> Answer:
    return _answer(call, _run(call, app), app)


def _name(call: Call) -> str:
    return call.named.get("id", "")


def _explain(call: Call, app: Services) -> Answer:
    from shared.cleanup.report import explaining

    resource = call.resource("resource", app.settings)
    if resource is None or resource.is_collection or not resource.types:
        given = f"'resource' is '{call.text('resource')[:200]}'" if resource else "'resource' is missing"
        message = f"{given}; expected one resource: its ARM id, or its path below /api such as workspaces/ml1/computes/cpu."
        raise errors.BadRequestError("InvalidParameter", message, target="resource")
    grants.check_reach(call.sender.grants, call.by(app.settings), resource, resource.full_type)
    return answers.of_json(explaining.explain(resource, app))


def _policies(_call: Call, app: Services) -> Answer:
    from shared.cleanup.policy import policies

    found, problems = policies.load(app.blobs)
    body = {"value": [_shown(policy, app) for policy in found], "problems": [problem.to_json() for problem in problems]}
    return answers.of_json(body)


def _shown(policy: Policy, app: Services) -> dict[str, Any]:
    """Return a policy, and that no receiver hears of what it notifies of, where that is so."""
    from shared.cleanup.policy import policies

    shown = policies.to_json(policy)
    if app.settings.notify or not (policy.notify or policy.action == "notify"):
        return shown
    message = (
        "Nothing is sent: report and operations record what 'notify' says. Set STEWARD_NOTIFY, or give a run a Callback-Url: its "
        "receivers get the numbers of each report."
    )
    return {**shown, "warnings": [message]}


def _check(call: Call, app: Services) -> Answer:
    from shared.cleanup.policy import policies

    text = yaml_files.text_of(call, policies.CODE)
    name = "".join(each for each in call.text("name", "policies.yaml") if each.isprintable())
    found = policies.parse(text, name[:200])
    return answers.of_json({"value": [_shown(policy, app) for policy in found]})


def _policy_file(call: Call, app: Services) -> Answer:
    from shared.cleanup.policy import policies

    folder = yaml_files.Folder(
        prefix=policies.FOLDER,
        holds="policies",
        listing="cleanup/policies",
        invalid=policies.CODE,
        missing="PolicyFileNotFound",
    )

    def read(text: str, file: str) -> list[dict[str, Any]]:
        return [_shown(policy, app) for policy in policies.parse(text, file)]

    return yaml_files.answered(call, app.blobs, folder, read, lambda: None)  # a run reads the files when it begins


def _marks(call: Call, app: Services) -> Answer:
    from shared.cleanup.verdict import marks as kept

    top = call.whole_number("$top", 100, MARKS_LIMIT)
    every = (each for each in kept.Marks(app.cleanup_rows).every() if call.sees(each[0]))
    found = sorted((kept.place(*each), *each) for each in every)
    body = answers.page(call, found, top, lambda each: each[0], lambda each: kept.view(*each[1:]), newest=False)
    return answers.of_json({**body, "count": len(found)})


def _one_of(words: Sequence[str]) -> schemas.Json:
    return {"type": "string", "enum": list(words)}


ROUTES: tuple[Route, ...] = (
    Route(
        "cleanup_run",
        "POST /cleanup",
        _start,
        role="operator",
        summary="Start a run of the clean-up: a dry run by default",
        query={
            "policy": schemas.STRING,
            "workspace": schemas.STRING,
            "resource": PLACE,
            "below": schemas.STRING,
            "mode": _one_of(MODES),
            "Prefer": "",
            "CallbackUrl": "",
        },
        answers={"200": REPORT, "202": REPORT},
        problems={**MISSING, **BUSY},
    ),
    Route(
        "cleanup_reports_list",
        "GET /cleanup/reports",
        _list,
        function="cleanup_reports",
        summary="The runs, newest first, without their resources",
        query={"caller": schemas.STRING, "$top": schemas.top(100), "SkipToken": ""},
        answers={"200": schemas.listed(REPORT)},
    ),
    Route(
        "cleanup_reports_get",
        "GET /cleanup/reports/{id}",
        _read,
        function="cleanup_report",
        summary="One report: every resource that was checked, with the reason",
        query={
            "format": _one_of(FORMS),
            "show": _one_of(SHOWN),
            "$top": schemas.top(10_000),
            "$skip": schemas.NUMBER,
            "SkipToken": "",
        },
        answers={"200": REPORT},
        answers_as=("text/html", "text/csv"),
        problems=MISSING,
    ),
    Route(
        "cleanup_reports_result",
        "GET /cleanup/reports/{id}/result",
        _result,
        function="cleanup_result",
        summary="The result of a run: 202 while it runs, then its report",
        answers={"200": REPORT, "202": REPORT},
        problems=MISSING,
    ),
    Route(
        "cleanup_reports_approve",
        "POST /cleanup/reports/{id}/approve",
        _approve,
        function="cleanup_approve",
        role="admin",
        summary="Carry out what that dry run would do, after checking each resource again; all of it, or all but some resources",
        body={"application/json": EXCEPT},
        needed=False,
        query={"Prefer": "", "CallbackUrl": ""},
        answers={"200": REPORT, "202": REPORT},
        problems={**MISSING, **BUSY},
    ),
    Route(
        "cleanup_reports_cancel",
        "POST /cleanup/reports/{id}/cancel",
        _cancel,
        function="cleanup_cancel",
        role="operator",
        summary="Submit nothing more",
        answers={"200": REPORT},
        problems={**MISSING, **BUSY},
    ),
    Route(
        "cleanup_marks",
        "GET /cleanup/marks",
        _marks,
        summary="The marked resources, the next due first",
        query={"$top": schemas.top(500), "SkipToken": ""},
        answers={"200": MARKS},
    ),
    Route(
        "cleanup_savings",
        "GET /cleanup/savings",
        _savings,
        summary="What the acts of all runs have saved so far, in node-hours and, with prices, in money",
        query={"since": schemas.PERIOD["since"]},
        answers={"200": schemas.ref("schemas", "Savings")},
    ),
    Route(
        "cleanup_explain",
        "GET /cleanup/explain",
        _explain,
        summary="The result of each policy for one resource, condition by condition",
        query={"resource": PLACE},
        problems={**MISSING, "403": "Forbidden"},
    ),
    Route(
        "cleanup_policies_list",
        "GET /cleanup/policies",
        _policies,
        function="cleanup_policies",
        summary="The policies in force, and the mistakes in files",
        answers={"200": schemas.listed(schemas.OBJECT)},
    ),
    Route(
        "cleanup_policies_check",
        "POST /cleanup/policies",
        _check,
        summary="The policies of a file as the app reads them, or every mistake with its place; nothing is stored",
        query={"name": schemas.STRING},
        body=yaml_files.TEXT,
        answers={"200": schemas.listed(schemas.OBJECT)},
        problems=LARGE,
    ),
    *yaml_files.routes(
        "cleanup_policy_file", "/cleanup/policies", _policy_file, name="cleanup_policies", holds="policies", whole=True
    ),
)
