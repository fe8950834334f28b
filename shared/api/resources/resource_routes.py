"""The routes of resources: one function for each verb and first path segment. The table of kinds says what each path is.

The platform needs one function per route and tries them in the order of their names, not by the best match. The code for writes
is imported at the first write, which halves the imports at start.
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


# The lowest role for each verb; the row of the kind or action may require a higher one.
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
    """Return a route of a verb; all routes of a verb share one handler."""
    return next(each for each in ROUTES if each.verb == verb)
