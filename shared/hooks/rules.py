"""Rules as data: which events concern us, and what follows from one. YAML in, frozen rules out, every mistake with its place.

A rule is `on` (types, subjects, sources), `if` (a condition over the event and, when asked, the resource it names), `do` (a
chain of requests of this app's own API, and notifications), `oncePer`, `rate`, `debounce`. Pure. Not here: expressions
(expressions), carrying a rule out (firings).
"""

from __future__ import annotations

import difflib
import fnmatch
import math
import re
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from shared.hooks import expressions
from shared.hooks.events import ML_TYPE
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shared.catalog.yaml.document import Cursor
    from shared.hooks.events import Event

VERSION = 1
STEP_LIMIT = 20
RULE_LIMIT = 200
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,62}")
REQUEST = re.compile(r"(GET|PUT|PATCH|POST|DELETE)\s+(\S.*)", re.DOTALL)
HEADERS_KEPT = ("prefer", "azureml-model-deployment", "content-type")  # of the API's own; what identifies a caller is ours to say
PROBLEM_LIMIT = 50
DEFAULT_RATE = 60  # firings in an hour, of a rule that names no rate: also what stops a loop that no event admits to
DEBOUNCE_LIMIT = timedelta(days=1)
RATE_LIMIT = timedelta(days=1)

_RULE_FIELDS = ("name", "description", "enabled", "on", "read", "if", "oncePer", "rate", "debounce", "do")
_ON_FIELDS = ("types", "subjects", "sources")
_STEP_FIELDS = ("name", "request", "notify", "headers", "body", "if", "expect")
_SHORT_TYPES = ("ModelRegistered", "ModelDeployed", "RunCompleted", "RunStatusChanged", "DatasetDriftDetected")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request, or one notification, of a rule's chain.

    Attributes:
        name: What later steps call its answer: `steps.NAME.status`, `.body`.
        method, path: Of this app's API; the path and its query may hold `${{ … }}`, each of which stays one segment or value.
        headers: Of those the API takes from a rule.
        body: JSON with `${{ … }}`; of a notification its data.
        notify: The type of the notification, '' when this is a request.
        when: Skip the step where this does not hold.
        expect: End the chain as failed where this does not hold of the answer.
    """

    name: str
    method: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    notify: str = ""
    when: str = ""
    expect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        types, subjects, sources: Globs in lower case; an event must match one of each that is given.
        read: Whether the resource that the event names is read first, as `resource`.
        condition: JMESPath; '' for none.
        once_per: A text with `${{ … }}`: the rule fires once for each value of it; '' for once per event.
        rate, per: At most so many firings in so long; what is beyond waits.
        debounce: Wait until no further event with the same `once_per` came for so long, then fire for the newest.
        steps: What is done, one after the other.
        source: The file it stands in.
    """

    name: str
    types: tuple[str, ...]
    subjects: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    read: bool = False
    condition: str = ""
    once_per: str = ""
    rate: int = DEFAULT_RATE
    per: timedelta = timedelta(hours=1)
    debounce: timedelta = timedelta(0)
    steps: tuple[Step, ...] = ()
    description: str = ""
    enabled: bool = True
    source: str = ""

    def wants(self, event: Event) -> bool:
        """Tell whether an event of this type, subject and source concerns the rule."""
        asked = ((self.types, event.type), (self.subjects, event.subject), (self.sources, event.source))
        return self.enabled and all(not globs or _any(globs, text.lower()) for globs, text in asked)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON: what a firing keeps, so that a change of the file does not change one under way."""
        out = asdict(self)
        return {**out, "version": VERSION, "per": self.per.total_seconds(), "debounce": self.debounce.total_seconds()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Rule:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: it was written by a newer version of the app.
        """
        if stored["version"] > VERSION:
            message = f"rule {stored['name']} has version {stored['version']}; this app reads up to {VERSION}"
            raise ValueError(message)
        values = {name: value for name, value in stored.items() if name != "version"}
        values["steps"] = tuple(Step(**step) for step in values["steps"])
        for name in ("types", "subjects", "sources"):
            values[name] = tuple(values[name])
        for name in ("per", "debounce"):
            values[name] = timedelta(seconds=values[name])
        return cls(**values)


def parse(text: str, source: str) -> tuple[Rule, ...]:
    """Read a file of rules.

    Args:
        text: YAML: `rules:` and a list.
        source: What the file is called in messages.

    Raises:
        BadRequestError: `InvalidRules`; every mistake with line, column and field, in `details`.
    """
    from shared.catalog.yaml import document

    try:
        top = document.parse(text, name=source)
    except errors.BadRequestError as bad:
        raise errors.BadRequestError("InvalidRules", bad.error.message, target=source) from None
    reader = _Reader()
    found = reader.rules(top)
    if reader.problems:
        raise reader.refusal(source)
    return tuple(found)


