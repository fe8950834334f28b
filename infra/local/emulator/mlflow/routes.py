"""All of MLflow's API of a workspace; what is not here is unknown to Azure ML's server, too."""

from __future__ import annotations

from infra.local.emulator import web
from infra.local.emulator.mlflow import wire
from infra.local.emulator.mlflow.experiments import resources as experiments
from infra.local.emulator.mlflow.models import resources as models
from infra.local.emulator.mlflow.runs import resources as runs

routes = web.Routes(r".*")
for _family in (experiments, runs, models):
    routes.include(_family.routes)
routes.route("GET POST PUT PATCH DELETE", f"{wire.HOME}/{{rest*}}")(wire.unknown)
