"""A workspace as a GET shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.local.emulator import web

SINCE = {  # recorded by version; those of 2020: Microsoft's description of 2019-11-01 has none of them
    "v1LegacyMode": "2022-02",
    "softDeleteEnabled": "2022-12",
    "enableDataIsolation": "2023-02",
    **dict.fromkeys(
        (
            "hbiWorkspace", "imageBuildCompute", "mlFlowTrackingUri", "notebookInfo", "privateLinkCount", "publicNetworkAccess",
            "sdkTelemetryAppInsightsKey", "storageHnsEnabled", "subscriptionState", "subscriptionStatusChangeTimeStampUtc",
            "tenantId",
        ),
        "2020",
    ),
}  # fmt: skip
BESIDE_SINCE = dict.fromkeys(("etag", "kind", "systemData"), "2020")


def shown(request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
    """A workspace as the api-version asked for shows it: some properties came with later ones."""
    version = request.query["api-version"]
    properties = {name: value for name, value in body["properties"].items() if version >= SINCE.get(name, "")}
    beside = {name: value for name, value in body.items() if version >= BESIDE_SINCE.get(name, "")}
    return {**beside, "properties": properties}
