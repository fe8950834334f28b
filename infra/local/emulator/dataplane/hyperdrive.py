"""Hyperparameter tuning v1: the local Azure runs no sweeps and says so; cancel works on any run that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_RUNS = f"/hyperdrive/v1.0{scope.WORKSPACE}/runs"
_EXPERIMENT_RUNS = f"/hyperdrive/v1.0{scope.WORKSPACE}/experiments/{{experiment}}/runs"


@routes.route("POST", _RUNS)
@routes.route("POST", _EXPERIMENT_RUNS)
def create(world: World, request: web.Request) -> web.Response:
    """Refused, in hyperdrive's own error shape."""
    scope.workspace_id(world, request)
    return web.answer({"code": 400, "message": "Hyperparameter tuning is not available in the local Azure."}, status=400)


@routes.route("POST", f"{_RUNS}/{{run}}/cancel")
@routes.route("POST", f"{_EXPERIMENT_RUNS}/{{run}}/cancel")
def cancel(world: World, request: web.Request) -> web.Response:
    """`{"code":200,"result":"True"}`; 404 for a run that is not there."""
    run = world.runs.get(scope.workspace_id(world, request), request.params["run"])
    if run is None:
        return web.answer({"code": 404, "message": f"Run {request.params['run']} was not found."}, status=404)
    if not run.ended:
        world.runs.update(run.workspace_id, run.run_id, status="CancelRequested")
        if world.jobs_backend is not None:
            world.jobs_backend.cancel(run.workspace_id, run.run_id)
    return web.answer({"code": 200, "result": "True"})
