"""A row of the table of routes: what it takes, who may send it, what carries it out, and how it is described.

The rows feed the registration of functions, the check of names (strict) and the OpenAPI document. Not here: the rows
(resource_routes, and each room's own), all of them together (shared.route_table).
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass, field
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
        id: Its operation id in the document; of resources, which the table of kinds describes, the function's name.
        call: Verb and path below the prefix.
        handler: Carries it out: the call, and the composition root.
        function: The platform's name of the function that takes it, where that is not `id`; rows of one path share one.
        role: What its sender must at least be; `anyone` needs no key. Of resources the kind may ask for more.
        whole: It concerns the whole app: callers who are limited to places or kinds may not.
        summary: What it does.
        query: Schema by parameter; a name of `schemas.parameters` stands for itself.
        path: Schema by parameter of the path, where it is not any text.
        body: Schema by media type.
        needed: The body is required.
        answers: Schema of each status' JSON; None is an answer without a body. Other media: `answers_as`.
        answers_as: Further media types of a 200.
        problems: Refusals besides 400, 401, 500 and 503.
        polled: Clients of ARM follow it with the query and headers of their first request, which say nothing here.
        about: How many segments of its path name the resource it is about: any ARM id may stand there, and its sender's rights
            are judged by it. Its function is that of the resource's own paths.
        probe: It must answer while callers hold every thread: it has one of its own, and two seconds.
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
        """The platform's name of its function."""
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
        """It is the app's own, not a path of Azure's kinds."""
        return not self.template.endswith(REST)

    @property
    def anonymous(self) -> bool:
        """No key is asked for."""
        return self.role == "anyone"

    @property
    def signs_in(self) -> bool:
        """The platform's sign-in, where it is on, covers the path: only then are its headers believed."""
        return self.role not in ("anyone", "events")

    @property
    def audited(self) -> bool:
        """Each call of it leaves a row, whether or not it becomes an operation, which is a row of its own."""
        return self.own and self.verb != "GET" and self.role in ("scorer", "operator", "admin")

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that it takes."""
        return tuple(each["name"] for each in self._given("query"))

    @property
    def forms(self) -> Mapping[str, Json]:
        """The schema of each parameter that it takes."""
        return {each["name"]: each["schema"] for each in self._given("query")}

    @property
    def many(self) -> frozenset[str]:
        """Those that may be given several times."""
        return frozenset(each["name"] for each in self._given("query") if each["schema"].get("type") == "array")

    @property
    def honoured(self) -> frozenset[str]:
        """The headers that it takes."""
        return frozenset(each["name"] for each in self._given("header"))

    def _given(self, where: str) -> list[Json]:
        given = [
            schemas.parameters()[name] if isinstance(schema, str) else {"name": name, "in": "query", "schema": schema}
            for name, schema in self.query.items()
        ]
        return [each for each in given if each["in"] == where]

    def takes(self, path: str) -> bool:
        """Return whether a decoded path without empty segments fits."""
        scope = SCOPE if self.about else ""
        pattern = scope + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(self.template.removesuffix(REST)))
        return bool(re.fullmatch(pattern + ("" if self.own else ".*"), path if self.own else f"{path}/", re.IGNORECASE))

    def resource(self, path: str) -> str:
        """Return the part of a path that names the resource it is about."""
        segments = path.strip("/").split("/")
        return "/".join(segments[: len(segments) - len(self.template.split("/")) + self.about])

    def named(self, path: str) -> dict[str, str]:
        """Return what the braces of its template take of a path."""
        segments, names = path.strip("/").split("/"), self.template.split("/")
        pairs = zip(reversed(names), reversed(segments), strict=False)
        return {name.strip("{}"): segment for name, segment in pairs if name.startswith("{")}


def find(rows: Collection[Route], verb: str, path: str) -> Route | None:
    """Return the row that takes a request; HEAD goes with GET."""
    wanted = "GET" if verb == "HEAD" else verb
    return next((each for each in rows if each.verb == wanted and each.takes(path)), None)
