"""What the callers of a soak ask for, one row for each sort, and what must have come of it. Not here: what goes wrong (chaos)."""

from __future__ import annotations

import io
import json
import random
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.local.emulator import scene
from tests.soak.ground import Answer, until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    from tests.soak.ground import Ground

WORKSPACE = "workspaces/soak"
SERVED = f"{WORKSPACE}/onlineEndpoints/served"
RECEIVER = "ended"
SHARED = 8  # targets that many requests change
EXPIRES_S = 60
SIZE = {"vmSize": "Standard_DS2_v2", "vmPriority": "Dedicated", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}}
RULES = """
rules:
  - name: soaked
    on: {types: [Contoso.Soak]}
    oncePer: ${{ data.name }}
    rate: 100000/1h
    do:
      request: PUT workspaces/soak/environments/${{ data.name }}/versions/1
      body: {properties: {image: "mcr.microsoft.com/azureml/a:1"}}
"""
POLICY = """
policies:
  - name: soaked-environments
    kind: environmentVersion
    where: {workspaces: [soak]}
    staleWhen: {beyondNewest: 1, unreferenced: true}
    action: archive
    mode: enforce
"""
SCORE = """\
def init():
    pass

def run(raw_data):
    return raw_data
"""


@dataclass(kw_only=True)
class Asked:
    """A piece of work.

    Attributes:
        number: Which one.
        sort: A row of `SORTS`.
        path: Its target, or what it is known by.
        headers, body, method, to: The request.
        record: Where its state is read, once it was accepted.
        begun, accepted, ended: Seconds of the monotonic clock.
        refused: What the app said instead.
        notify: Its end is to be told.
        state: Its record, as it was last read.
    """

    number: int
    sort: str
    method: str = "PUT"
    to: str = ""
    path: str = ""
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    record: str = ""
    begun: float = 0.0
    accepted: float = 0.0
    ended: float = 0.0
    refused: str = ""
    notify: bool = False
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """What its record says."""
        return str(self.state.get("status", ""))

    @property
    def code(self) -> str:
        """The code of its error."""
        return str((self.state.get("error") or {}).get("code", ""))


def _compute(mark: str) -> dict[str, Any]:
    return {"location": scene.LOCATION, "tags": {"mark": mark}, "properties": {"computeType": "AmlCompute", "properties": SIZE}}


def _own(asked: Asked, drawn: random.Random) -> None:
    (kind,) = drawn.choices(("computes", "environments", "onlineEndpoints"), weights=(10, 9, 1))
    name = f"own{asked.number}x"
    asked.to = f"{WORKSPACE}/{kind}/{name}" + ("/versions/1" if kind == "environments" else "")
    asked.body = {
        "computes": _compute(name),
        "environments": {"properties": {"image": "mcr.microsoft.com/azureml/a:1"}},
        "onlineEndpoints": {**HEAD, "tags": {"mark": name}, "properties": {"authMode": "Key"}},
    }[kind]


def _shared(asked: Asked, drawn: random.Random) -> None:
    asked.to, mark = f"{WORKSPACE}/onlineEndpoints/shared{drawn.randrange(SHARED)}", f"m{asked.number}"
    asked.body = {**HEAD, "tags": {"mark": mark}, "properties": {"authMode": "Key"}}
    asked.path = mark


def _deleted(asked: Asked, drawn: random.Random) -> None:
    asked.method, asked.to = "DELETE", f"{WORKSPACE}/computes/own{drawn.randrange(max(1, asked.number))}x"


def _job(asked: Asked, _drawn: random.Random) -> None:
    group = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/{WORKSPACE}"
    asked.method, asked.to = "POST", f"{WORKSPACE}/jobs"
    own = {"environmentId": f"{group}/environments/plain/versions/1", "computeId": f"{group}/computes/cpu"}
    asked.body = {"properties": {"jobType": "Command", "command": f"echo {asked.number}", **own}}


def _expiring(asked: Asked, _drawn: random.Random) -> None:
    asked.path = f"exp{asked.number}x"
    asked.to, asked.body = f"{WORKSPACE}/computes/{asked.path}", _compute(asked.path)
    asked.headers = {"Expires-In": f"PT{EXPIRES_S}S"}


def _recipe(asked: Asked, _drawn: random.Random) -> None:
    name, put = f"rec{asked.number}", f"PUT {WORKSPACE}/computes/rec{asked.number}"
    steps = {
        "one": {"request": f"{put}-a", "needs": [], "body": _compute(name)},
        "two": {"request": f"{put}-b", "needs": [], "body": _compute(name)},
        "rest": {"wait": "PT10S", "needs": ["one", "two"]},
        "gone": {"request": f"DELETE {WORKSPACE}/computes/{name}-a"},
    }
    asked.method, asked.to, asked.body, asked.path = "POST", "recipes", {"steps": steps}, name


