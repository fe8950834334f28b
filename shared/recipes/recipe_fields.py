"""The fields of a recipe and the values they allow. All mistakes are reported at once, each with its place.

JSON is read as YAML. Not here: reading a field as such (text.yaml_sheets), what a step may contain (recipe_checks).
"""

from __future__ import annotations

import graphlib
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.cleanup.policy import ncrontab
from shared.hooks import rule_checks, rule_fields
from shared.recipes.recipe import CLASSES, TYPES, Parameter, Recipe, Step
from shared.rest import errors
from shared.text import durations, patterns, yaml_sheets
from shared.text.problems import InvalidFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.text.yaml_document import Cursor
    from shared.text.yaml_sheets import Reader, Sheet

CODE = "InvalidRecipe"
SOURCE = "recipe"
STEP_LIMIT = 50
PARAMETER_LIMIT = 50
RETRY_LIMIT = 10
VERBS = ("request", "notify", "wait", "until", "approve")
RUN = ("id", "group", "suffix", "by", "startedAt")  # what expressions find below `run`
ANSWER = ("status", "result", "body", "operation", "skipped")
LONGEST = timedelta(days=30)
EVERY, FOR, APPROVE_FOR = timedelta(minutes=1), timedelta(minutes=30), timedelta(days=7)

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,62}", re.ASCII)


def parse(text: str, name: str = "") -> Recipe:
    """Read a recipe.

    Args:
        text: YAML or JSON.
        name: Under which it is to be kept.

    Raises:
        InvalidFileError: a `BadRequestError`, code `InvalidRecipe`; every mistake with its field, in `details`.
    """
    top, sheet = yaml_sheets.opened(_readable(text), name or SOURCE, CODE)
    found = yaml_sheets.record(top, sheet, _RECIPE, ("steps",))
    if not sheet.problems:
        recipe = Recipe(
            name=name,
            description=found.get("description", ""),
            schedule=found.get("schedule", ""),
            parameters={each.name: each for each in found.get("parameters", ())},
            steps=found["steps"],
        )
        _check(top, sheet, recipe)
    if sheet.problems:
        raise InvalidFileError(CODE, sheet.problems)
    return recipe


def plain(text: str) -> Any:
    """Return a recipe as JSON, as it was read before."""
    top, sheet = yaml_sheets.opened(_readable(text), SOURCE, CODE)
    return rule_fields.body(_with_on(top), sheet)


def _with_on(at: Cursor) -> Cursor:
    """Return a recipe with each `retry.on` as it is written, which YAML 1.1 reads as true where it is not quoted."""
    steps = {}
    for name, step in at.value["steps"].items():
        retry = rule_fields.on_as_written(at.child("steps").child(name).child("retry")).value if "retry" in step else None
        steps[name] = {**step, "retry": retry} if retry else step
    return at.having({**at.value, "steps": steps})


def given(text: str) -> dict[str, Any]:
    """Read the body that starts a recipe by its name: `{"parameters": {…}}`, or nothing.

    Raises:
        InvalidFileError: a `BadRequestError`, code `InvalidRecipe`.
    """
    if not text.strip():
        return {}
    top, sheet = yaml_sheets.opened(_readable(text), "body", CODE)
    found = yaml_sheets.record(top, sheet, {"parameters": rule_fields.body})
    if "parameters" in found and not isinstance(found["parameters"], dict):
        sheet.note(top.child("parameters"), "expected a mapping of names and values")
    if sheet.problems:
        raise InvalidFileError(CODE, sheet.problems)
    return dict(found.get("parameters", {}))


def values(recipe: Recipe, asked: Mapping[str, Any]) -> tuple[dict[str, Any], list[errors.AzureError]]:
    """Return the value of each parameter, and what is wrong with those that were given."""
    out: dict[str, Any] = {}
    none = "the recipe has no parameters"
    wrong = [
        _wrong(name, yaml_sheets.unknown("parameter", name, recipe.parameters) if recipe.parameters else none)
        for name in asked
        if name not in recipe.parameters
    ]
    for name, parameter in recipe.parameters.items():
        if name not in asked and parameter.default is None:
            told = f": {parameter.description}" if parameter.description else ""
            wrong.append(_wrong(name, f"a value is missing ({parameter.type}{told})"))
            continue
        out[name] = asked.get(name, parameter.default)
        if refused := parameter.refusal(out[name]):
            wrong.append(_wrong(name, refused))
    return out, wrong


def _wrong(name: str, message: str) -> errors.AzureError:
    return errors.AzureError(
        code="InvalidParameter", message=f"parameters.{name[:60]}: {message}", target=f"parameters.{name[:60]}"
    )


def _readable(text: str) -> str:
    """Return JSON without what YAML cannot read of it: tabs between values, and surrogates."""
    if "\t" not in text and "\\u" not in text:
        return text
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        return text


