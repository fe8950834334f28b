"""The table of all routes: each room brings its own rows. It feeds the registration of functions and the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.api import access_routes, expiry_routes, following, uploads
from shared.api.resources import resource_routes
from shared.cleanup import cleanup_routes
from shared.costs import cost_routes
from shared.hooks import event_routes
from shared.pages import page_routes
from shared.recipes import recipe_routes
from shared.rollouts import rollout_routes

if TYPE_CHECKING:
    from shared.api.route import Route

ROUTES: tuple[Route, ...] = (
    *resource_routes.ROUTES,
    *following.ROUTES,
    *expiry_routes.ROUTES,
    *cleanup_routes.ROUTES,
    *cost_routes.ROUTES,
    *event_routes.ROUTES,
    *recipe_routes.ROUTES,
    *rollout_routes.ROUTES,
    *uploads.ROUTES,
    *access_routes.routes(lambda: ROUTES),
    *page_routes.routes(lambda: ROUTES),
)
