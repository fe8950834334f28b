"""Metrics as both generations show them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from infra.local.emulator.dataplane import scope

if TYPE_CHECKING:
    from infra.local.emulator.runs import Run


SCALAR = "azureml.v1.scalar"


def v2(run: Run, name: str, *, with_values: bool) -> dict[str, Any]:
    """One metric in the shape of v2."""
    found = [metric for metric in run.metrics if metric.name == name]
    kind = "String" if isinstance(found[0].value, str) else "Double"
    shown: dict[str, Any] = {
        "runId": run.run_id,
        "name": name,
        "metricKey": {"name": name},  # what the SDK v1 reads
        "dataContainerId": f"dcid.{run.run_id}",
        "metricType": SCALAR,
        "createdUtc": scope.time_text(found[0].at),
        "columns": {name: kind},
        "properties": {"uxMetricType": SCALAR},
        "namespace": None,
        "standardSchemaId": None,
        "value": [],
    }
    if with_values:
        shown["value"] = [
            {
                "metricId": f"{run.run_id}_{name}_{position}",
                "createdUtc": scope.time_text(metric.at),
                "step": metric.step,
                "data": {name: metric.value},
                "sasUri": None,
            }
            for position, metric in enumerate(found)
        ]
    return shown


def v1(run: Run, name: str) -> dict[str, Any]:
    """One metric in the shape of v1."""
    found = [metric for metric in run.metrics if metric.name == name]
    kind = "string" if isinstance(found[0].value, str) else "float"
    return {
        "runId": run.run_id,
        "metricId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run.workspace_id}/{run.run_id}/{name}")),
        "dataContainerId": f"dcid.{run.run_id}",
        "metricType": SCALAR,
        "createdUtc": scope.time_text(found[0].at),
        "name": name,
        "description": "",
        "label": None,
        "numCells": len(found),
        "dataLocation": None,
        "cells": [{name: metric.value} for metric in found],
        "schema": {"numProperties": 1, "properties": [{"propertyId": name, "name": name, "type": kind}]},
    }
