"""Random senders ask everything there is, as the platform hands them over: nothing beyond their role and scope is asked or seen.

Who a sender is comes from headers (keys, sign-ins); what a request needs from a second reading of the rules, by names alone.
`make nightly` sends 100,000 requests, `make test` a sample. Not here: the rules by themselves (catalog/test_grants).
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from shared import services
from shared.api import route
from shared.api.access import key_book
from shared.api.call import Call
from shared.catalog import grants, kinds
from shared.catalog.grants import Grant
from shared.route_table import ROUTES
from tests.fake_azure import ACCOUNT_KEY, API
from tests.tables import WHOLE
from tests.unit.catalog import test_grants as rules
from tests.unit.http.conftest import running
from tests.unit.http.test_roles_and_scopes import principal

if TYPE_CHECKING:
    from tests.unit.http.conftest import Answer, App

pytestmark = pytest.mark.sweep

COUNT = 100_000 if WHOLE else 400
BATCH = 200  # requests of one app; then all begins again
MARK = re.compile(r"MARK\.(s\d)\.(g\d+)\.(\w+)\.")
SECRET = re.compile(rf"ENDPOINT-KEY-SECRET|{re.escape(ACCOUNT_KEY)}")
PUBLIC = ("docs", "dashboard", "openapi.json", "health")  # health/poison asks for queues, which this app in memory has none of
OWN: tuple[tuple[str, str, str], ...] = (  # verb, path, role; '!' concerns the whole app. The first that fits; docs/security.md
    (r"POST|OPTIONS", r"events", "events"),
    (r".*", r"keys.*|audit", "admin!"),
    (r"PUT|DELETE", r"cleanup/policies/.*|recipes/[^/]+", "admin!"),
    (r"PUT|DELETE", r"events/rules/.*", "admin"),
    (r"POST", r"cleanup/reports/.*/approve", "admin"),
    (r"GET", r"events/firings.*|health/poison", "reader!"),
    (r"POST|DELETE", r"events/firings/.*/cancel|health/poison/.*", "operator!"),
    (r"POST", r"events/test|translate|cleanup/policies", "reader"),
    (r"GET", r"approvals.*", "operator"),
    (r"POST", r"operations/.*/cancel", "scorer"),
    (r"GET", r".*", "reader"),
    (r".*", r".*", "operator"),
)
MANY = {  # what many kinds ask for in a PUT
    "computeType": "AmlCompute", "jobType": "Command", "command": "x", "environmentId": "azureml:e:1", "datastoreType": "AzureBlob",
    "dataType": "uri_file", "dataUri": "azureml://a", "category": "Git", "authType": "None", "target": "x", "authMode": "Key",
    "endpointComputeType": "Managed", "modelUri": "azureml://a", "image": "i", "componentSpec": {},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who sends: the headers and parameters of its requests, and what it may do; None where it may do nothing at all."""

    headers: dict[str, str]
    query: str
    held: tuple[Grant, ...] | None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request, and who may send it."""

    method: str
    path: str
    body: str

    def allowed(self, _held: Grant) -> bool:
        """Tell whether one grant allows it."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class OfAzure(Asked):
    """One for a kind of Azure's."""

    wish: rules.Wish
    names: str

    def allowed(self, held: Grant) -> bool:
        """See `Asked.allowed`."""
        wish = self.wish
        if rules.RANKS[held.role] < rules.RANKS[rules.role_of(self.method, wish.kind, wish.action)]:
            return False
        if held.kinds and wish.kind not in held.kinds:
            return False
        return not held.below or any(rules.within(place, wish.key, wish.of, listed=wish.listed) for place in held.below)

    def named(self, held: Grant) -> bool:
        """Tell whether its body names nothing beyond a grant's places, but for a group that one of them is in."""
        if not self.names or not held.below:
            return True
        return any(f"{self.names}/".startswith(f"{each}/") or each.startswith(f"{self.names}/") for each in held.below)


@dataclass(frozen=True, kw_only=True)
class Own(Asked):
    """One of the app's own."""

    def allowed(self, held: Grant) -> bool:
        """See `Asked.allowed`."""
        path = self.path.partition("?")[0]
        role = next(role for verb, known, role in OWN if re.fullmatch(verb, self.method) and re.fullmatch(known, path))
        needed = role.removesuffix("!")
        enough = held.role in ("admin", needed) if needed == "events" else rules.RANKS[held.role] >= rules.RANKS[needed]
        return enough and (held.whole or not role.endswith("!"))


