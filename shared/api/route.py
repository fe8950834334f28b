"""A row of the route table: verb, path, parameters, role, handler and description.

The rows are used to register functions, to check names (strict) and to make the OpenAPI document. Not here: the rows
(resource_routes, and each room's own), the whole table (shared.route_table).
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from shared.api import schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from shared.api.answer import Answer, Later
    from shared.api.call import Call
    from shared.api.schemas import Json
    from shared.catalog.roles import Role
    from shared.operations.models import Operation

type Outcome = Answer | Later | Operation
type Handler = Callable[[Call, Any], Outcome]

REST = "{*rest}"
SCOPE = r"(subscriptions/[^/]+/)?(resourcegroups/[^/]+/)?(providers/microsoft\.machinelearningservices/)?"
MISSING, BUSY, LARGE = {"404": "NotFound"}, {"409": "Conflict"}, {"411": "NoLength", "413": "TooLarge"}


@dataclass(frozen=True, slots=True)
class Route:
    """One verb and path.

    Attributes:
        id: Its operation id in the OpenAPI document; for resources, which the table of kinds describes, the function's name.
        call: Verb and path below the route prefix.
        handler: Called with the call and the composition root.
        function: The name of its Azure function, if that is not `id`; rows with the same path share one.
        role: The lowest role that may use it; `anyone` needs no key. For resources, the kind may require a higher one.
        whole: It concerns the whole app: closed to callers who are limited to places or kinds.
        summary: What it does.
        query: Schema by parameter; a name alone refers to `schemas.parameters`.
        path: Schema by path parameter, if it is not just any string.
        body: Schema by media type.
        needed: The body is required.
        answers: Schema of the JSON of each status, None for an answer without a body. Other media types: `answers_as`.
        answers_as: Further media types of a 200.
        problems: Error statuses besides 400, 401, 500 and 503.
        polled: ARM clients poll it with the query and headers of their first request, which are ignored here.
        about: The number of its path's segments that name a resource: any ARM id may stand there, and the sender's rights are
            checked against it. Its function is that of the resource's own paths.
        probe: It must answer even if callers hold all threads: it runs on a thread of its own, for two seconds at most.
    """

    id: str
    call: str
    handler: Handler
    _: KW_ONLY
    function: str = ""
    role: Role = "reader"
    whole: bool = False
    summary: str = ""
    query: Mapping[str, Json | str] = field(default_factory=dict)
    path: Mapping[str, Json] = field(default_factory=dict)
    body: Mapping[str, Json] = field(default_factory=dict)
    needed: bool = True
    answers: Mapping[str, Json | None] = field(default_factory=lambda: {"200": {}})
    answers_as: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    polled: bool = False
    about: int = 0
    probe: bool = False

    @property
    def trigger(self) -> str:
        """The name of its Azure function."""
        return self.function or self.id

    @property
    def verb(self) -> str:
        """Its verb."""
        return self.call.partition(" ")[0]

    @property
    def template(self) -> str:
        """Its path, as the platform registers it."""
        return self.call.partition(" ")[2].strip("/")

    @property
    def own(self) -> bool:
        """Whether it is the app's own route, not a path of a resource."""
        return not self.template.endswith(REST)

    @property
    def anonymous(self) -> bool:
        """Whether it needs no key."""
        return self.role == "anyone"

    @property
    def signs_in(self) -> bool:
        """Whether the platform's sign-in, if enabled, covers the path: its headers are trusted only then."""
        return self.role not in ("anyone", "events")

    @property
    def audited(self) -> bool:
        """Whether each call is audited with a row; an operation also has its row in the ledger."""
        return self.own and self.verb != "GET" and self.role in ("scorer", "operator", "admin")

    @property
    def names(self) -> tuple[str, ...]:
        """The query parameters that it accepts."""
        return tuple(each["name"] for each in self._given("query"))

    @property
    def forms(self) -> Mapping[str, Json]:
        """The schema of each query parameter."""
        return {each["name"]: each["schema"] for each in self._given("query")}

    @property
    def many(self) -> frozenset[str]:
        """The parameters that may be repeated."""
        return frozenset(each["name"] for each in self._given("query") if each["schema"].get("type") == "array")

    @property
    def honoured(self) -> frozenset[str]:
        """The app's own headers that it honours."""
        return frozenset(each["name"] for each in self._given("header"))

    def _given(self, where: str) -> list[Json]:
        given = [
            schemas.parameters()[name] if isinstance(schema, str) else {"name": name, "in": "query", "schema": schema}
            for name, schema in self.query.items()
        ]
        return [each for each in given if each["in"] == where]

    def takes(self, path: str) -> bool:
        """Return whether a decoded path without empty segments matches."""
        return bool(_pattern(SCOPE if self.about else "", self.template).fullmatch(path if self.own else f"{path}/"))

    def resource(self, path: str) -> str:
        """Return the part of a path that names the resource."""
        segments = path.strip("/").split("/")
        return "/".join(segments[: len(segments) - len(self.template.split("/")) + self.about])

    def named(self, path: str) -> dict[str, str]:
        """Return the values of the path parameters."""
        segments, names = path.strip("/").split("/"), self.template.split("/")
        pairs = zip(reversed(names), reversed(segments), strict=False)
        return {name.strip("{}"): segment for name, segment in pairs if name.startswith("{")}


@cache
def _pattern(scope: str, template: str) -> re.Pattern[str]:
    pattern = scope + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template.removesuffix(REST)))
    return re.compile(pattern + (".*" if template.endswith(REST) else ""), re.IGNORECASE)


def find(rows: Collection[Route], verb: str, path: str) -> Route | None:
    """Return the row that matches a request; HEAD counts as GET."""
    wanted = "GET" if verb == "HEAD" else verb
    return next((each for each in rows if each.verb == wanted and each.takes(path)), None)
