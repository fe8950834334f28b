"""Azure Monitor on online endpoints: what was scored is what it shows; no data is not zero when split."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.client import Client

VERSION = "2023-10-01"


@pytest.fixture
def endpoint(azure: Client) -> str:
    """An endpoint without deployments."""
    arm_id = f"{azure.workspace()}/onlineEndpoints/echo"
    body = {"location": scene.LOCATION, "properties": {"authMode": "Key"}}
    assert azure.arm("PUT", arm_id, body).status_code == 201
    return arm_id


def read(azure: Client, endpoint: str, **query: str) -> Any:
    """Ask for requests of the last two days."""
    now = datetime.now(UTC)
    span = f"{now - timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}/{now:%Y-%m-%dT%H:%M:%SZ}"
    asked = {"metricnames": "RequestsPerMinute", "timespan": span, "interval": "PT1H", "aggregation": "Total", **query}
    text = "&".join(f"{name}={value}" for name, value in asked.items())
    return azure.arm("GET", f"{endpoint}/providers/microsoft.insights/metrics?{text}", version=VERSION)


def totals(answer: Any) -> dict[str, float]:
    """Deployment (or '') → requests."""
    return {
        (one["metadatavalues"][0]["value"] if one["metadatavalues"] else ""): sum(point["total"] for point in one["data"])
        for one in answer.json()["value"][0]["timeseries"]
    }


def test_an_endpoint_nobody_asked_has_zeros_and_no_deployment(azure: Client, endpoint: str) -> None:
    """Undivided there is a series of zeros; by deployment there is none."""
    assert totals(read(azure, endpoint)) == {"": 0.0}
    assert len(read(azure, endpoint).json()["value"][0]["timeseries"][0]["data"]) in {48, 49}
    assert totals(read(azure, endpoint, **{"$filter": "deployment eq '*'"})) == {}


def test_requests_count_in_their_hour_by_deployment_and_status(azure: Client, endpoint: str) -> None:
    """The control route adds what scoring would have counted; older than the span does not count."""
    for deployment, status, times, hours in (("blue", 200, 5, 3), ("blue", 424, 1, 3), ("green", 200, 2, 1), ("blue", 200, 9, 72)):
        seeded = {"endpoint": endpoint, "deployment": deployment, "status": status, "times": times, "days_ago": hours / 24}
        azure.control("POST", "traffic", seeded)
    assert totals(read(azure, endpoint)) == {"": 8.0}
    assert totals(read(azure, endpoint, **{"$filter": "deployment eq '*'"})) == {"blue": 6.0, "green": 2.0}
    assert totals(read(azure, endpoint, **{"$filter": "deployment eq 'blue' and statusCodeClass eq '2xx'"})) == {"blue": 5.0}
    assert totals(read(azure, endpoint, interval="FULL")) == {"": 8.0}


def test_latency_is_that_of_each_deployment_and_minutes_without_requests_have_none(azure: Client, endpoint: str) -> None:
    """P95 by deployment, as Azure Monitor lists it; the status is no dimension of it."""
    for deployment, took_ms, times in (("blue", 20, 94), ("blue", 90, 6), ("green", 200, 3)):
        seeded = {"endpoint": endpoint, "deployment": deployment, "times": times, "took_ms": took_ms, "days_ago": 1}
        azure.control("POST", "traffic", seeded)
    asked = {"metricnames": "RequestLatency_P95", "aggregation": "Average"}
    found = read(azure, endpoint, **asked, **{"$filter": "deployment eq '*'"}).json()["value"][0]["timeseries"]
    shown = {one["metadatavalues"][0]["value"]: [p["average"] for p in one["data"] if "average" in p] for one in found}
    assert shown == {"blue": [90.0], "green": [200.0]}
    assert len(read(azure, endpoint, **asked).json()["value"][0]["timeseries"]) == 1
    refused = read(azure, endpoint, **asked, **{"$filter": "deployment eq '*' and statusCodeClass eq '*'"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "wrong", [{"interval": "PT7M"}, {"metricnames": "Nothing"}, {"timespan": "soon"}, {"aggregation": "Median"}, {"$filter": "a b"}]
)
def test_a_question_that_cannot_be_answered_is_refused(azure: Client, endpoint: str, wrong: dict[str, str]) -> None:
    """400 `BadRequest`, with what would be right."""
    answer = read(azure, endpoint, **wrong)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")
