"""What would stop a run. It is checked before the run starts, all problems at once, and by each request when it is sent.

Roles and scope of who begins it, secrets that a run must not keep, names, and, in a dry run, the preflight of each PUT. Not here:
the form of a recipe (recipe_fields).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from shared.api.access import admission
from shared.api.call import Call, RuleRun
from shared.api.resources import resource_routes
from shared.catalog import bodies, grants, paths
from shared.chains import asking, expressions
from shared.hooks import rule_checks
from shared.recipes import run_steps
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.catalog.grants import Grant
    from shared.recipes.recipe import Step
    from shared.recipes.recipe_run import Run
    from shared.rest.client import Client
    from shared.settings import Settings

REFERS = ("reference", "parent", "vault")  # checks of a preflight that what an earlier step makes would meet


class Services(Protocol):
    """What checking needs of the composition root."""

    @property
    def settings(self) -> Settings: ...  # noqa: D102
    @property
    def client(self) -> Client: ...  # noqa: D102


def problems(run: Run, call: Call, app: Services) -> list[errors.AzureError]:
    """Return what can be seen without Azure: roles, scope, secrets, paths."""
    return [problem for step in run.recipe.steps if step.method for problem in _problems(run, step, call, app)]


def dry(run: Run, call: Call, app: Services, wrong: list[errors.AzureError]) -> dict[str, Any]:
    """Return what a run would do: the order, each request as far as it is known before, and all problems, Azure's too.

    Args:
        run: As it would begin.
        call: Who asks.
        app: The composition root.
        wrong: Problems that are known already.
    """
    found, shown = [*wrong, *problems(run, call, app)], []
    refused = {problem.target for problem in found}  # of such a step Azure is asked nothing
    made: list[str] = []
    for name in run.recipe.order:
        step = run.recipe.step(name)
        out, target, body = _shown(run, step, app)
        if target and step.method == "PUT":
            missing = [] if "unknown" in out or f"steps.{name}" in refused else list(_preflight(step, target, body, made, app))
            found += missing
            made.append(target.id.path.lower())
        shown.append(out)
    order = list(run.recipe.order)
    listed = [problem.to_json() for problem in found]
    return {"status": "problems" if found else "ok", "order": order, "steps": shown, "problems": listed}


def refuse(found: list[errors.AzureError]) -> None:
    """Refuse a run and list all its problems.

    Raises:
        BadRequestError: the first of them, the others in its details.
    """
    if not found:
        return
    first = found[0]
    more = f" (and {len(found) - 1} more problem{'s' * (len(found) > 2)}, see details)" if len(found) > 1 else ""
    status = 403 if first.code in ("RoleNeeded", "OutOfScope") else 400
    details = tuple(found) if more else ()
    raise errors.BadRequestError(first.code, f"{first.message}{more}", target=first.target or "", details=details, status=status)


def _filled(run: Run, step: Step) -> tuple[str, Any]:
    """Return path and body of a step, with placeholders for values that are not known before the run."""
    seen = run.seen()

    def known(text: str) -> str:
        value = expressions.value(text, seen)
        return asking.segment(rule_checks.FILLED if value is None else value if isinstance(value, str) else json.dumps(value))

    path = expressions.mapped(step.path, known)
    try:
        body = expressions.render(step.body, seen)
    except expressions.NothingThereError:
        body = step.body
    return path, body


def _problems(run: Run, step: Step, call: Call, app: Services) -> Iterator[errors.AzureError]:
    held, who = call.sender.grants, call.by(app.settings)
    try:
        path, body = _filled(run, step)
        asked = admission.asked_of(_call(step, path, held, who), app.settings)
        what = f"{step.method} {path[:200]}"
        grants.check_role(held, who, what, asked.role)
        if rule_checks.FILLED not in path:
            grants.check_reach(held, who, asked.id, asked.kind, some=step.method == "GET")
        if asked.row is not None and isinstance(body, dict | list):
            if asked.row.plane == "arm" and isinstance(body, dict) and bodies.has_secret(asked.row, body):
                message = "its body holds a secret, and a run would store it: send this request on its own"
                yield _of(step, errors.AzureError(code="SecretInRecipe", message=message))
            admission.check_body(_call(step, path, held, who), asked.row, body, app.settings)
        if asked.secret:
            message = f"{what} answers with keys or tokens, and a run would store them: send it on its own"
            yield _of(step, errors.AzureError(code="SecretInRecipe", message=message))
    except errors.BadRequestError as problem:
        yield _of(step, problem.error)


def _of(step: Step, problem: errors.AzureError) -> errors.AzureError:
    return errors.AzureError(code=problem.code, message=f"steps.{step.name}: {problem.message}", target=f"steps.{step.name}")


def _call(step: Step, path: str, held: tuple[Grant, ...], who: str) -> Call:
    plain, _, query = path.partition("?")
    sender = RuleRun(key="", caller=who, firing="", depth=0, grants=held)
    return Call(method=step.method, path=plain, query=query, sender=sender)


def _shown(run: Run, step: Step, app: Services) -> tuple[dict[str, Any], paths.Target | None, Any]:
    """Return a step as a dry run shows it, with what it creates or reads, and its body."""
    out: dict[str, Any] = {"name": step.name, "needs": list(step.needs), "does": step.verb}
    if step.verb == "wait":
        return {**out, "seconds": step.wait_s}, None, None
    if step.verb == "approve":
        return {**out, "by": list(step.by)}, None, None
    try:
        asked = run_steps.call_of(run, step)
        later = [text for text in expressions.all_of([step.path, step.body]) if _reads_steps(text, run)]
    except (expressions.NothingThereError, errors.BadRequestError) as unknown:
        return {**out, "request": f"{step.method} {step.path}".strip(), "body": step.body, "unknown": str(unknown)}, None, None
    told = {"unknown": f"{later[0].strip()} is known once the steps before have ended"} if later else {}
    body = _partly(step.body, run) if later else asked.body
    out |= {"request": f"{asked.method} {asked.path}"} | ({"body": body} if body is not None else {}) | told
    if step.verb != "request" or resource_routes.of(step.method) is None:
        return out, None, None
    try:
        target = paths.resolve(asked.path.partition("?")[0], app.settings)
    except errors.BadRequestError:
        return out, None, None
    return out, target, body


def _partly(template: Any, run: Run) -> Any:
    """Return a body with the values that are known before the run; expressions over other steps stay as written."""
    if isinstance(template, dict):
        return {name: _partly(inner, run) for name, inner in template.items()}
    if isinstance(template, list):
        return [_partly(inner, run) for inner in template]
    later = any(_reads_steps(text, run) for text in expressions.all_of(template))
    return template if later else expressions.render(template, run.seen())


def _reads_steps(text: str, run: Run) -> bool:
    return any(chain[0] == "steps" for chain in rule_checks.chains(text)) and bool(run.recipe.steps)


def _preflight(step: Step, target: paths.Target, body: Any, made: list[str], app: Services) -> Iterator[errors.AzureError]:
    """Yield what Azure says would stop a PUT, except what an earlier step creates."""
    if target.plane != "arm" or target.id.is_collection or target.action:
        return
    from shared.preflight import checks

    for finding in checks.run(target, body if isinstance(body, dict) else {}, app.client):
        about = f"{finding.target} {finding.message}".lower()
        if finding.ok is False and not (finding.check in REFERS and any(_names(about, each) for each in made)):
            yield _of(step, errors.AzureError(code=finding.code, message=finding.message))


def _names(about: str, made: str) -> bool:
    return made in about or f"'{made.rpartition('/')[2]}'" in about