def requests(chance: random.Random, count: int) -> list[Asked]:
    """Requests for kinds of Azure's, and for every route of the app's own."""
    found: list[Asked] = []
    own = [each for each in ROUTES if each.own and not each.about and each.template.split("/")[0] not in PUBLIC]
    for wish in rules.wishes(chance, count * 3 // 4):
        call, arm = wish.call, "arm/" if chance.random() < 0.2 else ""
        if (row := route.find(ROUTES, call.method, call.path)) and row.own:  # `operations` are the app's, not the provider's
            continue
        body, names = "", ""
        if call.method in ("PUT", "PATCH", "POST"):
            body = json.dumps({"location": "westeurope", "properties": {}})
            if call.method == "PUT" and chance.random() < 0.6:
                sub, group = chance.choice(("s1", "s2")), chance.choice(("g1", "g2", "g11"))
                names = f"/subscriptions/{sub}/resourcegroups/{group}"
                properties = {**MANY, "storageAccount": f"{names}/providers/Microsoft.Storage/storageAccounts/y"}
                body = json.dumps({"location": "westeurope", "properties": properties})
        found.append(OfAzure(method=call.method, path=f"{arm}{call.path}", body=body, wish=wish, names=names))
    workspaces = kinds.by_type()["arm", kinds.ML.lower(), "workspaces"]
    for _ in range(count // 20):  # lists of what only some may see
        path, key, of = rules.path_of(workspaces, chance, collection=True)
        wish = rules.Wish(
            call=Call(method="GET", path=path), kind=workspaces.full_type.lower(), action="", key=key, of=of, listed=True
        )
        found.append(OfAzure(method="GET", path=path, body="", wish=wish, names=""))
    while len(found) < count:
        row = chance.choice(own)
        path = re.sub(r"\{\w+\}", lambda _: chance.choice(("one", "two")), row.template)
        found.append(Own(method=row.verb, path=path, body="{}" if row.verb in ("PUT", "POST", "PATCH") else ""))
    chance.shuffle(found)
    return found


def senders(app: App, chance: random.Random, count: int) -> list[Sender]:
    """Make keys and sign-ins of every sort: as an admin does."""
    found: list[Sender] = []
    for number in range(count):
        way = chance.choice(
            ("key", "key", "code", "revoked", "unnamed", "app role", "kept", "both", "with a key", "revoked sign-in")
        )
        held, object_id = rules.a_grant(chance), f"{number:08x}-0000-4000-8000-000000000000"
        scope = {"below": [each.lstrip("/") for each in held.below], "kinds": list(held.kinds)}
        secret, headers, query, granted = f"key-{number}", {}, "", [held]
        if way in ("key", "code", "revoked", "with a key"):
            put(app, f"k{number}", {"role": held.role, "scope": scope, "hash": key_book.hashed(secret)})
            headers, query = ({}, f"code={secret}") if way == "code" else ({"x_functions_key": secret}, "")
        if way in ("kept", "both", "revoked sign-in"):
            put(app, f"k{number}", {"role": held.role, "scope": scope, "principal": object_id})
        if way.startswith("revoked"):
            assert app.send("DELETE", f"keys/k{number}").status == 200
        if way in ("app role", "kept", "both", "with a key", "revoked sign-in"):
            role = chance.choice(grants.ROLES)
            with_role = (f"Steward.{role.title()}",) if way != "kept" else ()
            headers |= principal(*with_role, of=object_id if way != "app role" else "")
            granted = [Grant(role=role)] if way == "app role" else [held, *([Grant(role=role)] if way != "kept" else [])]
        if way == "unnamed":
            headers = {"x_functions_key": secret}
        refused = way.startswith("revoked") or way == "unnamed"
        found.append(Sender(headers=headers, query=query, held=None if refused else tuple(granted)))
    return found


def put(app: App, name: str, body: dict[str, Any]) -> None:
    """Name a key or a sign-in."""
    answer = app.send("PUT", f"keys/{name}", json.dumps(body))
    assert answer.status == 200, answer.content


def stock(app: App) -> None:
    """Place resources everywhere, each marked with where it is."""
    for sub in ("s1", "s2"):
        app.steward.azure.resources[f"/subscriptions/{sub}/resourcegroups"] = {
            "value": [{"id": f"/subscriptions/{sub}/resourceGroups/{group}", "name": group} for group in ("g1", "g2", "g11")]
        }
        for group in ("g1", "g2", "g11"):
            at = f"/subscriptions/{sub}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces"
            for name in rules.NAMES:
                mark = {"mark": f"MARK.{sub}.{group}.{name}."}
                discovered = {"discoveryUrl": f"{API}/discovery", **mark}
                app.steward.azure.put(f"{at}/{name}", {"id": f"{at}/{name}", "location": "westeurope", "properties": discovered})
                for child in ("computes/one", "onlineEndpoints/one", "datastores/one", "jobs/one", "data/one/versions/one"):
                    place = f"{at}/{name}/{child}"
                    app.steward.azure.put(place, {"id": place, "properties": {"status": "Running", "authMode": "Key", **mark}})


def one_for(asked: Asked, made: list[Sender], chance: random.Random) -> Sender:
    """Choose a sender: half of the time one that may, and of those one that is limited to places where there is any."""
    may = [each for each in made if each.held and all(asked.allowed(grant) for grant in each.held)]
    limited = [each for each in may if any(grant.below for grant in each.held or ())]
    return chance.choice(made if chance.random() < 0.5 else limited or may or made)


def sees(sender: Sender, mark: re.Match[str]) -> bool:
    """Tell whether a marked workspace is within all of a sender's places, or holds one of them."""
    key = f"/subscriptions/{mark[1]}/resourcegroups/{mark[2]}{rules.ML}/workspaces/{mark[3]}"
    return all(
        not each.below or any(f"{key}/".startswith(f"{place}/") or place.startswith(f"{key}/") for place in each.below)
        for each in sender.held or ()
    )


def judge(app: App, sender: Sender, asked: Asked, *, limits: set[str]) -> bool:
    """Send a request and hold what came of it against the second reading; tell whether it was allowed."""
    azure, before = app.steward.azure, len(app.steward.azure.requests)
    rows = len(app.steward.rows.rows)
    path = asked.path + (f"?{sender.query}" if sender.query else "")
    answer: Answer = app.send(asked.method, path, asked.body, **sender.headers)
    held = sender.held
    allowed = held is not None and all(asked.allowed(each) for each in held)
    text = answer.content.decode(errors="replace") + str(answer.headers)
    what = (asked.method, asked.path, sender, answer.status, text[:300])
    assert answer.status < 500 or answer.status == 503, what
    assert allowed or answer.status >= 400, what
    names_more = isinstance(asked, OfAzure) and held is not None and not all(asked.named(each) for each in held)
    if not allowed or (names_more and answer.status == 403):
        assert azure.requests[before:] == [], what
        assert len(app.steward.rows.rows) == rows, what
        assert SECRET.search(text) is None, what
        assert MARK.search(text) is None, what
        if answer.status == 403:
            limits.add(answer.body["error"]["code"])
        return False
    wrote = [each for each in azure.requests[before:] if not each.startswith("GET ")]
    assert not names_more or (answer.status >= 400 and not wrote), what
    if answer.status == 403:
        assert isinstance(asked, Own) or answer.body["error"]["code"] not in ("RoleNeeded", "KeyNotNamed", "KeyRevoked"), what
    assert held is not None
    beyond = [mark[0] for mark in MARK.finditer(text) if not sees(sender, mark)]
    assert not beyond, (beyond, *what)
    assert not SECRET.search(text) or all(each.role == "admin" for each in held), what
    return True


def test_no_sender_is_answered_with_more_than_is_its_own() -> None:
    """Refused: Azure is asked nothing, and nothing is recorded or shown. Allowed: only what is in its places; keys to admins."""
    chance = random.Random(15)  # noqa: S311 - no secret
    allowed, limits = 0, set[str]()
    for _ in range(COUNT // BATCH):
        with running() as app:
            own = services.get().settings
            named = replace(own, subscription_id="s1", other_subscriptions=("s2",), resource_group="g1", signed_in=True)
            vars(services.get())["settings"] = named
            stock(app)
            made = senders(app, chance, 40)
            vars(services.get())["settings"] = replace(services.get().settings, unnamed_keys=False)
            app.steward.clock.advance(60)
            allowed += sum(judge(app, one_for(each, made, chance), each, limits=limits) for each in requests(chance, BATCH))
    assert limits == {"RoleNeeded", "OutOfScope", "KeyRevoked", "KeyNotNamed"}
    assert COUNT / 5 < allowed < COUNT * 4 / 5
