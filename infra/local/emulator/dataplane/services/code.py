"""From the `environmentImageRequest` of a v1 service to code and model folders. Not here: the service itself."""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from infra.local.emulator.backends import DeploymentRequest, FetchError
from infra.local.emulator.dataplane import scope
from infra.local.emulator.runner import archive, environments
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.emulator import web
    from infra.local.emulator.world import World


def model_ids(request: web.Request, asked: dict[str, Any]) -> list[str]:
    """The `name:version` ids that a service asks for.

    Raises:
        web.Refused: 400, when they are no list.
    """
    listed = scope.field(scope.mapping(request, asked, "environmentImageRequest"), "modelIds")
    if listed is not None and not isinstance(listed, list):
        raise scope.bad(request, "modelIds is a list.", "InvalidService")
    return [str(one) for one in listed or ()]


def order(world: World, request: web.Request, workspace_id: str, service_id: str, asked: dict[str, Any]) -> DeploymentRequest:
    """What the serving backend is to serve.

    Raises:
        web.Refused: 400, for a model that is not registered, no driver program, or an environment that cannot be.
    """
    image = scope.mapping(request, asked, "environmentImageRequest")
    if not image:
        raise scope.bad(request, "A service has an environmentImageRequest.", "InvalidService")
    assets = scope.objects(request, image, "assets")
    driver = scope.text(request, image, "driverProgram") or ""
    urls = {str(scope.field(asset, "id")): str(scope.field(asset, "url") or "") for asset in assets}
    script = PurePosixPath(urls[driver]).name if driver in urls else driver
    if not script or not assets:
        raise scope.bad(request, "The environmentImageRequest has no driverProgram among its assets.", "InvalidService")
    wanted = {one: _model_uri(world, request, workspace_id, one) for one in model_ids(request, asked)}
    environment = scope.mapping(request, image, "environment")
    try:
        environments.lines(environment)
    except environments.BadEnvironmentError as error:
        raise scope.bad(request, str(error), "InvalidEnvironment") from None
    variables = scope.texts(request, environment, "environmentVariables")
    one_model = next(iter(wanted)) if len(wanted) == 1 else None

    def fill_code(folder: Path) -> None:
        for asset in assets:
            _place(world, workspace_id, asset, folder)

    def fill_models(folder: Path) -> None:
        for model_id, uri in wanted.items():
            into = folder if one_model else folder.joinpath(*model_id.split(":"))
            into.mkdir(parents=True, exist_ok=True)
            storage.fetch(world, workspace_id, uri, keep_folder=True)(into)

    return DeploymentRequest(
        deployment_id=service_id,
        code=fill_code,
        scoring_script=script,
        model=fill_models if wanted else None,
        model_folder=one_model.replace(":", "/") if one_model else "",
        environment=environment,
        environment_variables=variables,
    )


def _model_uri(world: World, request: web.Request, workspace_id: str, model_id: str) -> str:
    name, _, version = model_id.rpartition(":")
    with world.lock:
        found = world.resources.get(f"{workspace_id}/models/{name}/versions/{version}")
    if found is None:
        raise scope.bad(request, f"Model with id {model_id} was not found.", "ModelNotFound")
    return str(found.properties["modelUri"])


def _place(world: World, workspace_id: str, asset: dict[str, Any], folder: Path) -> None:
    """Put one asset into the code folder: a file under its own name, an archive unpacked."""
    url = str(scope.field(asset, "url") or "")
    if not scope.field(asset, "unpack"):
        storage.fetch(world, workspace_id, url)(folder)
        return
    content = storage.read(world, locations.resolve(world, workspace_id, url))
    if content is None:
        raise FetchError(f"The specified path does not exist: {url}")
    try:
        if content[:2] == b"PK":
            archive.unpack(content, folder)
        else:
            with tarfile.open(fileobj=io.BytesIO(content)) as packed:
                packed.extractall(folder, filter="data")
    except (archive.BadArchiveError, tarfile.TarError) as error:
        raise FetchError(f"{url} cannot be unpacked: {error}") from None
