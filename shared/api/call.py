"""One request to the app's API, parsed once, from any sender: an HTTP caller, or a rule.

Parameter names may have any casing, as in Azure; an invalid value is refused with the name of its parameter.
Not here: what a route accepts (strict), what Azure's own parameters mean, HTTP (functions).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl

from shared.api import names
from shared.catalog import grants, paths
from shared.rest import errors, ids
from shared.text import durations, times

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from shared.catalog.grants import Grant
    from shared.catalog.paths import Scope, Target
    from shared.cleanup.facts.pacing import Buckets
    from shared.cleanup.verdict.last_look import Sights
    from shared.durable.storage import Blobs, Queue, Rows
    from shared.endpoints.scoring import Scoring
    from shared.notify import deliveries
    from shared.operations import context
    from shared.settings import Settings

    class App(context.Services, deliveries.Services, Protocol):
        """The part of the composition root (shared.services) that the handlers need."""

        @property
        def blobs(self) -> Blobs: ...  # noqa: D102
        @property
        def scoring(self) -> Scoring: ...  # noqa: D102
        @property
        def cleanup_rows(self) -> Rows: ...  # noqa: D102
        @property
        def reads(self) -> Buckets: ...  # noqa: D102
        @property
        def sights(self) -> Sights: ...  # noqa: D102

        def queue_named(self, name: str) -> Queue:
            """Open a queue of the app's storage account."""