def _check(top: Cursor, sheet: Sheet, recipe: Recipe) -> None:
    """Refuse a recipe that can never work although each of its fields is valid."""
    at = top.child("steps")
    names = [step.name for step in recipe.steps]
    for step in recipe.steps:
        for need in (each for each in step.needs if each not in names):
            sheet.note(_child(at.child(step.name), "needs"), yaml_sheets.unknown("step", need, names))
    if recipe.schedule:
        _check_schedule(top, sheet, recipe)
    if sheet.problems:
        return
    try:
        order = recipe.order
    except graphlib.CycleError as cycle:
        sheet.note(at, f"these steps need each other in a circle: {' → '.join(reversed(cycle.args[1]))}")
        return
    for name in order:
        _check_step(at.child(name), sheet, recipe, recipe.step(name))


def _check_schedule(top: Cursor, sheet: Sheet, recipe: Recipe) -> None:
    """Refuse a schedule that can never start the recipe."""
    if not recipe.name:
        sheet.note(top.child("schedule"), "only a stored recipe can have a schedule: PUT recipes/{name}")
    for parameter in (each for each in recipe.parameters.values() if each.default is None):
        at = top.child("parameters").child(parameter.name)
        sheet.note(at, "'default' is missing: a scheduled run uses the defaults")


def _check_step(at: Cursor, sheet: Sheet, recipe: Recipe, step: Step) -> None:
    known: dict[str, Any] = {"parameters": tuple(recipe.parameters), "run": RUN}
    before: dict[str, Any] = dict.fromkeys(sorted(recipe.before(step.name)), ANSWER)
    for name in ("request", "until", "notify", "headers", "body", "if", "expect"):
        if name not in at.value:
            continue
        seen = {"steps": before}
        if name == "expect":
            seen = {"status": {}, "result": {}, "body": {}, "steps": {**before, step.name: ANSWER}}
        rule_checks.check_expressions(at.child(name), sheet, {**known, **seen}, alone=name in ("if", "expect"))
    if not step.method:
        return
    nested = step.path.partition("/")[0].lower() == "recipes"
    if problem := "a recipe cannot start another recipe" if nested else rule_checks.request(step):
        sheet.note(at.child("until" if step.verb == "until" else "request"), problem)


def _child(at: Cursor, name: str) -> Cursor:
    return at.child(name) if isinstance(at.value, dict) and name in at.value else at


def _parameters(at: Cursor, sheet: Sheet) -> tuple[Parameter, ...] | None:
    found = _mapping(at, sheet, "parameters", PARAMETER_LIMIT)
    return tuple(each for child in found if (each := _parameter(child, sheet)) is not None)


def _parameter(at: Cursor, sheet: Sheet) -> Parameter | None:
    """A declaration, or a value that is the default and says the type."""
    name, before = str(at.path[-1]), len(sheet.problems)
    if not isinstance(at.value, dict):
        value = rule_fields.body(at, sheet)
        found = next((kind for kind, types in TYPES.items() if type(value) in types), "")
        return Parameter(name=name, type=found, default=value) if found else None
    declared = yaml_sheets.record(at, sheet, _PARAMETER)
    if len(sheet.problems) > before:
        return None
    parameter = Parameter(**{"name": name, **declared})
    if parameter.pattern and parameter.type != "string":
        sheet.note(at.child("pattern"), "only a parameter of type string can have a pattern")
    elif parameter.default is not None and (refused := parameter.refusal(parameter.default)):
        sheet.note(at.child("default"), refused)
    return parameter


def _schedule(at: Cursor, sheet: Sheet) -> str | None:
    """An NCRONTAB that is due at most once a minute."""
    found = yaml_sheets.checked(ncrontab.parse, at, sheet)
    if found and len(ncrontab.parse(found).seconds) > 1:
        sheet.note(at, f"expected a single second, so that it is due at most once a minute, such as {ncrontab.EXAMPLE}")
        return None
    return found


def _pattern(at: Cursor, sheet: Sheet) -> str | None:
    found = yaml_sheets.text(at, sheet)
    if found and len(found) > 200:
        sheet.note(at, "expected a regular expression of at most 200 characters")
        return None
    try:
        patterns.read(found or "")
    except ValueError as bad:
        sheet.note(at, f"expected a regular expression: {bad}")
        return None
    return found


def _enum(at: Cursor, sheet: Sheet) -> tuple[Any, ...] | None:
    if not isinstance(at.value, list) or not 0 < len(at.value) <= yaml_sheets.LIST_LIMIT:
        sheet.note(at, "expected a list of values")
        return None
    return tuple(at.value)


def _steps(at: Cursor, sheet: Sheet) -> tuple[Step, ...] | None:
    found: list[Step] = []
    for child in _mapping(at, sheet, "steps", STEP_LIMIT):
        before = str(list(at.value)[list(at.value).index(child.path[-1]) - 1]) if found else ""
        step = _step(child, sheet, before)
        found += [step] if step else []
    return tuple(found) or None


