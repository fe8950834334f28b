"""Routes of recipes: run one, store it under a name, follow a run, approve a step, cancel or undo the run.

Not here: what a recipe may hold (recipe_fields), what would stop it (recipe_checks), its steps (run_steps).
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from typing import TYPE_CHECKING, Any, Protocol, get_args

from shared.api import answer as answers
from shared.api import schemas, yaml_files
from shared.api.answer import Later
from shared.api.call import RuleRun
from shared.api.route import BUSY, LARGE, MISSING, Route
from shared.catalog.grants import ROLES, Grant
from shared.catalog.statuses import OfRun as Status
from shared.rest import errors, ids

if TYPE_CHECKING:
    from shared.api.answer import Answer
    from shared.api.call import Call
    from shared.recipes import run_steps
    from shared.recipes.recipe import Recipe, Step
    from shared.recipes.recipe_run import Run
    from shared.recipes.recipe_store import Kept
    from shared.settings import Settings

    class Services(run_steps.Services, Protocol):
        """What these handlers need of the composition root (shared.services)."""

        @property
        def settings(self) -> Settings: ...  # noqa: D102


NAME = re.compile(r"(?!runs$)[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}", re.ASCII | re.IGNORECASE)
LIST_LIMIT = 200
STATUSES: tuple[str, ...] = get_args(Status)
RUN = schemas.ref("schemas", "RecipeRun")
RECIPE = schemas.ref("schemas", "Recipe")
RUN_BODY: schemas.Json = {"application/json": schemas.ref("schemas", "RecipeDefinition"), yaml_files.YAML: schemas.STRING}
START_BODY: schemas.Json = {
    "application/json": {"type": "object", "properties": {"parameters": schemas.OBJECT}},
    yaml_files.YAML: schemas.STRING,
}


def _text(call: Call) -> str:
    from shared.recipes import recipe_fields

    return yaml_files.text_of(call, recipe_fields.CODE)


def _name(call: Call) -> str:
    name = call.named.get("name", "")
    if name.lower() == "runs" and call.method == "POST":
        message = (
            "'runs' is not a recipe. To run one: POST recipes/{name} with its parameters, or POST recipes with the recipe itself."
        )
        raise errors.BadRequestError("InvalidParameter", message, target="name")
    if not NAME.fullmatch(name):
        message = (
            f"'{name[:60]}' is not a recipe's name: expected letters, digits, dots, hyphens and underscores, up to 63; not 'runs'."
        )
        raise errors.BadRequestError("InvalidParameter", message, target="name")
    return name


def _run_one(call: Call, app: Services) -> Later | Answer:
    from shared.recipes import recipe_fields
    from shared.text.problems import InvalidFileError

    try:
        recipe = recipe_fields.parse(_text(call))
    except InvalidFileError as wrong:
        if not call.flag("dryRun"):
            raise
        listed = [{"code": wrong.error.code, "message": str(each), "target": each.field} for each in wrong.problems]
        return answers.of_json({"status": "problems", "order": [], "steps": [], "problems": listed})
    return _start(recipe, {}, call, app)


def _run_named(call: Call, app: Services) -> Later | Answer:
    from shared.recipes import recipe_fields, recipe_store

    recipe = recipe_store.load(_name(call), app.blobs).recipe
    return _start(recipe, recipe_fields.given(_text(call)), call, app)


def _start(recipe: Recipe, given: dict[str, Any], call: Call, app: Services) -> Later | Answer:
    """Start a run, or show what it would do; all problems at once."""
    from shared.recipes import recipe_checks, recipe_fields

    values, wrong = recipe_fields.values(recipe, given)
    run = _new(recipe, values, call, app)
    if call.flag("dryRun"):
        shown = [problem.to_json() for problem in wrong]
        if wrong:  # paths and bodies need the values
            return answers.of_json({"status": "problems", "order": list(recipe.order), "steps": [], "problems": shown})
        return answers.of_json(recipe_checks.dry(run, call, app, []))
    recipe_checks.refuse(wrong or recipe_checks.problems(run, call, app))
    return _begun(call, _recorded(run, app), app)


def _new(recipe: Recipe, values: dict[str, Any], call: Call, app: Services) -> Run:
    from shared.api.resources import submission
    from shared.recipes import recipe_run, run_steps
    from shared.telemetry import trace

    now, sender = app.clock(), call.sender
    who = call.by(app.settings)
    told = json.dumps([recipe.name, values, [repr(step) for step in recipe.steps]], sort_keys=True, default=str)
    ruled = isinstance(sender, RuleRun)
    key = sender.key if isinstance(sender, RuleRun) else call.idempotency_key()
    named = hashlib.sha256(f"recipe\n{key}\n{who}".encode()).hexdigest()[:32] if key else secrets.token_hex(16)
    group = ids.group(app.settings.subscription_id, app.settings.resource_group)
    about = str(values["name"]) if "name" in values else json.dumps(values, sort_keys=True)
    notify = () if ruled else submission.callbacks(call, app.settings)
    here = trace.current()
    return recipe_run.Run(
        id=named,
        recipe=recipe,
        parameters=values,
        caller=who,
        author=sender.author if isinstance(sender, RuleRun) and sender.author else who,
        grants=tuple(grant.to_json() for grant in sender.grants),
        depth=sender.depth if isinstance(sender, RuleRun) else 0,
        digest=hashlib.sha256(told.encode()).hexdigest(),
        group=group,
        suffix=run_steps.suffix_of(group.lower(), about),
        notify=tuple(dict.fromkeys((*notify, *app.settings.notify))),
        trace=here.header if here else "",
        created_at=now,
        due_at=now + recipe_run.LOST,
    )


def _recorded(run: Run, app: Services) -> Run:
    """Record a run; a repeated request with the same key returns the first one.

    Raises:
        BadRequestError: `IdempotencyKeyReused`.
    """
    from shared.recipes import run_steps

    if begun := run_steps.begin(run, app):
        return begun
    known = run_steps.load(run.id, app)
    if known is None:
        raise run_steps.missing(run.id)
    if known.value.digest != run.digest:
        message = f"This Idempotency-Key was already used for another recipe or other parameters, which started the run {run.id}."
        raise errors.BadRequestError("IdempotencyKeyReused", message, target="Idempotency-Key")
    return known.value


def _begun(call: Call, run: Run, app: Services) -> Later:
    """Return the answer to a call that started a run, after the time that the caller prefers to wait."""
    from shared.recipes import run_steps

    def look() -> Later:
        known = run_steps.load(run.id, app)
        return _begun(call, known.value if known else run, app)

    return Later(ended=run.ended, wait_s=call.wait_s, look=look, answer=lambda: _followed(call, run))


def _followed(call: Call, run: Run) -> Answer:
    """Answer 202 with the URL to follow a run, or the result if it has ended."""
    if run.ended:
        return _end(run)
    monitor = answers.to_follow(call, f"recipes/runs/{run.id}")
    headers = {"Operation-Location": monitor, "Azure-AsyncOperation": monitor, "Retry-After": "2"}
    return answers.of_json(run.view(), 202, headers | {"Location": answers.to_follow(call, f"recipes/runs/{run.id}/result")})


def _end(run: Run) -> Answer:
    """Answer with an ended run: 200, or the error of the step that failed."""
    if run.status == "Succeeded":
        return answers.of_json(run.view())
    error = run.error or errors.AzureError(code=run.status, message="A step failed; see the run.")
    told = {**error.to_json(), "target": f"/recipes/runs/{run.id}"}
    return answers.of_json({"error": told}, 409 if run.status == "Canceled" else 422)


def _list(_call: Call, app: Services) -> Answer:
    from shared.recipes import recipe_schedule, recipe_store

    out = []
    for kept in recipe_store.every(app.blobs):
        try:
            recipe = kept.recipe
            told: dict[str, Any] = {"description": recipe.description, "parameters": list(recipe.parameters)}
            told |= {"schedule": recipe_schedule.view(kept, app)} if recipe.schedule else {}
        except errors.BadRequestError as wrong:
            told = {"error": wrong.error.to_json()}
        out.append({"id": f"/recipes/{kept.name}", "name": kept.name, "shipped": kept.shipped, **told})
    return answers.of_json({"value": out})


def _read(call: Call, app: Services) -> Answer:
    from shared.recipes import recipe_store

    return answers.of_json(_shown(recipe_store.load(_name(call), app.blobs), app))


def _shown(kept: Kept, app: Services) -> dict[str, Any]:
    from shared.recipes import recipe_schedule

    try:
        planned = recipe_schedule.view(kept, app)
    except errors.BadRequestError:  # another version's: it is shown, and starts nothing
        planned = {}
    return kept.view() | ({"schedule": planned} if planned else {})


def _runs(call: Call, app: Services) -> Answer:
    from shared.durable import records
    from shared.recipes import run_steps

    top = call.whole_number("$top", 20, LIST_LIMIT)
    wanted = {"recipe": call.text("recipe"), "status": call.choice("status", STATUSES)}
    wanted |= {"caller": call.by(app.settings)} if call.limited else {}
    equal = {name: value for name, value in wanted.items() if value} or None
    found = run_steps.table(app).newest(top + 1, before=answers.place(call), partition=run_steps.PARTITION, equal=equal)
    return answers.of_json(
        answers.page(call, found, top, lambda run: records.place(run.created_at, run.id), lambda run: run.view())
    )


def _put(call: Call, app: Services) -> Answer:
    from shared.api.access import approvals
    from shared.chains import asking
    from shared.recipes import recipe_checks, recipe_fields, recipe_schedule, recipe_store

    name, text = _name(call), _text(call)
    recipe, held = recipe_fields.parse(text, name), tuple(grant.to_json() for grant in call.sender.grants)
    kept = recipe_store.Kept(name=name, text=text, by=call.by(app.settings), grants=held)
    if recipe.schedule:
        run = _new(recipe, recipe_fields.values(recipe, {})[0], call, app)
        recipe_checks.refuse(recipe_checks.problems(run, call, app))
        if any(asking.may_delete(step) for step in recipe.steps) and approvals.wanted("rules", call, app):
            return approvals.ask("rules", call, app)
        recipe_schedule.put(kept, app)
    else:
        recipe_store.put(kept, app.blobs)
    return answers.of_json(_shown(kept, app))


def _delete(call: Call, app: Services) -> Answer:
    from shared.recipes import recipe_store

    recipe_store.remove(_name(call), app.blobs)
    return answers.of_json(None, 204)


def _found(call: Call, app: Services) -> Run:
    """Return the run that the path names; callers with a scope see only their own.

    Raises:
        BadRequestError: `RunNotFound` (404).
    """
    from shared.recipes import run_steps

    name = call.named.get("id", "")
    known = run_steps.load(name, app) if re.fullmatch(r"[0-9a-f]{32}", name) else None
    if known is None or (call.limited and known.value.caller != call.by(app.settings)):
        raise run_steps.missing(name)
    return known.value


def _run(call: Call, app: Services) -> Later:
    return _looked(_found(call, app), call, app, call.whole_number("wait", 0, 60))


def _looked(run: Run, call: Call, app: Services, wait_s: float) -> Later:
    def answer() -> Answer:
        body = run.view()
        if run.notify:
            from shared.notify import deliveries

            body["properties"]["deliveries"] = deliveries.views(run.id, app)
        return answers.of_json(body, headers={} if run.ended else {"Retry-After": "2"})

    return Later(ended=run.ended, wait_s=wait_s, look=lambda: _looked(_found(call, app), call, app, wait_s), answer=answer)


def _result(call: Call, app: Services) -> Answer:
    return _followed(call, _found(call, app))


def _cancel(call: Call, app: Services) -> Answer:
    from shared.recipes import run_steps

    return answers.of_json(run_steps.cancel(_found(call, app).id, app).view())


def _approve(call: Call, app: Services) -> Answer:
    """Approve the step that waits for it. The step names who may; the caller who started the run may not."""
    from shared.api.access import approvals
    from shared.recipes import run_steps

    run, who = _found_by_any(call, app), call.by(app.settings)
    waiting = [step for step in run.recipe.steps if step.verb == "approve" and run.taken(step.name).state == "Running"]
    named = call.text("step") or (waiting[0].name if len(waiting) == 1 else "")
    step = next((each for each in waiting if each.name == named), None)
    if run.ended or step is None:
        told = ", ".join(each.name for each in waiting) or "none"
        message = f"It is not clear which step you approve. These steps wait for approval: {told}. Name one with ?step=."
        raise errors.BadRequestError("NothingToApprove", message, target="step", status=409)
    if approvals.is_same(call, who, (run.caller, run.author), map(Grant.from_json, run.grants)):
        message = f"'{who}' started this run, so another caller must approve it, with another key or sign-in (docs/security.md)."
        raise errors.BadRequestError("SecondPersonNeeded", message, target="id", status=403)
    if not _may(step, who, call):
        message = f"'{who}' may not approve '{step.name}': it needs {', '.join(step.by)}."
        raise errors.BadRequestError("RoleNeeded", message, target="by", status=403)
    return answers.of_json(run_steps.approve(run.id, step.name, who, app).view())


def _found_by_any(call: Call, app: Services) -> Run:
    """Return the run to approve: the callers that a step names may see it."""
    from shared.recipes import run_steps

    known = run_steps.load(call.named.get("id", ""), app)
    named = known and any(_may(step, call.by(app.settings), call) for step in known.value.recipe.steps)
    return known.value if known and named else _found(call, app)


def _may(step: Step, who: str, call: Call) -> bool:
    """Return whether a step names the caller: its key, its sign-in, or a role that all its grants have."""
    roles = {grant.role for grant in call.sender.grants} or {"admin"}
    return any({name} == roles if name in ROLES else name in (who, who.removeprefix("key:")) for name in step.by)


def _undo(call: Call, app: Services) -> Later | Answer:
    """Delete what a run created, newest first, each after a last look; with `dryRun`, only list it."""
    from shared.recipes import run_steps, undo

    run = _found(call, app)
    if not run.ended:
        message = f"The run {run.id} has not ended: POST recipes/runs/{run.id}/cancel first."
        raise errors.BadRequestError("RunNotEnded", message, target="id", status=409)
    recipe = undo.recipe_of(run, app)
    if call.flag("dryRun"):
        return answers.of_json(undo.dry(recipe, app))
    if not recipe.steps:
        raise errors.BadRequestError("NothingMade", f"The run {run.id} created nothing.", target="id", status=409)
    taken_back = undo.run_of(run, recipe, _new(recipe, {}, call, app), lambda name: run_steps.load(name, app))
    return _begun(call, _recorded(taken_back, app), app)


STARTS: dict[str, Any] = {"dryRun": {"type": "boolean"}, "Prefer": "", "IdempotencyKey": "", "CallbackUrl": ""}
NAMED: dict[str, schemas.Json] = {"name": {"type": "string", "pattern": "^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$"}}
REFUSED = {**MISSING, "403": "Forbidden"}
ROUTES: tuple[Route, ...] = (
    Route(
        "recipes_list",
        "GET /recipes",
        _list,
        function="recipes",
        summary="The recipes that you can start by name",
        answers={"200": schemas.listed(schemas.OBJECT)},
    ),
    Route(
        "recipes_run",
        "POST /recipes",
        _run_one,
        function="recipes",
        role="operator",
        summary="Run a recipe; with `dryRun` what it would do, and all problems at once",
        query=STARTS,
        body=RUN_BODY,
        answers={"200": schemas.OBJECT, "202": RUN},
        problems={**LARGE, "403": "Forbidden", "409": "Conflict", "422": "Failed"},
    ),
    Route(
        "recipes_runs_list",
        "GET /recipes/runs",
        _runs,
        function="recipes_named",  # the platform cannot distinguish it from a recipe's name
        summary="The runs of recipes, newest first",
        query={
            "$top": schemas.top(LIST_LIMIT),
            "recipe": schemas.STRING,
            "status": {"type": "string", "enum": list(STATUSES)},
            "SkipToken": "",
        },
        answers={"200": schemas.listed(RUN)},
    ),
    Route(
        "recipes_get",
        "GET /recipes/{name}",
        _read,
        function="recipes_named",
        path=NAMED,
        summary="One recipe that you can start by name",
        answers={"200": RECIPE},
        problems=MISSING,
    ),
    Route(
        "recipes_put",
        "PUT /recipes/{name}",
        _put,
        function="recipes_named",
        role="admin",
        whole=True,
        path=NAMED,
        summary="Store a recipe under a name, with its `schedule` if it has one; a refusal lists every mistake with its place",
        body=RUN_BODY,
        answers={"200": RECIPE},
        problems={**LARGE, **BUSY},
    ),
    Route(
        "recipes_delete",
        "DELETE /recipes/{name}",
        _delete,
        function="recipes_named",
        role="admin",
        whole=True,
        path=NAMED,
        summary="Delete a stored recipe",
        answers={"204": None},
        problems={**MISSING, **BUSY},
    ),
    Route(
        "recipes_start",
        "POST /recipes/{name}",
        _run_named,
        function="recipes_named",
        role="operator",
        path=NAMED,
        summary="Run a recipe by its name, with these parameters; with `dryRun` what it would do",
        query=STARTS,
        body=START_BODY,
        needed=False,
        answers={"200": schemas.OBJECT, "202": RUN},
        problems={**LARGE, **REFUSED, "409": "Conflict", "422": "Failed"},
    ),
    Route(
        "recipes_runs_get",
        "GET /recipes/runs/{id}",
        _run,
        summary="One run: always 200 with its status, step by step",
        query={"Wait": ""},
        answers={"200": RUN},
        problems=MISSING,
        polled=True,
    ),
    Route(
        "recipes_runs_result",
        "GET /recipes/runs/{id}/result",
        _result,
        summary="The result of a run: 202 while it runs, then the run or the error of the step that failed",
        answers={"200": RUN, "202": RUN},
        problems={**MISSING, **BUSY, "422": "Failed"},
        polled=True,
    ),
    Route(
        "recipes_runs_cancel",
        "POST /recipes/runs/{id}/cancel",
        _cancel,
        role="operator",
        summary="Stop before the next step; submitted operations continue",
        answers={"200": RUN},
        problems=MISSING,
    ),
    Route(
        "recipes_runs_approve",
        "POST /recipes/runs/{id}/approve",
        _approve,
        role="operator",
        summary="Approve the step that waits for it; the caller who started the run cannot",
        query={"step": schemas.STRING},
        answers={"200": RUN},
        problems={**REFUSED, **BUSY},
    ),
    Route(
        "recipes_runs_undo",
        "POST /recipes/runs/{id}/undo",
        _undo,
        role="operator",
        summary="Delete what the run created, newest first, if it is still the same; with `dryRun`, only list it",
        query=STARTS,
        answers={"200": schemas.OBJECT, "202": RUN},
        problems={**REFUSED, **BUSY, "422": "Failed"},
    ),
)
STARTED = tuple(each for each in ROUTES if each.id == "recipes_start")  # what a rule may ask for