class _Reader:
    """Reads rules and collects what is wrong with them, so that a file's mistakes are told at once."""

    def __init__(self) -> None:
        self.problems: list[errors.AzureError] = []

    def refusal(self, source: str) -> errors.BadRequestError:
        first, more = self.problems[0], len(self.problems) - 1
        message = first.message + (f" And {more} more." if more else "")
        details = tuple(self.problems[:PROBLEM_LIMIT]) if more else ()
        return errors.BadRequestError("InvalidRules", message, target=first.target or source, details=details)

    def rules(self, top: Cursor) -> list[Rule]:
        listed = self.fields(top, ("rules", "version")).get("rules")
        if listed is None or not isinstance(listed.value, list):
            self.problem(listed or top, "Expected 'rules' with a list of rules.")
            return []
        if len(listed.value) > RULE_LIMIT:
            self.problem(listed, f"{len(listed.value)} rules; {RULE_LIMIT} are taken.")
            return []
        found = [rule for each in listed.children() if (rule := self.rule(each))]
        self.unique(listed, [rule.name for rule in found], "rules")
        return found

    def rule(self, at: Cursor) -> Rule | None:
        given, before = self.fields(at, _RULE_FIELDS), len(self.problems)
        name = self.name(at, given)
        on = self.fields(given["on"], _ON_FIELDS) if "on" in given else {}
        if "on" not in given:
            self.problem(at, f"The rule '{name}' has no 'on': expected the types of events it is for.")
        elif "types" not in on:
            self.problem(given["on"], "Expected 'types': which events the rule is for, e.g. ModelRegistered.")
        rate, per = self.rate(given["rate"]) if "rate" in given else (DEFAULT_RATE, timedelta(hours=1))
        debounce = self.duration(given["debounce"], DEBOUNCE_LIMIT) if "debounce" in given else timedelta(0)
        steps = self.steps(at, given, name)
        once_per = self.template(given["oncePer"]) if "oncePer" in given else ""
        read, enabled = self.flag(given, "read", default=False), self.flag(given, "enabled", default=True)
        condition = self.expression(given["if"]) if "if" in given else ""
        if len(self.problems) > before:
            return None
        return Rule(
            name=name,
            types=tuple(_type(text) for text in self.texts(on["types"])),
            subjects=tuple(text.lower() for text in (self.texts(on["subjects"]) if "subjects" in on else ())),
            sources=tuple(text.lower() for text in (self.texts(on["sources"]) if "sources" in on else ())),
            read=read,
            condition=condition,
            once_per=once_per,
            rate=rate,
            per=per,
            debounce=debounce,
            steps=steps,
            description=self.text(given["description"]) if "description" in given else "",
            enabled=enabled,
            source=at.document.name,
        )

    def steps(self, at: Cursor, given: Mapping[str, Cursor], rule: str) -> tuple[Step, ...]:
        listed = given.get("do")
        if listed is None or not listed.value:
            self.problem(listed or at, f"The rule '{rule}' has no 'do': expected at least one request or notification.")
            return ()
        each = list(listed.children()) if isinstance(listed.value, list) else [listed]
        if len(each) > STEP_LIMIT:
            self.problem(listed, f"{len(each)} steps; {STEP_LIMIT} are taken.")
            return ()
        found = [step for position, item in enumerate(each, 1) if (step := self.step(item, position))]
        self.unique(listed, [step.name for step in found], "steps")
        return tuple(found)

    def step(self, at: Cursor, position: int) -> Step | None:
        given, before = self.fields(at, _STEP_FIELDS), len(self.problems)
        if ("request" in given) == ("notify" in given):
            self.problem(at, "A step is either 'request' (METHOD path) or 'notify' (a type of notification).")
            return None
        method, path = self.request(given["request"]) if "request" in given else ("", "")
        step = Step(
            name=self.text(given["name"]) if "name" in given else f"step{position}",
            method=method,
            path=path,
            headers=self.headers(given["headers"]) if "headers" in given else {},
            body=self.body(given["body"]) if "body" in given else None,
            notify=self.template(given["notify"]) if "notify" in given else "",
            when=self.expression(given["if"]) if "if" in given else "",
            expect=self.expression(given["expect"]) if "expect" in given else "",
        )
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}", step.name):
            self.problem(given["name"], f"'{step.name[:60]}' is no name for a step: letters, digits and _, as expressions take it.")
        return step if len(self.problems) == before else None

    def request(self, at: Cursor) -> tuple[str, str]:
        found = REQUEST.fullmatch(self.template(at))
        if not found:
            self.problem(at, f"'{str(at.value)[:60]}' is no request: expected e.g. PUT workspaces/ml/models/m/versions/1.")
            return "", ""
        path = found[2].strip().lstrip("/").removeprefix("api/")
        if path.lower().startswith(("http:", "https:")):
            self.problem(at, "A rule sends requests of this app's own API; expected a path, not a URL.")
        return found[1], path

    def headers(self, at: Cursor) -> dict[str, str]:
        given = self.fields(at, HEADERS_KEPT, lower=True)
        return {name: self.template(value) for name, value in given.items()}

    def body(self, at: Cursor) -> Any:
        try:
            value = _plain(at.value)
            expressions.check_all(value)
        except ValueError as bad:
            self.problem(at, f"{_sentence(str(bad))}.")
            return None
        return value

    def rate(self, at: Cursor) -> tuple[int, timedelta]:
        """Read `10/1h`."""
        count, _, per = self.text(at).partition("/")
        if not count.strip().isdecimal() or not 0 < int(count) <= 100_000 or not per:
            self.problem(at, f"'{str(at.value)[:60]}' is no rate: expected e.g. 10/1h.")
            return DEFAULT_RATE, timedelta(hours=1)
        return int(count), self.duration(at.having(per.strip()), RATE_LIMIT) or timedelta(hours=1)

    def duration(self, at: Cursor, limit: timedelta) -> timedelta:
        from shared.cleanup import durations

        try:
            found = durations.parse(self.text(at))
        except ValueError as bad:
            self.problem(at, f"'{str(at.value)[:60]}' is no length of time: {bad}.")
            return timedelta(0)
        if not timedelta(0) < found <= limit:
            self.problem(at, f"'{str(at.value)[:60]}' is not between a second and {durations.words(limit)}.")
        return found

    def expression(self, at: Cursor) -> str:
        text = self.text(at)
        try:
            expressions.check(text)
        except ValueError as bad:
            self.problem(at, f"{_sentence(str(bad))}.")
        return text

    def template(self, at: Cursor) -> str:
        text = self.text(at)
        try:
            expressions.check_all(text)
        except ValueError as bad:
            self.problem(at, f"{_sentence(str(bad))}.")
        return text

    def name(self, at: Cursor, given: Mapping[str, Cursor]) -> str:
        name = self.text(given["name"]) if "name" in given else ""
        if not NAME.fullmatch(name):
            shown = f"'{name[:60]}' is no name for a rule" if name else "The rule has no 'name'"
            self.problem(given.get("name", at), f"{shown}: expected letters, digits and -, up to 63.")
        return name

    def text(self, at: Cursor) -> str:
        if isinstance(at.value, str) and at.value.strip():
            return at.value.strip()
        self.problem(at, f"Expected a text, not {_kind(at.value)}.")
        return ""

    def texts(self, at: Cursor) -> list[str]:
        return [self.text(each) for each in at.children()] if isinstance(at.value, list) else [self.text(at)]

    def flag(self, given: Mapping[str, Cursor], name: str, *, default: bool) -> bool:
        if name not in given:
            return default
        if not isinstance(given[name].value, bool):
            self.problem(given[name], f"Expected true or false, not {_kind(given[name].value)}.")
        return bool(given[name].value)

    def fields(self, at: Cursor, known: tuple[str, ...], *, lower: bool = False) -> dict[str, Cursor]:
        """Return the members of a mapping; YAML 1.1 reads an unquoted `on` as true, which is what the rule means."""
        if not isinstance(at.value, dict):
            self.problem(at, f"Expected {', '.join(known)}, not {_kind(at.value)}.")
            return {}
        out = {}
        for key in at.value:
            name = "on" if key is True and "on" in known else str(key).lower() if lower else str(key)
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"expected {', '.join(known)}."
                self.problem(at.child(key), f"There is no field '{name[:60]}': {hint}", at_key=True)
            else:
                out[name] = at.child(key)
        return out

    def unique(self, at: Cursor, names: list[str], what: str) -> None:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            self.problem(at, f"Two {what} are called '{twice[0]}'.")

    def problem(self, at: Cursor, message: str, *, at_key: bool = False) -> None:
        refused = at.refusal(message, at_key=at_key)
        self.problems.append(refused.error)