def _step(at: Cursor, sheet: Sheet, before: str) -> Step | None:
    problems = len(sheet.problems)
    found = yaml_sheets.record(at, sheet, _STEP)
    if not isinstance(at.value, dict):
        return None
    verbs = [verb for verb in VERBS if verb in at.value]
    if len(verbs) != 1:
        sheet.note(at, f"expected one of {', '.join(VERBS)}" + (f", not {' and '.join(verbs)}" if verbs else ""))
        return None
    (verb,) = verbs
    for name in (each for each in at.value if each in _ONLY and verb not in _ONLY[each]):
        sheet.note(at.child(name), f"'{name}' is for {' and '.join(_ONLY[name])}, not for {verb}", at_key=True)
    if verb == "until" and "expect" not in at.value:
        sheet.note(at, "'expect' is missing: the condition that 'until' waits for")
    if len(sheet.problems) > problems:
        return None
    method, path = found.get("request") or found.get("until") or ("", "")
    if verb == "until" and method != "GET":
        sheet.note(at.child("until"), "'until' only reads: expected GET and a path")
        return None
    retry = found.get("retry", {})
    span = {"until": FOR, "approve": APPROVE_FOR}.get(verb, timedelta(0))
    pause = found.get("wait") if verb == "wait" else found.get("every", EVERY) if verb == "until" else timedelta(0)
    return Step(
        name=str(at.path[-1]),
        verb=verb,
        needs=found.get("needs", (before,) if before else ()),
        method=method,
        path=path,
        headers=found.get("headers", {}),
        body=found.get("body"),
        notify=found.get("notify", ""),
        when=found.get("if", ""),
        expect=found.get("expect", ""),
        wait_s=(pause or timedelta(0)).total_seconds(),
        for_s=found.get("for", span).total_seconds(),
        by=found.get("approve", ()),
        retry_times=retry.get("times", 1 if retry else 0),
        retry_on=retry.get("on", ()),
    )


def _mapping(at: Cursor, sheet: Sheet, what: str, limit: int) -> list[Cursor]:
    if not isinstance(at.value, dict) or not 0 < len(at.value) <= limit:
        sheet.note(at, f"expected 1 to {limit} {what}, each with a name")
        return []
    found = []
    for name in at.value:
        child = at.child(name)
        if isinstance(name, str) and _NAME.fullmatch(name):
            found.append(child)
        else:
            sheet.note(child, f"'{str(name)[:60]}' is not a valid name: expected letters, digits, _ and -, up to 63", at_key=True)
    return found


def _needs(at: Cursor, sheet: Sheet) -> tuple[str, ...] | None:
    return () if at.value == [] else yaml_sheets.texts(at, sheet)


def _approve(at: Cursor, sheet: Sheet) -> tuple[str, ...] | None:
    found = yaml_sheets.record(at, sheet, {"by": yaml_sheets.texts}, ("by",))
    by: tuple[str, ...] | None = found.get("by")
    return by


def _retry(at: Cursor, sheet: Sheet) -> dict[str, Any]:
    readers: dict[str, Reader] = {"times": yaml_sheets.number(1, RETRY_LIMIT, whole=True), "on": _retry_on}
    return yaml_sheets.record(rule_fields.on_as_written(at), sheet, readers, ("on",))


def _retry_on(at: Cursor, sheet: Sheet) -> tuple[str, ...] | None:
    """Codes of errors, statuses, or names of classes; `Any` for every failure."""
    listed = at.value if isinstance(at.value, list) else [at.value]
    found = yaml_sheets.texts(at.having([str(each) if type(each) is int else each for each in listed]), sheet)
    for each in found or ():
        near = yaml_sheets.unknown("class", each, (*CLASSES, "Any"))
        if each not in (*CLASSES, "Any") and "did you mean" in near and not each.isdecimal():
            sheet.note(at, near)
    return found


def _duration(least: timedelta) -> Reader:
    def read(at: Cursor, sheet: Sheet) -> timedelta | None:
        found = yaml_sheets.by(durations.parse, at, sheet)
        if found is not None and not least <= found <= LONGEST:
            sheet.note(at, f"expected {durations.text(least)} to {durations.text(LONGEST)}")
            return None
        return found

    return read


_PARAMETER: dict[str, Reader] = {
    "type": yaml_sheets.choice("type", TYPES),
    "description": yaml_sheets.text,
    "default": rule_fields.body,
    "enum": _enum,
    "pattern": _pattern,
}
_STEP: dict[str, Reader] = {
    "request": rule_fields.request,
    "notify": rule_fields.template,
    "wait": _duration(timedelta(0)),
    "until": rule_fields.request,
    "approve": _approve,
    "needs": _needs,
    "if": rule_fields.expression,
    "headers": rule_fields.headers,
    "body": rule_fields.body,
    "expect": rule_fields.expression,
    "every": _duration(timedelta(seconds=1)),
    "for": _duration(timedelta(seconds=1)),
    "retry": _retry,
}
_ONLY = {  # which verbs a field is for, where not for all
    "headers": ("request", "until"),
    "body": ("request", "notify"),
    "expect": ("request", "until"),
    "every": ("until",),
    "for": ("until", "approve"),
    "retry": ("request",),
}
_RECIPE: dict[str, Reader] = {
    "description": yaml_sheets.text,
    "schedule": _schedule,
    "parameters": _parameters,
    "steps": _steps,
    "onFailure": yaml_sheets.choice("onFailure", ("stop",)),
}