WAIT_LIMIT_S = 60.0
LATEST = datetime(9999, 1, 1, tzinfo=UTC)  # earliest and latest time of a parameter: sums with it stay valid datetimes
KEY_LIMIT = 255  # characters of an Idempotency-Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The sender of an HTTP request.

    Attributes:
        principal: The platform's sign-in header, '' without one; not verified yet.
        code: The key that the platform read from the query, '' without one. `url` may lack it: it depends on a header.
        name: The sender's name, set by api.access.
        grants: The sender may do only what all of them allow; () is unlimited.
        approved: The id of the approval with which another caller had the request carried out.
    """

    principal: str = ""
    code: str = ""
    name: str = ""
    grants: tuple[Grant, ...] = ()
    approved: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRun:
    """A step of a rule that sends a request.

    Attributes:
        key: The idempotency key of the step.
        caller: The rule's name as operations record it.
        firing, depth: Recorded with the operation: the firing that sent it, and the number of rules in its chain.
        grants: The rights of the rule's author, which limit the rule.
        author: The author's name, '' for a file that was not uploaded with this API.
    """

    key: str
    caller: str
    firing: str
    depth: int
    grants: tuple[Grant, ...] = ()
    author: str = ""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request.

    Attributes:
        path: Below the route prefix, percent-encoded.
        query: As it was sent.
        headers: By name in lower case.
        named: The values of the path parameters in the route's braces.
        base: The app's own address with the prefix, for links; never taken from the Host header.
        arm: The request came below `arm/`, from an ARM client: answers and links have ARM's form.
        head: The request came as HEAD and is carried out as GET; the platform drops the body.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    named: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    arm: bool = False
    head: bool = False
    sender: Caller | RuleRun = field(default_factory=Caller)

    @cached_property
    def asked(self) -> tuple[tuple[str, str], ...]:
        """The query parameters, in order."""
        return tuple(parse_qsl(self.query, keep_blank_values=True))

    @cached_property
    def prefers(self) -> Mapping[str, str]:
        """The preferences of the Prefer header (RFC 7240), names in lower case."""
        return names.preferences(self.header("prefer"))

    @property
    def wait_s(self) -> float:
        """The seconds of `Prefer: wait=N`, at most a minute; an invalid value was refused before (names)."""
        return min(float(self.prefers.get("wait") or 0), WAIT_LIMIT_S)

    @property
    def url(self) -> str:
        """The request's URL without the query."""
        return "/".join((self.base, *(("arm",) if self.arm else ()), self.path))

    @property
    def media(self) -> str:
        """The content type of the body."""
        return self.header("content-type")

    @property
    def forwarded(self) -> str:
        """The query without this app's own parameters; the rest goes to Azure, byte for byte."""
        return paths.forwarded_query(self.query)

    def header(self, name: str) -> str:
        """Return a header, '' when it is not given; `name` is in lower case."""
        return self.headers.get(name, "")

    def by(self, settings: Settings) -> str:
        """Return the sender's name.

        A person's token has a name; an application's (a managed identity, a service principal) has only an id.
        """
        if isinstance(self.sender, RuleRun):
            return self.sender.caller
        if self.sender.name:
            return self.sender.name
        return self.sender.principal if self.sender.principal and settings.signed_in else "function key"

    @property
    def limited(self) -> bool:
        """Whether the sender is limited to some resources or kinds."""
        return not all(grant.whole for grant in self.sender.grants)

    def sees(self, target: str, kind: str = "") -> bool:
        """Return whether a resource, by its ARM id, is within its sender's limits; `kind` is its full type, or a plane."""
        if not self.limited:
            return True
        try:
            named = ids.parse(target)
        except errors.BadRequestError:
            return False
        return grants.holds(self.sender.grants, named, kind or named.full_type)

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter in any casing: `?Preflight=true` must not be carried out because of its capital."""
        return next((value for given, value in self.asked if given.lower() == name.lower()), default)

    def choice(self, name: str, known: Collection[str]) -> str:
        """Return a parameter that has a fixed set of values, in the casing of `known`; '' when it is not given.

        Raises:
            BadRequestError: `InvalidParameter`; it is not one of them.
        """
        given = self.text(name)
        found = next((word for word in known if word.lower() == given.lower()), "")
        if given and not found:
            message = f"'{name}' is '{given[:50]}'; expected one of {', '.join(known)}."
            raise errors.BadRequestError("InvalidParameter", message, target=name)
        return found

    def flag(self, name: str) -> bool:
        """Return a parameter that is true or false.

        Raises:
            BadRequestError: `InvalidParameter`; it is something else.
        """
        given = self.text(name).lower()
        if given not in ("", "true", "false"):
            raise errors.BadRequestError("InvalidParameter", f"'{name}' is '{given[:50]}'; expected true or false.", target=name)
        return given == "true"

    def whole_number(self, name: str, default: int, limit: int) -> int:
        """Return a parameter that is a whole number.

        Raises:
            BadRequestError: `InvalidParameter`; it is not one from 0 to `limit`.
        """
        given = self.text(name) or str(default)
        if not given.isascii() or not given.isdigit() or len(given) > 9 or int(given) > limit:
            message = f"'{name}' is '{given[:50]}'; expected a whole number from 0 to {limit}."
            raise errors.BadRequestError("InvalidParameter", message, target=name)
        return int(given)

    def form(self, known: Collection[str]) -> str:
        """Return json, html or csv: what `format` says, else what the caller accepts; JSON where it accepts none of the others."""
        accepts = self.header("accept").lower()
        return self.choice("format", known) or next(
            (each for each in ("csv", "html") if each in known and f"text/{each}" in accepts), "json"
        )

    def moment[T](self, name: str, now: datetime, default: T) -> datetime | T:
        """Return a parameter that is a time, or a duration before now; `default` when it is not given.

        Raises:
            BadRequestError: `InvalidParameter`; it is neither.
        """
        given = self.text(name)
        if not given:
            return default
        if found := times.moment(given):
            return min(found.astimezone(UTC), LATEST)
        try:
            return now - durations.parse(given)
        except ValueError:
            expected = "a time such as 2026-11-30T08:00:00Z, a date, or a duration such as PT1H"
            message = f"'{name}' is '{given[:50]}'; expected {expected}."
            raise errors.BadRequestError("InvalidParameter", message, target=name) from None

    def resource(self, name: str, scope: Scope) -> ids.ResourceId | None:
        """Return a parameter that names a resource or a collection: an ARM id, or a path below `/api`; None when it is not given.

        Raises:
            BadRequestError: the catalog has no such resource.
        """
        given = self.text(name)
        if not given:
            return None
        try:
            found = paths.resolve(given, scope)
        except errors.BadRequestError as problem:
            raise paths.not_read(name, given, problem) from None
        if found.action or found.view:
            message = f"'{name}' is '{given[:200]}', an action; expected the resource itself."
            raise errors.BadRequestError("InvalidResourceId", message, target=name)
        return found.id

    def api_version(self, example: str) -> str:
        """Return the caller's `?api-version=`, '' without one; `example` is for the message.

        Raises:
            BadRequestError: `InvalidParameter`; it does not look like one.
        """
        given = self.text("api-version")
        if given and not re.fullmatch(r"\d{4}-\d{2}-\d{2}(-[a-z]{1,20})?", given):
            message = f"'api-version' is '{given[:50]}'; expected a date such as {example}."
            raise errors.BadRequestError("InvalidParameter", message, target="api-version")
        return given

    def is_preview(self, target: Target) -> bool:
        """Return whether the request to Azure uses a preview api-version."""
        return (self.api_version(target.api_version) or target.api_version).endswith("-preview")

    def azure_query(self, default: str) -> str:
        """Return the query for Azure: the caller's api-version or `default`, and the caller's other parameters."""
        return "&".join(part for part in (f"api-version={self.api_version(default) or default}", self.forwarded) if part)

    def idempotency_key(self) -> str:
        """Return the Idempotency-Key header, '' when there is none.

        Raises:
            BadRequestError: `InvalidHeader`; it is longer than 255 characters.
        """
        key = self.header("idempotency-key")
        if len(key) > KEY_LIMIT:
            message = f"'Idempotency-Key' has {len(key)} characters; at most {KEY_LIMIT} are allowed."
            raise errors.BadRequestError("InvalidHeader", message, target="Idempotency-Key")
        return key

    @property
    def expires(self) -> tuple[tuple[str, str], ...]:
        """The expiry that the request asks for: names and values of its headers or parameters."""
        headers = ((name, self.header(name.lower())) for name in names.EXPIRES)
        asked = (pair for pair in self.asked if pair[0].lower() in {name.replace("-", "").lower() for name in names.EXPIRES})
        return tuple(pair for pair in (*headers, *asked) if pair[1].strip())

    def refuse_asks(self, *honoured: str) -> None:
        """Refuse headers that this request cannot honour: all of `names.ASKS` except `honoured`.

        Raises:
            BadRequestError: `UnsupportedHeader`.
        """
        given = {**self.headers, **{names.EXPIRES[0].lower(): value for _, value in self.expires}}
        names.check_headers(given, honoured, f"{self.method} {self.path.strip('/')}"[:300])

    def refuse_preflight(self) -> None:
        """Refuse `?preflight=true` where no preflight exists: a request that is only a question must not be carried out.

        Raises:
            BadRequestError: `InvalidParameter`.
        """
        if self.flag("preflight"):
            message = (
                "'preflight' is for PUT, PATCH, DELETE and actions of resources that Azure Resource Manager keeps, "
                f"not for this {self.method}. "
                "Omit it to send the request."
            )
            raise errors.BadRequestError("InvalidParameter", message, target="preflight")
