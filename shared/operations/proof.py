"""What a look at the target proves about a write whose answer was lost. Pure: what was found in, a verdict out.

Other clients change the same resources, so a change by itself proves nothing: only what was asked for, found in the target,
does. Moments of Azure's are compared with Azure's own clock, never with ours. Not here: what follows from a verdict (settle).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from shared.catalog import bodies
from shared.operations import redaction
from shared.rest import long_running
from shared.text import durations, times, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shared.catalog.kinds import Kind

Answer = Literal["arrived", "arrived and failed", "did not arrive", "may have arrived", "is still in progress"]

# `Date` has whole seconds and some of Azure's moments have, too: within so much of the send, a moment proves nothing
ROUNDING = timedelta(seconds=2)
# Where resources say when they were made and changed: most in systemData, computes (also) in properties, v1 on top
CREATED = ("systemData.createdAt", "properties.createdOn", "createdUtc", "createdTime")
MODIFIED = ("systemData.lastModifiedAt", "properties.modifiedOn", "lastModifiedUtc", "updatedTime")
LAST_OPERATION = "properties.properties.lastOperation"  # of a compute instance: the last of start, stop, restart, …
# Members whose text is the caller's own, down to the case of each letter; of the first row a PUT replaces all there is
FREE = frozenset({"tags", "description"})
EXACT = FREE | {"displayName", "friendlyName", "command", "environmentVariables", "args", "value", "name"}
SHOWN = 80  # characters of a value in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field of the request that the target does not hold."""

    path: str
    asked: Any
    found: Any

    @property
    def words(self) -> str:
        """Both values, for an error."""
        if redaction.is_free(self.path):
            return "asked for another value than the one found"
        return f"asked for {_shown(self.asked)}, found {_shown(self.found)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The write in question.

    Attributes:
        kind, method, action: As the operation has them.
        body: What was asked for; None where it was not kept.
        since: Azure's clock when it was first sent, None when that is not known.
        own_name: The target's name was made up for this operation: nothing else makes it.
        is_run: It starts a job or run.
        earlier: The target as operations before this one left it, as far as the ledger has that.
    """

    kind: Kind
    method: str
    action: str = ""
    body: Any = None
    since: datetime | None = None
    own_name: bool = False
    is_run: bool = False
    earlier: Sequence[Any] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is proved, and the fields that speak against it."""

    answer: Answer
    differences: tuple[Difference, ...] = ()


def judge(sent: Sent, found: Any, *, gone: bool) -> Verdict:
    """Return what the target as it was found, or that it is gone, proves about the write."""
    if sent.method == "DELETE":
        return Verdict(answer="arrived" if gone else _on_delete(sent, found))
    if gone:
        return Verdict(answer="did not arrive")
    if sent.is_run:
        return _on_run(sent, found)
    if sent.method == "POST":
        return Verdict(answer=_on_action(sent, found))
    return _on_change(sent, found)


def _on_delete(sent: Sent, found: Any) -> Answer:
    """A target that is going is what was asked for; one that is there is deleted again unless it may be another one by now."""
    if provisioning_state(found) == "deleting":
        return "arrived"
    created = moment(found, *CREATED)
    same = created is not None and any(created == moment(each, *CREATED) for each in sent.earlier)
    older = created is None or (sent.since is not None and created < sent.since - ROUNDING)
    return "did not arrive" if same or older else "may have arrived"


def _on_run(sent: Sent, found: Any) -> Verdict:
    """A name that was made up for this operation is proof; another one may be that of a job from before."""
    if sent.own_name:
        return Verdict(answer="arrived")
    created = moment(found, *CREATED)
    if created and sent.since and created < sent.since - ROUNDING:
        return Verdict(answer="did not arrive")
    # Azure fills a job in and rewrites much of it: what it keeps as sent is compared
    kept = ("jobType", "command", "displayName", "experimentName", "description", "tags")
    asked = bodies.dig(sent.body, "properties")
    asked = {name: asked[name] for name in kept if name in asked} if isinstance(asked, dict) else {}
    against = tuple(_differences(asked, bodies.dig(found, "properties"), "properties", replaces=False))
    return Verdict(answer="may have arrived" if against else "arrived", differences=against)


def _on_action(sent: Sent, found: Any) -> Answer:
    """An action leaves nothing that could be compared, but for a compute instance's own word on the last one."""
    row = sent.kind.action(sent.action)
    repeatable = bool(row and row.repeatable)
    last = bodies.dig(found, LAST_OPERATION)
    at = moment(last, "operationTime")
    if at is None or sent.since is None or sent.action.lower() not in ("start", "stop", "restart"):
        return "did not arrive" if repeatable else "may have arrived"
    if at < sent.since - ROUNDING or (repeatable and at < sent.since):
        return "did not arrive"
    if at < sent.since or str(last.get("operationName", "")).lower() != sent.action.lower():
        return "may have arrived"  # it was done by another client just before, or something else was done since
    status = str(last.get("operationStatus", "")).lower()
    return "is still in progress" if status == "inprogress" else "arrived" if status == "succeeded" else "arrived and failed"


def last_operation(found: Any) -> str:
    """Return a compute instance's own word on its last start, stop or restart: name, moment and status."""
    last = bodies.dig(found, LAST_OPERATION) or {}
    return " ".join(str(last.get(name, "")) for name in ("operationName", "operationTime", "operationStatus")).strip()


