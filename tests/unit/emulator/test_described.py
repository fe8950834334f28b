"""The check against Microsoft's description sees each kind of deviation, and only what is described passes."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from infra.local.emulator import scene
from tests.spec import described, judge

COMPUTE = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/lab/computes/cpu"
BODY: dict[str, Any] = {
    "id": COMPUTE,
    "location": "westeurope",
    "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_D1", "vmPriority": "Dedicated"}},
}
GET = described.Exchange(
    method="GET",
    host=described.ARM,
    path=COMPUTE,
    query="api-version=2025-12-01",
    client=scene.APP_CLIENT_ID,
    scripted=False,
    body=None,
    status=200,
    answer=BODY,
)
DELETE = replace(GET, method="DELETE", status=202, answer=None)


def within(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The answer with other members below `properties`."""
    return {**body, "properties": {**body["properties"], **changes}}


@pytest.mark.parametrize(
    ("exchange", "says"),
    [
        (replace(GET, status=204, answer=None), "status 204; described are 200"),
        (replace(GET, answer={**BODY, "colour": "blue"}), "answer.colour: no such member is described"),
        (replace(GET, answer={**BODY, "location": 7}), "answer.location: text is described; got 7"),
        (replace(GET, answer=within(BODY, computeType="Abacus")), 'computeType: "Abacus" is none of'),
        (replace(GET, answer=within(BODY, properties={"vmPriority": "high"})), 'vmPriority: "high" is none of'),
        (replace(GET, answer=within(BODY, properties={"scaleSettings": {}})), "maxNodeCount: required, and not there"),
        (replace(GET, answer=None), "a body is described; got nothing"),
        (replace(GET, status=400, answer={"message": "no"}), "none of the recorded shapes"),
        (replace(GET, query="api-version=2025-12-01&colour=blue"), "query: unknown parameter colour"),
        (replace(DELETE), "query: underlyingresourceaction is required"),
        (replace(GET, path=f"{COMPUTE}/colours"), "no such operation is described"),
        (replace(GET, method="PUT", body={"colour": "blue"}), "request.colour: no such member is described"),
    ],
)
def test_a_deviation_is_seen(exchange: described.Exchange, says: str) -> None:
    """Status, member, type, value, what is required, error, query, path, body of the request."""
    assert any(says.lower() in line.lower() for line in described.problems(exchange)), described.problems(exchange)


@pytest.mark.parametrize(
    "exchange",
    [
        GET,
        replace(DELETE, query="api-version=2025-12-01&underlyingResourceAction=Delete"),
        replace(GET, method="PUT", status=201, body={key: BODY[key] for key in ("location", "properties")}),
        replace(GET, query="api-version=2021-07-01", answer={"any": "thing"}),
    ],
)
def test_what_is_described_passes(exchange: described.Exchange) -> None:
    """Also what a version says that no source here describes."""
    assert described.problems(exchange) == []


def test_what_a_test_puts_in_is_not_held_against_the_answer(tmp_path: Path) -> None:
    """Another client's odd body and its echo are passed over; an odd answer to a good body, and the app's own odd body, are not."""
    odd = replace(GET, method="PUT", status=201, body={**BODY, "colour": "blue"}, answer={**BODY, "colour": "blue"})
    echo = replace(GET, answer={**BODY, "colour": "blue"})
    file = tmp_path / "1.jsonl"
    for exchanges, count in (([replace(odd, client="a test"), echo], 0), ([echo], 1), ([odd], 1)):
        file.write_text("".join(json.dumps(asdict(each)) + "\n" for each in exchanges))
        one = judge.Judge(tmp_path)
        assert len(one.problems()) == count
        assert one.problems() == []
