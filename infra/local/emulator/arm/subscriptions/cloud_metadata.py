"""`GET /metadata/endpoints`, which needs no token: the addresses of each cloud, as its clients look them up.

Three shapes, by api-version: one object of four members at first, then a list of all clouds, since 2022-09-01 the one cloud of
the host. Only what the local Azure serves, and what clients cannot do without, is in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import web

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
PATH = "/metadata/endpoints"
# Name, ARM, login, older audience, portal, graph, storage, vaults, registries, SQL, data lake.
_CLOUDS = (
    (
        "AzureCloud", "management.azure.com", "login.microsoftonline.com", "management.core.windows.net", "portal.azure.com",
        "graph.microsoft.com", "core.windows.net", "vault.azure.net", "azurecr.io", "database.windows.net",
        "azuredatalakestore.net",
    ),
    (
        "AzureChinaCloud", "management.chinacloudapi.cn", "login.chinacloudapi.cn", "management.core.chinacloudapi.cn",
        "portal.azure.cn", "microsoftgraph.chinacloudapi.cn", "core.chinacloudapi.cn", "vault.azure.cn", "azurecr.cn",
        "database.chinacloudapi.cn", "",
    ),
    (
        "AzureUSGovernment", "management.usgovcloudapi.net", "login.microsoftonline.us", "management.core.usgovcloudapi.net",
        "portal.azure.us", "graph.microsoft.us", "core.usgovcloudapi.net", "vault.usgovcloudapi.net", "azurecr.us",
        "database.usgovcloudapi.net", "",
    ),
)  # fmt: skip


def _cloud(row: tuple[str, ...]) -> dict[str, Any]:
    name, arm, login, audience, portal, graph, storage, vaults, registries, sql, lake = row
    return {
        "name": name,
        "resourceManager": f"https://{arm}/",
        "portal": f"https://{portal}",
        "graph": f"https://{graph}/",
        "graphAudience": f"https://{graph}/",
        "microsoftGraphResourceId": f"https://{graph}/",
        "gallery": f"https://gallery.{arm.partition('.')[2]}/",
        "authentication": {
            "loginEndpoint": f"https://{login}",
            "audiences": [f"https://{audience}/", f"https://{arm}/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "suffixes": {
            "storage": storage,
            "keyVaultDns": vaults,
            "acrLoginServer": registries,
            "sqlServerHostname": sql,
            **({"azureDataLakeStoreFileSystem": lake} if lake else {}),
        },
    }


@routes.route("GET", PATH)
def endpoints(_world: World, request: web.Request) -> web.Response:
    """The clouds, in the shape of the api-version."""
    version = request.query["api-version"]
    known = [_cloud(row) for row in _CLOUDS]
    own = next(one for one in known if one["resourceManager"] == f"https://{request.host}/")
    if version >= "2022-09-01":
        return web.answer(own)
    if version >= "2018-05-01":
        return web.answer(known)
    first = {f"{name}Endpoint": own[name] for name in ("gallery", "graph", "portal")}
    return web.answer({**first, "authentication": {name: own["authentication"][name] for name in ("loginEndpoint", "audiences")}})