def _on_change(sent: Sent, found: Any) -> Verdict:
    """A PUT or PATCH arrived if the target holds what was asked for, and did not if nothing has changed since before the send."""
    state = provisioning_state(found)
    comparable = isinstance(sent.body, dict) and bool(bodies.kept(sent.kind, sent.body))
    against = tuple(differences(sent.kind, sent.body, found, replaces=sent.method == "PUT")) if comparable else ()
    holds, unchanged = comparable and not against, _unchanged(sent, found)
    if state and state not in long_running.SUCCEEDED | long_running.FAILED | long_running.CANCELED:
        return Verdict(answer="arrived" if holds and unchanged is False else "is still in progress")
    failed = state in long_running.FAILED | long_running.CANCELED
    if holds and not (failed and unchanged is not False):  # one that had failed before holds what was asked for, too
        return Verdict(answer="arrived")
    if unchanged:
        return Verdict(answer="did not arrive")
    return Verdict(answer="may have arrived", differences=against)


def _unchanged(sent: Sent, found: Any) -> bool | None:
    """Return whether the target stands as it did before the send; None when nothing says so."""
    etag, modified = bodies.dig(found, "etag"), moment(found, *MODIFIED, *CREATED)
    for before in sent.earlier:
        if etag or bodies.dig(before, "etag"):
            if etag == bodies.dig(before, "etag"):
                return True
        elif modified and modified.microsecond and modified == moment(before, *MODIFIED, *CREATED):
            return True
    if modified is None or sent.since is None:
        return None
    if modified < sent.since - ROUNDING:
        return True
    return False if modified > sent.since + ROUNDING else None


def differences(kind: Kind, asked: Any, found: Any, *, replaces: bool) -> Iterator[Difference]:
    """Yield each field that was asked for and is not there as asked; secrets are neither compared nor shown.

    What Azure does not keep as sent is not compared: a body that was read and is sent back holds its state and its moments.

    Args:
        kind: Its row of the table names the secret fields, the table of `bodies.kept` what is not kept.
        asked: The request's body.
        found: The target.
        replaces: The request replaces all there is (PUT): a description or tag that was not asked for is a difference, too.
    """
    asked = bodies.kept(kind, redaction.secretless(kind, asked))
    yield from _differences(asked, redaction.secretless(kind, found), "", replaces=replaces)


def holds(found: Any, asked: Any) -> bool:
    """Return whether everything that was asked for stands in what was found."""
    return not any(_differences(asked, found, "", replaces=False))


def _differences(asked: Any, found: Any, at: str, *, replaces: bool) -> Iterator[Difference]:
    if isinstance(asked, dict) and (isinstance(found, dict) or not asked):
        known: Mapping[str, Any] = found if isinstance(found, dict) else {}
        any_case = {name.lower(): name for name in known}
        names = [*asked, *((FREE & known.keys()) - asked.keys() if replaces else ())]
        if replaces and at.rpartition(".")[2] == "tags":
            names += [name for name in known if name not in asked]
        for name in names:
            path = f"{at}.{name}" if at else name
            there = known.get(name, known.get(any_case.get(name.lower(), "")) if not _is_exact(at) else None)
            yield from _differences(asked.get(name), there, path, replaces=replaces)
    elif isinstance(asked, list) and isinstance(found, list) and len(asked) == len(found):
        for n, (one, other) in enumerate(zip(asked, found, strict=True)):
            yield from _differences(one, other, f"{at}[{n}]", replaces=replaces)
    elif not _same(asked, found, at):
        yield Difference(path=at, asked=asked, found=found)


def _is_exact(path: str) -> bool:
    return any(part in EXACT for part in path.replace("[", ".").split("."))


def _same(asked: Any, found: Any, path: str) -> bool:
    """Return whether two values mean the same to Azure, which has one spelling for ids, regions, sizes, times and words."""
    if asked == found or (asked in (None, "", [], {}) and found in (None, "", [], {})):
        return type(asked) is not bool or type(found) is bool
    if asked is None:  # not set: Azure fills in what it takes instead, but for what is free text
        return not _is_exact(path)
    if not isinstance(asked, str) or not isinstance(found, str) or _is_exact(path):
        return False
    if asked.casefold() == found.casefold() or (path == "location" and asked.replace(" ", "").lower() == found.lower()):
        return True
    return _measured(asked) is not None and _measured(asked) == _measured(found)


def _measured(text: str) -> datetime | timedelta | None:
    """Return the moment or the length of time that a text is, None when it is neither."""
    if text[:1] in "Pp":
        try:
            return durations.parse(text)
        except ValueError:
            return None
    return times.moment(text) if "T" in text else None


def moment(body: Any, *paths: str) -> datetime | None:
    """Return the latest of the moments at dotted paths, None when there is none that can be read."""
    found = [at for path in paths if (at := times.moment(bodies.dig(body, path)))]
    return max(found, default=None)


def provisioning_state(found: Any) -> str:
    """Return the `provisioningState` of a resource in lower case, '' without one."""
    return str(bodies.dig(found, long_running.PROVISIONING_STATE) or "").lower()


def _shown(value: Any) -> str:
    text = "nothing" if value is None else redaction.plain_text(repr(value))
    return words.short(text, SHOWN)
