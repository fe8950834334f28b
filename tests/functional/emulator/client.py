"""A client that speaks to the local Azure as anything else would: through the proxy, with a token; it follows nothing."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from infra.local.emulator import scene

ARM = "https://management.azure.com"
WORKSPACES = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces"
VERSION = "2023-10-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalAzure:
    """Where it listens, and its process; the clients of all tests share its connections."""

    proxy: str
    ca: str
    control: str
    process: subprocess.Popen[str]
    session: requests.Session = field(default_factory=requests.Session)


class Client:
    """Plain HTTP through the proxy, with the article's token; nothing of the product is in it."""

    def __init__(self, azure: LocalAzure) -> None:
        self.azure = azure
        self.session = azure.session
        self.session.trust_env = False
        self.session.proxies = {"https": azure.proxy}
        self.session.verify = azure.ca
        self._held = ""

    def token(self, resource: str = f"{ARM}/") -> str:
        """A token of the v1 endpoint."""
        form = {
            "grant_type": "client_credentials",
            "resource": resource,
            "client_id": scene.CLIENT_ID,
            "client_secret": scene.CLIENT_SECRET,
        }
        answer = self.session.post(f"https://login.microsoftonline.com/{scene.TENANT_ID}/oauth2/token", data=form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def arm(self, method: str, path: str, body: Any = None, *, version: str | None = VERSION, **options: Any) -> requests.Response:
        """One ARM call; `path` may hold a query; a whole URL is followed as it is."""
        whole = path.startswith("https://")
        url = path if whole else f"{ARM}{path}"
        if version and not whole:
            url += f"{'&' if '?' in path else '?'}api-version={version}"
        self._held = self._held or self.token()
        headers = {"Authorization": f"Bearer {self._held}", **options.pop("headers", {})}
        if isinstance(body, str):
            options["data"] = body
        elif body is not None:
            options["json"] = body
        return self.session.request(method, url, headers=headers, timeout=60, **options)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One control call; the decoded answer. It may have moved the clock: the next ARM call takes a new token."""
        self._held = ""
        answer = requests.request(method, f"{self.azure.control}/_control/{path}", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def workspace(self, name: str = "lab", **change: Any) -> str:
        """A finished workspace on the scene's dependencies: its id."""
        arm_id = f"{WORKSPACES}/{name}"
        answer = self.arm("PUT", arm_id, {**workspace_body(), **change})
        assert answer.status_code == 202, answer.text
        assert self.arm("GET", answer.headers["Azure-AsyncOperation"]).json()["status"] == "Succeeded"
        return arm_id


def workspace_body() -> dict[str, Any]:
    """The article's body."""
    return {
        "location": scene.LOCATION,
        "properties": {
            "friendlyName": "A workspace",
            "description": "made by a test",
            "containerRegistry": scene.REGISTRY_ID,
            "keyVault": scene.KEY_VAULT_ID,
            "applicationInsights": scene.INSIGHTS_ID,
            "storageAccount": scene.STORAGE_ID,
        },
        "identity": {"type": "systemAssigned"},
    }


def until(condition: Callable[[], bool], *, seconds: float = 180) -> None:
    """Look again until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.1)