def _event(asked: Asked, _drawn: random.Random) -> None:
    asked.method, asked.to, asked.path = "POST", "events", f"evt{asked.number}"
    asked.headers = {"Content-Type": "application/cloudevents+json"}
    event = {"specversion": "1.0", "id": asked.path, "source": f"{scene.GROUP_ID}/soak", "type": "Contoso.Soak", "subject": "soak"}
    asked.body = {**event, "data": {"name": asked.path}}


def _score(asked: Asked, _drawn: random.Random) -> None:
    asked.method, asked.to, asked.body = "POST", f"{SERVED}/score", {"n": asked.number}
    asked.headers = {"Prefer": "respond-async"}


def _rollout(asked: Asked, _drawn: random.Random) -> None:
    asked.method, asked.to, asked.path = "POST", f"{SERVED}/rollout", f"roll{asked.number}"
    gate = {"errorRate": {"atMost": 0.5}, "leastRequests": 1}
    rest = {"steps": [50, 100], "bake": "PT5S", "gate": gate, "unsure": "go on", "keepOld": "PT0S"}
    asked.body = {"deployment": asked.path, "smoke": [{"send": {"n": 1}}], **rest}


def _cleanup(asked: Asked, drawn: random.Random) -> None:
    asked.method, asked.to = "POST", f"cleanup?policy=soaked-environments&mode={drawn.choice(('dryRun', 'enforce'))}"


HEAD = {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}}
SORTS: dict[str, tuple[int, Callable[[Asked, random.Random], None]]] = {
    "own": (30, _own),
    "shared": (25, _shared),
    "deleted": (8, _deleted),
    "expiring": (8, _expiring),
    "recipe": (6, _recipe),
    "event": (8, _event),
    "score": (10, _score),
    "job": (2, _job),
    "rollout": (2, _rollout),
    "cleanup": (2, _cleanup),
}
KEYLESS = frozenset({"event", "cleanup", "rollout"})
UNSENT = -1  # nothing was asked for
AGAIN = frozenset({UNSENT, 0, 429, 500, 502, 503, 504})


def prepare(ground: Ground) -> None:
    """Make what the work stands on, before anything goes wrong; endpoints of long soaks are more than a region takes by default."""
    ground.control("PUT", "limits", {"endpoints": 1_000})
    parts = {"storageAccount": scene.STORAGE_ID, "keyVault": scene.KEY_VAULT_ID, "applicationInsights": scene.INSIGHTS_ID}
    _done(ground, "PUT", WORKSPACE, {**HEAD, "properties": parts})
    _done(ground, "PUT", f"{WORKSPACE}/environments/plain/versions/1", {"properties": {"image": "mcr.microsoft.com/azureml/a:1"}})
    _done(ground, "PUT", f"{WORKSPACE}/computes/cpu", _compute("cpu"))
    for number in range(SHARED):
        body = {**HEAD, "tags": {"mark": "before"}, "properties": {"authMode": "Key"}}
        _done(ground, "PUT", f"{WORKSPACE}/onlineEndpoints/shared{number}", body)
    for version in (1, 2, 3):
        body = {"properties": {"image": "mcr.microsoft.com/azureml/a:1"}}
        _done(ground, "PUT", f"{WORKSPACE}/environments/old-one/versions/{version}", body)
    _serve(ground)
    for path, text in (("events/rules/soak", RULES), ("cleanup/policies/soak", POLICY)):
        answer = ground.call("PUT", path, text.encode(), Content_Type="application/yaml")
        assert answer.status < 300, answer.body


