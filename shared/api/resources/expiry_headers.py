"""The expiry of a new resource: `Expires-In` or `Expires-At`, as headers, or as parameters of a request with YAML.

Not here: what happens at the expiry (expiry).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.catalog import grants, kinds
from shared.rest import errors
from shared.settings import MAX_TTL
from shared.text import durations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shared.api.call import Call
    from shared.api.resources.payload import Brought
    from shared.catalog.kinds import Ending
    from shared.settings import Settings

# RFC 3339; `fromisoformat` also accepts week dates, and times without an offset
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


def asked(
    call: Call, brought: Brought, method: str, settings: Settings, present: Callable[[], datetime]
) -> tuple[Ending, str, datetime] | None:
    """Return the expiry that a request asks for: how the resource ends, the caller's text, and the time; None without one.

    Raises:
        BadRequestError: `UnsupportedHeader`, the kind has no expiry; `InvalidExpiry`; `RoleNeeded` (403).
    """
    given = call.expires
    if not given:
        return None
    target, kind, what = brought.target, brought.target.kind, f"{call.method} {call.path.strip('/')}"[:300]
    makes = method == "PUT" or (method == "POST" and kind.named_by_us and target.id.is_collection and not target.action)
    ending = kind.ending(brought.body) if makes else None
    if ending is None:
        able = ", ".join(dict.fromkeys(each.name for kind in kinds.KINDS for each in kind.endings))
        message = f"{what} cannot honour '{given[0][0]}'; omit it. Only these kinds can have an expiry: {able}."
        raise errors.BadRequestError("UnsupportedHeader", message, target=given[0][0])
    deletes = ending.act == "delete"
    role = grants.needed(kind, "DELETE") if deletes else grants.needed(kind, "POST", kind.action(ending.act))
    grants.check_role(call.sender.grants, call.by(settings), f"an expiry that ends a {ending.name}", role)
    if deletes and kind.path in settings.approvals:
        message = (
            f"The deletion of {kind.path} needs an approval (STEWARD_APPROVALS), which an expiry cannot have; send it without."
        )
        raise errors.BadRequestError("UnsupportedHeader", message, target=given[0][0])
    now = present()
    return ending, " ".join(text for _, text in given), moment(given, ending.name, settings, now=now, since=now)


def moment(given: Sequence[tuple[str, str]], kind: str, settings: Settings, *, now: datetime, since: datetime) -> datetime:
    """Return the time of an expiry, from a duration or a time.

    Args:
        given: Names and values; a name that ends with `in` has a duration, one that ends with `at` a time.
        kind: The kind of the resource, for its ceiling.
        settings: The ceilings.
        now: The present.
        since: The time from which the ceiling counts.

    Raises:
        BadRequestError: `InvalidExpiry`, naming what was expected.
    """
    name, text = given[0]
    if len(given) > 1:
        raise _invalid(given[1][0], f"'{name}' and '{given[1][0]}' are both given; expected only one of them.")
    at = _after(name, text, now) if name.lower().endswith("in") else _at(name, text)
    if at <= now:
        raise _invalid(name, f"'{name}' is '{text[:50]}'; expected a time in the future (it is now {now:%Y-%m-%dT%H:%M:%SZ}).")
    if problem := settings.problem(MAX_TTL):
        raise _invalid(name, f"No expiry can be set, because the setting {MAX_TTL} cannot be read: {problem}.")
    ceiling = dict(settings.max_ttl).get(kind, durations.LONGEST)
    if at - since > ceiling:
        message = f"'{name}' is '{text[:50]}'; expected at most {durations.text(ceiling)} for a {kind} (setting {MAX_TTL})."
        raise _invalid(name, message)
    return at


def members(body: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return `in` or `at` of a body as `moment` takes them.

    Raises:
        BadRequestError: `InvalidExpiry`; both are missing, or the value is not a string.
    """
    given = [(name, body[name]) for name in ("in", "at") if name in body]
    if not given:
        raise _invalid("body", 'The body has neither at nor in; expected {"at": "2026-12-01T18:00:00Z"} or {"in": "PT8H"}.')
    for name, value in given:
        if not isinstance(value, str):
            raise _invalid(name, f"'{name}' is not a string; expected PT8H for 'in', 2026-12-01T18:00:00Z for 'at'.")
    return [(name, str(value)) for name, value in given]


def _after(name: str, text: str, now: datetime) -> datetime:
    expected = f"'{name}' is '{text[:50]}'; expected an ISO 8601 duration such as PT8H or P2D"
    if not text.strip().upper().startswith("P"):
        raise _invalid(name, f"{expected}.")
    try:
        return now + durations.parse(text)
    except ValueError as problem:
        raise _invalid(name, f"{expected}: {problem}.") from None


def _at(name: str, text: str) -> datetime:
    try:
        if _MOMENT.fullmatch(text.strip()):
            return datetime.fromisoformat(text.strip().upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _invalid(name, f"'{name}' is '{text[:50]}'; expected an RFC 3339 time such as 2026-12-01T18:00:00Z.")


def _invalid(name: str, message: str) -> errors.BadRequestError:
    return errors.BadRequestError("InvalidExpiry", message, target=name)
