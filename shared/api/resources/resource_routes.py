"""The routes of resources: one function a verb and first path segment. The table of kinds says what each path is.

The platform wants one function a route, and asks them in the order of their names, not by how well they fit. What writes is
imported by the first write: a process that starts has half as much to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.api.resources import browse
from shared.api.route import REST, Route

if TYPE_CHECKING:
    from shared.api.call import App, Call
    from shared.api.route import Handler, Outcome
    from shared.catalog.roles import Role

LITERALS = (
    "subscriptions", "resourceGroups", "workspaces", "registries", "locations", "providers", "history",
    "execution", "modelmanagement", "modelregistry", "metric", "artifact", "datastore", "hyperdrive",
)  # fmt: skip


def _change(call: Call, app: App) -> Outcome:
    from shared.api.resources import provision

    return provision.change(call, app)


def _act(call: Call, app: App) -> Outcome:
    from shared.api.resources import act

    return act.act(call, app)


# What a sender must at least be; the row of the kind, or its action, may ask for more.
VERBS: tuple[tuple[str, str, Role, Handler], ...] = (
    ("provision", "PUT", "operator", _change),
    ("provision", "PATCH", "operator", _change),
    ("provision", "DELETE", "operator", _change),
    ("act", "POST", "reader", _act),
    ("browse", "GET", "reader", browse.browse),
)
ROUTES = tuple(
    Route(f"{function}_{literal}", f"{verb} /{literal}/{REST}", handler, role=role)
    for function, verb, role, handler in VERBS
    for literal in LITERALS
)


def of(verb: str) -> Route:
    """Return a row of a verb; all of them have one handler."""
    return next(each for each in ROUTES if each.verb == verb)