def _serve(ground: Ground) -> None:
    """An endpoint whose one deployment answers with what it was sent."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("score.py", SCORE)
    own = {"endpointComputeType": "Managed", "instanceType": "Standard_DS2_v2", "environmentId": "azureml:plain:1"}
    own |= {"codeConfiguration": {"scoringScript": "score.py"}}
    spec = {"location": scene.LOCATION, "sku": {"name": "Default", "capacity": 1}, "properties": own}
    _done(ground, "PUT", SERVED, {**HEAD, "properties": {"authMode": "Key"}})
    line, parts = b"--soak\r\nContent-Disposition: form-data; name=", []
    for name, file, content in (("spec", "spec.json", json.dumps(spec).encode()), ("code", "code.zip", packed.getvalue())):
        parts.append(line + f'"{name}"; filename="{file}"\r\n\r\n'.encode() + content + b"\r\n")
    body = b"".join(parts) + b"--soak--\r\n"
    _done(ground, "PUT", f"{SERVED}/deployments/blue", body, Content_Type="multipart/form-data; boundary=soak")
    _done(ground, "PUT", SERVED, {**HEAD, "properties": {"authMode": "Key", "traffic": {"blue": 100}}})


def _done(ground: Ground, method: str, path: str, body: Any, **headers: str) -> None:
    answer = ground.call(method, path, body, **headers)
    assert 200 <= answer.status < 300, (path, answer.status, answer.body)
    if answer.status == 202:
        record = answer.headers["operation-location"].partition("/api/")[2]
        ended = until(lambda: (found := ground.call("GET", f"{record}?wait=20").body).get("endTime") and found, path, 240)
        assert ended["status"] == "Succeeded", ended


@dataclass(kw_only=True)
class Callers:
    """Callers that ask for work until it is over; each piece is sent again until it was answered."""

    ground: Ground
    seed: int
    all_asked: list[Asked] = field(default_factory=list)

    def run(self, caller: int, over: Event) -> None:
        """Be one caller."""
        drawn = random.Random(f"{self.seed} {caller}")  # noqa: S311 - a load that can be repeated
        names, weights = list(SORTS), [weight for weight, _ in SORTS.values()]
        while not over.is_set():
            sort = drawn.choices(names, weights)[0]
            asked = Asked(number=len(self.all_asked) * 8 + caller, sort=sort)
            SORTS[sort][1](asked, drawn)
            if sort not in KEYLESS:
                asked.headers |= {"Idempotency-Key": f"soak-{asked.number}"} if asked.method != "DELETE" else {}
                asked.notify = asked.method != "DELETE" and drawn.random() < 0.4
                asked.headers |= {"Callback-Url": f"queue:{RECEIVER}"} if asked.notify else {}
                if sort in ("own", "shared") and drawn.random() < 0.4:
                    asked.headers["Prefer"] = "respond-async"
            self.all_asked.append(asked)
            self._send(asked, over)
            over.wait(drawn.choice((0.2, 0.5, 1.0, 3.0)))

    def _send(self, asked: Asked, over: Event) -> None:
        asked.begun = time.monotonic()
        while True:
            answer = self._call(asked)
            if answer.status not in AGAIN:
                break
            keyless = asked.method == "DELETE" or asked.sort in ("cleanup", "rollout")
            if keyless and answer.status != UNSENT:  # whether it was accepted is not known
                asked.refused = f"unknown {answer.status}"
                return
            if over.wait(1.0) and time.monotonic() - asked.begun > 300:
                break
        asked.accepted = time.monotonic()
        _accepted(asked, answer)

    def _call(self, asked: Asked) -> Answer:
        """Send it once; a rollout names the deployment that is live now, if that can be read, and is still there."""
        if asked.sort != "rollout":
            return self.ground.call(asked.method, asked.to, asked.body, **asked.headers)
        found = self.ground.call("GET", SERVED)
        traffic = (found.body.get("properties") or {}).get("traffic") if found.status == 200 else None
        if not traffic:
            return Answer(UNSENT, {}, {})
        live = {"like": max(traffic, key=lambda name: traffic[name])}
        answer = self.ground.call(asked.method, asked.to, {**asked.body, "body": live}, **asked.headers)
        return Answer(UNSENT, {}, {}) if answer.status == 404 else answer

    def follow(self, asked: Asked) -> bool:
        """Read its record; true when it has ended."""
        if asked.ended or not asked.record:
            return True
        found = self.ground.call("GET", asked.record)
        if found.status == 200 and found.body.get("endTime"):
            asked.state, asked.ended = found.body, time.monotonic()
        return bool(asked.ended)


def _accepted(asked: Asked, answer: Answer) -> None:
    """Note where an accepted piece of work is followed."""
    if not 200 <= answer.status < 400:
        code = (answer.body.get("error") or {}).get("code") if isinstance(answer.body, dict) else ""
        asked.refused = f"{answer.status} {code}"
    elif where := answer.headers.get("operation-location") or answer.headers.get("location"):
        asked.record = where.partition("/api/")[2] or where.lstrip("/")
        asked.record = asked.record.removesuffix("/result")
    elif asked.sort != "event":
        operation = answer.headers.get("operation-id", "")
        asked.record = f"operations/{operation}" if operation else ""
        asked.state, asked.ended = {"status": "Succeeded"}, asked.accepted


def counts(ground: Ground, actions: Mapping[str, str]) -> dict[str, Counter[str]]:
    """How often each write took effect in the local Azure: surely, and perhaps; `actions`: what its rules did, by their ids."""
    found: dict[str, Counter[str]] = {"sure": Counter(), "perhaps": Counter()}
    for entry in ground.control("GET", "requests?host=management.azure.com&method=PUT|PATCH|DELETE|POST"):
        name = f"{entry['method']} {entry['path'].rpartition('MachineLearningServices/')[2]}"
        action = actions.get(entry["fault"] or "", "")
        if action in ("", "delay") and entry["status"] is not None and entry["status"] < 300:
            found["sure"][name] += entry["status"] != 204
        elif action in ("drop_after", "respond_after"):
            found["perhaps"][name] += 1
    return found
