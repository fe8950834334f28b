"""v1 model management's long operations: `Operation-Location` names one by its last segment, `state` says how it is doing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.rest import long_running as lro
from shared.rest.client import Response

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
WORKSPACE = (
    "https://westeurope.api.azureml.ms/modelmanagement/v1.0/subscriptions/s/resourceGroups/g/providers/"
    "Microsoft.MachineLearningServices/workspaces/w"
)
SERVICE = f"{WORKSPACE}/services/s1?api-version=2019-11-01"
OPERATION = f"{WORKSPACE}/operations/op-1?api-version=2019-11-01"


def follow(method: str = "PUT") -> lro.Follow:
    """A service under way."""
    return lro.Follow(style="resource", url=SERVICE, resource_url=SERVICE, method=method, state_field="state")


def answer(status: int, body: Any = None, **headers: str) -> Response:
    """An answer of Azure's."""
    return Response(status=status, url="u", headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body)


@pytest.mark.parametrize(
    "location",
    [
        "/api/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/operations/op-1",
        "https://elsewhere.example/operations/op-1?x=1",
        "op-1",
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_only_the_last_segment_counts(location: str, method: str) -> None:
    """The official v1 SDK reads no more of it, so a foreign host in it is never asked."""
    outcome = lro.begin(follow(method), answer(202, operation_location=location), now=NOW)
    assert isinstance(outcome, lro.Pending)
    assert (outcome.follow.style, outcome.follow.url) == ("status_url", OPERATION)


@pytest.mark.parametrize("state", ["NotStarted", "Running"])
def test_a_running_operation_is_asked_again(state: str) -> None:
    """Whatever is not terminal runs."""
    begun = lro.begin(follow(), answer(202, operation_location="op-1"), now=NOW)
    assert isinstance(begun, lro.Pending)
    assert isinstance(lro.advance(begun.follow, answer(200, {"state": state}), now=NOW), lro.Pending)


@pytest.mark.parametrize(("state", "canceled"), [("Failed", False), ("TimedOut", False), ("Cancelled", True)])
def test_a_failed_operation_ends_with_its_error(state: str, canceled: bool) -> None:  # noqa: FBT001 - a table's column
    """`Cancelled` has two l here."""
    begun = lro.begin(follow(), answer(202, operation_location="op-1"), now=NOW)
    assert isinstance(begun, lro.Pending)
    told = {"state": state, "error": {"code": "AciDeploymentFailed", "message": "no cores", "statusCode": 400}}
    outcome = lro.advance(begun.follow, answer(200, told), now=NOW)
    assert isinstance(outcome, lro.Failed)
    assert (outcome.error.code, outcome.canceled) == ("AciDeploymentFailed", canceled)


def test_a_succeeded_operation_ends_with_the_service() -> None:
    """Its own state says Healthy; one that is still Transitioning is waited for."""
    begun = lro.begin(follow(), answer(202, operation_location="op-1"), now=NOW)
    assert isinstance(begun, lro.Pending)
    read = lro.advance(begun.follow, answer(200, {"state": "Succeeded"}), now=NOW)
    assert isinstance(read, lro.Pending)
    assert (read.follow.url, read.delay_s) == (SERVICE, 0.0)
    assert isinstance(lro.advance(read.follow, answer(200, {"name": "s1", "state": "Transitioning"}), now=NOW), lro.Pending)
    assert isinstance(lro.advance(read.follow, answer(200, {"name": "s1", "state": "Unhealthy"}), now=NOW), lro.Failed)
    assert lro.advance(read.follow, answer(200, {"name": "s1", "state": "Healthy"}), now=NOW) == lro.Done(
        body={"name": "s1", "state": "Healthy"}
    )


def test_the_header_means_nothing_elsewhere() -> None:
    """Other services name no v1 operations."""
    arm = lro.Follow(style="resource", url="https://x/r", resource_url="https://management.azure.com/r?api-version=1", method="PUT")
    outcome = lro.begin(arm, answer(200, {"properties": {}}, operation_location="op-1"), now=NOW)
    assert outcome == lro.Done(body={"properties": {}})
