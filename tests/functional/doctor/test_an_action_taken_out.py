"""Every action of the shipped roles, one at a time, is taken out: a request says which one is missing and where, the doctor too."""

from __future__ import annotations

import contextlib
import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from infra.doctor import identity
from infra.local import roles
from infra.local.emulator import scene
from infra.local.emulator.authorization.state import Authorization
from shared.catalog import kinds
from tests import tables
from tests.deploy.test_roles import GRANTED, TARGET, S, need, requests_of
from tests.functional.emulator.bodies import ACCOUNT, COMPONENT, PLACE, REGISTRY, VAULT
from tests.functional.emulator.client import ARM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local import stack

pytestmark = [pytest.mark.sweep, pytest.mark.timeout(600)]
SILENT = frozenset({  # lists of resources then lack what may not be read, as Azure's do
    "Microsoft.Resources/subscriptions/resources/read", "Microsoft.Resources/subscriptions/resourceGroups/resources/read",
})  # fmt: skip
ACTIONS = sorted({action for role in GRANTED if role != "quotas" for action in GRANTED[role]})
BODIES: dict[str, Any] = {
    "Microsoft.Storage/storageAccounts/write": ACCOUNT,
    "Microsoft.KeyVault/vaults/write": VAULT,
    "Microsoft.ContainerRegistry/registries/write": REGISTRY,
    "Microsoft.Insights/components/write": COMPONENT,
    "Microsoft.Resources/subscriptions/resourceGroups/write": PLACE,
    "Microsoft.Storage/storageAccounts/regenerateKey/action": {"keyName": "key1"},
    "Microsoft.ContainerRegistry/registries/regenerateCredential/action": {"name": "password"},
}
# What a preflight asks beside the table of kinds: the check that then does not know, of a PUT of what.
_NEW = f"{TARGET}/providers/Microsoft"
PLANNED = {
    "Microsoft.Authorization/permissions/read": ("permission", f"{_NEW}.Storage/storageAccounts/stnew1", ACCOUNT),
    "Microsoft.Authorization/denyAssignments/read": ("deny", f"{_NEW}.Storage/storageAccounts/stnew1", ACCOUNT),
    "Microsoft.Authorization/locks/read": ("lock", f"{_NEW}.Storage/storageAccounts/{scene.STORAGE_ACCOUNT}", ACCOUNT),
    "Microsoft.Storage/checkNameAvailability/read": ("free", f"{_NEW}.Storage/storageAccounts/stnew1", ACCOUNT),
    "Microsoft.KeyVault/checkNameAvailability/read": ("free", f"{_NEW}.KeyVault/vaults/kv-new", VAULT),
    "Microsoft.ContainerRegistry/checkNameAvailability/read": ("free", f"{_NEW}.ContainerRegistry/registries/acrnew1", REGISTRY),
    "Microsoft.Resources/subscriptions/providers/read": ("provider", f"{_NEW}.Storage/storageAccounts/stnew1", ACCOUNT),
    f"{kinds.ML}/locations/*/read": (
        "sku", f"{_NEW}.MachineLearningServices/workspaces/w/computes/c",
        {**PLACE, "properties": {"computeType": "AmlCompute", "properties": {
            "vmSize": "Standard_DS3_v2", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}}}},
    ),
}  # fmt: skip


def without(action: str) -> list[dict[str, Any]]:
    """The roles as infra/azure gives them, less one action, in whichever of them it stands."""
    definitions = copy.deepcopy(SHIPPED["definitions"])
    for permission in (each for role in definitions for each in role["properties"]["permissions"]):
        permission["actions"] = [each for each in permission["actions"] if each != action]
    return definitions


def sent() -> Iterator[tuple[str, str, str, str]]:
    """Method, path, action and scope of what the table of kinds lets the app send to ARM, and the shipped roles allow."""
    rules = held(SHIPPED["definitions"])
    for kind in kinds.KINDS:
        for method, path in requests_of(kind):
            wanted = need(method, path) if path.startswith(f"{S}/") and method != "PATCH" else None
            if wanted and rules.may(scene.APP_OBJECT_ID, *wanted):
                yield method, path, *wanted