def merged(files: Iterable[tuple[Rule, ...]]) -> tuple[Rule, ...]:
    """Return the rules of several files; of two with one name the later file's counts."""
    return tuple({rule.name: rule for rules in files for rule in rules}.values())


def _type(text: str) -> str:
    """Return the glob of an event type; Azure ML's own may be written without `Microsoft.MachineLearningServices.`."""
    short = any(text.lower() == known.lower() for known in _SHORT_TYPES)
    return ML_TYPE + text.lower() if short else text.lower()


def _any(globs: tuple[str, ...], text: str) -> bool:
    return any(fnmatch.fnmatchcase(text, glob) for glob in globs)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".")


def _kind(value: Any) -> str:
    names: dict[Any, str] = {dict: "a mapping", list: "a list", bool: "true or false", type(None): "nothing", str: "an empty text"}
    return names.get(type(value), f"'{str(value)[:40]}'")


def _plain(value: Any) -> Any:
    """Return what YAML holds as JSON holds it: a date becomes its text.

    Raises:
        ValueError: JSON has no such value.
    """
    match value:
        case dict():
            return {_plain_key(key): _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case date():
            return value.isoformat()
        case float() if not math.isfinite(value):
            message = f"{value} is no number that JSON has"
            raise ValueError(message)
        case None | bool() | int() | float() | str():
            return value
        case _:
            message = f"a {type(value).__name__} is nothing that JSON has"
            raise ValueError(message)


def _plain_key(key: Any) -> str:
    if not isinstance(key, str):
        message = f"the key {key!r} is no text: put it in quotes"
        raise ValueError(message)  # noqa: TRY004 - one exception for every value that is none of JSON's
    return key
