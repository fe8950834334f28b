"""The routes of resources: one function a verb and first path segment. The table of kinds says what each path is.

The platform wants one function a route, and asks them in the order of their names, not by how well they fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.api.resources import act, browse, provision
from shared.api.route import REST, Route

if TYPE_CHECKING:
    from shared.api.route import Handler
    from shared.catalog.roles import Role

LITERALS = (
    "subscriptions", "resourceGroups", "workspaces", "registries", "locations", "providers", "history",
    "execution", "modelmanagement", "modelregistry", "metric", "artifact", "datastore", "hyperdrive",
)  # fmt: skip
# What a sender must at least be; the row of the kind, or its action, may ask for more.
VERBS: tuple[tuple[str, str, Role, Handler], ...] = (
    ("provision", "PUT", "operator", provision.change),
    ("provision", "PATCH", "operator", provision.change),
    ("provision", "DELETE", "operator", provision.change),
    ("act", "POST", "reader", act.act),
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