def held(definitions: list[dict[str, Any]]) -> Authorization:
    """What the app's identity may do with these roles."""
    rules = Authorization(lambda: datetime.now(UTC))
    rules.load({**SHIPPED, "definitions": definitions})
    return rules


def refused_without(action: str) -> tuple[str, str, str, str] | None:
    """A request that is then refused: one that needs no body, where there is one."""
    rules = held(without(action))
    found = [each for each in SENT if not rules.may(scene.APP_OBJECT_ID, *each[2:])]
    return min(found, key=lambda each: (each[0] == "PUT", each[0] == "POST"), default=None)


SHIPPED = roles.shipped()
SENT = list(sent())
REFUSED = {action: request for action in ACTIONS if action not in SILENT and (request := refused_without(action))}


@contextlib.contextmanager
def lacking(emulator: stack.Azure, action: str) -> Iterator[None]:
    """The app without one action."""
    place = f"{emulator.control}/_control/roles"
    before = requests.get(place, timeout=30).json()
    requests.put(place, json={"definitions": without(action)}, timeout=30).raise_for_status()
    try:
        yield
    finally:
        requests.put(place, json={"definitions": before["definitions"]}, timeout=30).raise_for_status()


def diagnosed(emulator: stack.Azure, action: str) -> list[str]:
    """What of the app's roles the doctor finds missing, from ARM's own answer about the app."""
    session = requests.Session()
    session.trust_env, session.proxies, session.verify = False, {"https": emulator.proxy}, emulator.ca
    form = {"grant_type": "client_credentials", "client_id": scene.APP_CLIENT_ID, "client_secret": scene.APP_CLIENT_SECRET}
    place = f"https://login.microsoftonline.com/{scene.TENANT_ID}/oauth2/token"
    token = session.post(place, data={**form, "resource": f"{ARM}/"}, timeout=30).json()["access_token"]
    found: list[str] = []
    for scope, wanted in ((S, identity.OF_SUBSCRIPTION), (TARGET, identity.OF_GROUP)):
        url = f"{ARM}{scope}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
        answer = session.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        if not answer.ok:
            found.append(answer.text)
            continue
        found += [name for each in wanted for name in identity.missing(answer.json()["value"], each.role)]
    session.close()
    return [each for each in found if action in each]


def send(app: stack.App, method: str, path: str, body: Any = None) -> requests.Response:
    """One request to the app."""
    return requests.request(method, f"{app.url}/api{path}", json=body, headers={"x-functions-key": app.key}, timeout=60)


@tables.each("action", tables.sample(sorted(REFUSED), 10, seed="taken out"))
def test_a_request_says_which_action_it_lacks_and_where_and_so_does_the_doctor(
    app: stack.App, emulator: stack.Azure, action: str
) -> None:
    """403 with Azure's words, which name action and scope, and the next step."""
    method, path, asked, scope = (each.replace("/name", "/named1") for each in REFUSED[action])
    with lacking(emulator, action):
        answer = send(app, method, path, BODIES.get(asked))
        assert diagnosed(emulator, action), "the doctor does not name it"
    assert answer.status_code == 403, answer.text
    error = answer.json()["error"]
    assert error["code"] == "AuthorizationFailed"
    assert f"'{asked}'" in error["message"]
    assert f"'{scope}'".lower() in error["message"].lower()


@tables.each("action", sorted(PLANNED))
def test_a_preflight_says_which_action_it_lacks(app: stack.App, emulator: stack.Azure, action: str) -> None:
    """The check is not answered, with the words of the refusal; no check says that it is fine."""
    check, path, body = PLANNED[action]
    with lacking(emulator, action):
        report = send(app, "PUT", f"{path}?preflight=true", body).json()
        assert diagnosed(emulator, action), "the doctor does not name it"
    told = [each for each in report["value"] if each["check"] == check]
    assert told
    assert all(each["ok"] is None for each in told), told
    assert any(action.replace("/*/read", "/") in each["message"] for each in told), told


def test_most_actions_have_a_request() -> None:
    """Else the table above would prove little."""
    assert len(REFUSED) > 30
