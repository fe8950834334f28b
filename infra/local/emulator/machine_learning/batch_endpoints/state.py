"""What is kept of batch endpoints and their deployments."""

from __future__ import annotations

from typing import Any

from infra.local.emulator.machine_learning import scope

TYPE = f"{scope.NAMESPACE}/workspaces/batchEndpoints"


def deployment_defaults() -> dict[str, Any]:
    """What Azure fills in of a batch deployment's properties, as recorded answers show it."""
    return {
        "description": None,
        "environmentVariables": {},
        "errorThreshold": -1,
        "loggingLevel": "Info",
        "maxConcurrencyPerInstance": 1,
        "miniBatchSize": 10,
        "outputAction": "AppendRow",
        "outputFileName": "predictions.csv",
        "resources": {"instanceCount": 1, "instanceType": None, "properties": {}},
        "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
    }
