"""A cluster that was made for some seconds is gone after them, on real storage, the real host and the local Azure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from infra.local.emulator import scene
from tests.functional.emulator.client import until

if TYPE_CHECKING:
    from infra.local import stack

WORKSPACE = {
    "location": scene.LOCATION,
    "identity": {"type": "SystemAssigned"},
    "properties": {
        "storageAccount": scene.STORAGE_ID,
        "keyVault": scene.KEY_VAULT_ID,
        "applicationInsights": scene.INSIGHTS_ID,
    },
}
CLUSTER = {
    "location": scene.LOCATION,
    "properties": {
        "computeType": "AmlCompute",
        "properties": {"vmSize": "Standard_DS3_v2", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}},
    },
}


@pytest.mark.nightly
def test_a_cluster_goes_at_its_time_and_a_namesake_stays(app: stack.App) -> None:
    """Both were made with a deadline; one of them was deleted by its owner, and made again without one."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update({"x-functions-key": app.key, "Prefer": "wait=60"})

        def asked(method: str, path: str, body: Any = None, *, expect: int = 0, **headers: str) -> requests.Response:
            answer = session.request(method, f"{app.url}/api/{path}", json=body, headers=headers, timeout=90)
            assert answer.status_code < 300 or answer.status_code == expect, answer.text
            return answer

        asked("PUT", "workspaces/expiring", WORKSPACE)
        names = {}
        for cluster, length, patience in (("goes", "PT4S", "wait=0"), ("stays", "PT1H", "wait=60")):
            headers = {"Expires-In": length, "Prefer": patience}
            made = asked("PUT", f"workspaces/expiring/computes/{cluster}", CLUSTER, **headers).json()
            names[cluster] = made["properties"]["expires"]["name"]
        asked("DELETE", "workspaces/expiring/computes/stays")
        asked("PUT", "workspaces/expiring/computes/stays", CLUSTER)
        asked("PATCH", f"expiries/{names['stays']}", {"in": "PT1S"}, expect=409)  # it may have been found gone already

        def ended() -> bool:
            listed = asked("GET", "expiries?below=workspaces/expiring&status=Pending").json()["value"]
            return not listed and asked("GET", f"expiries/{names['goes']}").json()["status"] != "Acting"

        until(ended)
        expiries = {cluster: asked("GET", f"expiries/{name}").json() for cluster, name in names.items()}
        assert {cluster: each["status"] for cluster, each in expiries.items()} == {"stays": "Gone", "goes": "Done"}, expiries
        act = asked("GET", expiries["goes"]["operation"].lstrip("/")).json()
        late = datetime.fromisoformat(act["startTime"]) - datetime.fromisoformat(expiries["goes"]["at"])
        assert 0 <= late.total_seconds() < 120
        there = asked("GET", "workspaces/expiring/computes").json()["value"]
        assert [each["name"] for each in there] == ["stays"]
