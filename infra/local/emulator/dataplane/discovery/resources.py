"""Where the services of a region are: `GET https://{region}.api.azureml.ms/discovery` (and on the experiments host)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")


@routes.route("GET", "/discovery")
def discovery(_world: World, request: web.Request) -> web.Response:
    """A flat map of addresses; public Azure names three hosts, the other clouds one."""
    region, cloud = scope.region_of(request), request.host.rpartition(".")[2]
    if cloud in {"us", "cn"}:
        api = history = models = f"https://{region}.api.ml.azure.{cloud}"
        studio = core = f"https://studio.ml.azure.{cloud}"
    else:
        api = f"https://{region}.api.azureml.ms"
        history = f"https://{region}.experiments.azureml.net"
        models = f"https://{region}.modelmanagement.azureml.net"
        core, studio = f"https://{region}.studioservice.azureml.com", "https://ml.azure.com"
    return web.answer(
        {
            "api": api,
            "catalog": "https://catalog.cortanaanalytics.com",
            "experimentation": history,
            "gallery": "https://gallery.cortanaintelligence.com/project",
            "history": history,
            "hyperdrive": history,
            "labeling": history,
            "modelmanagement": models,
            "pipelines": f"https://{region}.aether.ms",
            "studio": studio,
            "studiocoreservices": core,
        }
    )
