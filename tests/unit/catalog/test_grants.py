"""Roles and scopes: 100,000 random senders and requests against a second reading of the rules, which knows no table of ours."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from shared.api.access import admission, key_book
from shared.api.call import Call, RuleRun
from shared.api.resources import resource_routes
from shared.catalog import grants, kinds, proxy_routes
from shared.catalog.grants import Grant
from shared.rest import errors
from shared.settings import Settings
from tests.fakes import Clock, FakeRows, Fuse

if TYPE_CHECKING:
    from shared.catalog.kinds import Kind

COUNT = 100_000
SETTINGS = Settings(subscription_id="s1", other_subscriptions=("s2",), resource_group="g1")
APP: Any = SimpleNamespace(settings=SETTINGS, key_book=key_book.Book(FakeRows("access", Fuse()), Clock()))
NAMES = ("one", "two", "one2")  # the third begins as the first
ML = "/providers/microsoft.machinelearningservices"
SECRETS = re.compile(r"list.*(keys|secrets|credentials|accesstoken)|token|regenerate.*|listkeys", re.IGNORECASE)
ADMINS = re.compile(r"register|moveresources|updatequotas|provisionmanagednetwork|enablesso", re.IGNORECASE)
READS = re.compile(r"listNodes|getLogs|getStatus|listMaterializationJobs|getAllowedVmSizesForResize", re.IGNORECASE)
TAKES_OTHERS = ("resourcegroups", "storageaccounts", "microsoft.containerregistry/registries", "services/registries")
NETWORK = ("vaults", "outboundrules", "privateendpointconnections")
LISTED = ("locations", "resources")  # of ARM itself
RANKS = {"events": 0, "reader": 1, "scorer": 2, "operator": 3, "admin": 4}


def path_of(kind: Kind, chance: random.Random, *, collection: bool) -> tuple[str, str, str]:
    """A path of a kind, with or without its scope, in any casing; the id that it means, and what a list of it is a list of."""
    sub, group = chance.choice(("s1", "s2")), chance.choice(("g1", "g2", "g11"))
    short = chance.random() < 0.3 and kind.namespace != kinds.RESOURCES
    if short:
        sub, group = "s1", "g1"
    scope = chance.choice(("subscription", "group")) if kind.scope == "any" else kind.scope
    top = {"tenant": "", "subscription": f"/subscriptions/{sub}"}.get(scope, f"/subscriptions/{sub}/resourcegroups/{group}")
    types = kind.types
    if kind.path in LISTED and kind.namespace == kinds.RESOURCES:
        return f"{top}/{kind.path}".lstrip("/"), f"{top}/{kind.path}", top
    if kind.below_scope:
        top, one = (f"/subscriptions/{sub}", "Microsoft.Storage") if kind.path != "subscriptions" else ("", sub)
        path = f"{top}/{kind.path}" + ("" if collection else f"/{group if kind.path == 'resourceGroups' else one}")
        return path.lstrip("/"), path.lower(), top or path.lower()
    lead = "" if short else f"{top}/".lstrip("/")
    if kind.plane != "arm":
        lead = f"{kind.plane}/v1.0/{lead}"
    if kind.namespace != kinds.ML:
        lead += f"providers/{kind.namespace}/"
    names = [chance.choice(NAMES) for _ in types]
    pairs = [f"{each}/{name}" for each, name in zip(types, names, strict=True)]
    if collection:
        pairs[-1] = types[-1]
    key = f"{top}/providers/{kind.namespace}/{'/'.join(pairs)}".lower()
    text = lead + "/".join(pairs)
    text = "".join(each.upper() if chance.random() < 0.1 else each for each in text) if chance.random() < 0.3 else text
    return text, key, top if top and len(types) == 1 else key


def a_grant(chance: random.Random) -> Grant:
    """Any role, a few places, a few kinds."""
    places = [
        "/subscriptions/s1", "/subscriptions/s1/resourcegroups/g1", "/subscriptions/s2/resourcegroups/g1",
        f"/subscriptions/s1/resourcegroups/g1{ML}/workspaces/one", f"/subscriptions/s1/resourcegroups/g1{ML}/workspaces/two",
        f"/subscriptions/s1/resourcegroups/g2{ML}/workspaces/one/jobs/one",
    ]  # fmt: skip
    known = [kind.full_type.lower() for kind in kinds.KINDS]
    below = tuple(chance.sample(places, chance.choice((0, 0, 1, 2))))
    return Grant(role=chance.choice(grants.ROLES), below=below, kinds=tuple(chance.sample(known, chance.choice((0, 0, 0, 8)))))


def role_of(verb: str, kind: str, action: str) -> str:
    """What the issue says, from names alone."""
    if verb == "GET" or kind.endswith("checknameavailability"):
        return "reader"
    if verb == "POST" and action:
        if SECRETS.fullmatch(action) or ADMINS.fullmatch(action):
            return "admin"
        return "scorer" if action.lower() in ("score", "invoke") else "reader" if READS.fullmatch(action) else "operator"
    if verb == "DELETE" and kind.endswith(TAKES_OTHERS):
        return "admin"
    return "admin" if kind.endswith(NETWORK) and verb in ("PUT", "PATCH", "DELETE") else "operator"


def within(place: str, key: str, of: str, *, listed: bool) -> bool:
    """An id is a place or below it; a list may also be of what contains the place."""
    return f"{key}/".startswith(f"{place}/") or (listed and place.startswith(f"{of}/"))


def judgement(call: Call, route: Any) -> str:
    """The code that a request is refused with, '' where it is admitted, `none` where there is no such request of a kind."""
    try:
        asked = admission.admitted(call, route, APP)[1]
    except errors.BadRequestError as problem:
        return problem.error.code if problem.status == 403 else "none"
    return "" if asked and asked.row else "none"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A request, and what its path means: see `path_of`."""

    call: Call
    kind: str
    action: str
    key: str
    of: str
    listed: bool


def wishes(chance: random.Random, count: int) -> list[Wish]:
    """Requests of any kind, verb and action that there are."""
    found: list[Wish] = []
    while len(found) < count:
        kind, verb = chance.choice(kinds.KINDS), chance.choice(("GET", "PUT", "PATCH", "DELETE", "POST", "POST"))
        action = chance.choice(kind.actions).name if verb == "POST" and kind.actions else ""
        only_listed = kind.namespace == kinds.RESOURCES and kind.path in LISTED
        listed = verb in ("GET", "POST") and not action and (only_listed or chance.random() < 0.5)
        path, key, of = path_of(kind, chance, collection=listed)
        call = Call(method=verb, path=path + (f"/{action}" if action else ""))
        try:
            if admission.asked_of(call, SETTINGS).row is not kind:  # the v1 API's, or another kind's
                continue
        except errors.BadRequestError:  # there is no such request
            continue
        found.append(Wish(call=call, kind=kind.full_type.lower(), action=action, key=key, of=of, listed=listed and verb == "GET"))
    return found


def test_no_sender_gets_more_than_its_role_and_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a leak nor a refusal of what is allowed; each path is read once."""
    chance = random.Random(15)  # noqa: S311
    allowed = 0
    routes = {verb: resource_routes.of(verb) for verb in ("GET", "PUT", "PATCH", "DELETE", "POST")}
    asked, held_by = wishes(chance, 5_000), [a_grant(chance) for _ in range(5_000)]
    known = {(wish.call.method, wish.call.path): admission.asked_of(wish.call, SETTINGS) for wish in asked}
    monkeypatch.setattr(admission, "asked_of", lambda call, _settings: known[call.method, call.path])
    for _ in range(COUNT):
        wish, held = chance.choice(asked), tuple(chance.sample(held_by, 2 if chance.random() < 0.2 else 1))
        sender = RuleRun(key="k", caller="anyone", firing="f", depth=1, grants=held)
        verb, path, full, key, of = wish.call.method, wish.call.path, wish.kind, wish.key, wish.of
        code = judgement(Call(method=verb, path=path, sender=sender), routes[verb])
        wanted = RANKS[role_of(verb, full, wish.action)]
        expected = all(
            RANKS[each.role] >= wanted
            and (not each.kinds or full in each.kinds)
            and (not each.below or any(within(place, key, of, listed=wish.listed) for place in each.below))
            for each in held
        )
        assert (code == "") == expected, (verb, path, held, code)
        allowed += expected
    assert COUNT / 50 < allowed < COUNT / 2


@pytest.mark.parametrize("role", grants.ROLES)
def test_v1_passages_need_their_role(role: str) -> None:
    """To read needs a reader; datastores show keys, which are an admin's; the rest is an operator's."""
    chance = random.Random(3)  # noqa: S311
    for row in proxy_routes.PASSAGES:
        for verb, needed in row.verbs.items():
            tail = row.template.replace("[E]/", "").replace("E/", "experiments/e/").replace("{*}", "a/b").replace("{}", "n")
            path = f"{row.plane}/workspaces/{chance.choice(NAMES)}/{tail}"
            sender = RuleRun(key="k", caller="anyone", firing="f", depth=1, grants=(Grant(role=role),))  # type: ignore[arg-type]
            may = role == "admin" or (role != "events" and RANKS[role] >= RANKS[needed])
            if row.plane == "datastore":
                assert needed == ("admin" if verb == "GET" else "operator")
            code = judgement(Call(method=verb, path=path, sender=sender), resource_routes.of(verb))
            assert code == ("none" if may else "RoleNeeded"), (verb, path)


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("workspaces", {"properties": {"PublicNetworkAccess": "Enabled"}}, "properties.publicNetworkAccess"),
        ("workspaces", {"identity": {"userAssignedIdentities": {"x": {}}}}, "identity.userAssignedIdentities"),
        ("workspaces", {"identity": {"type": "SystemAssigned"}, "properties": {"friendlyName": "a"}}, ""),
        ("workspaces/onlineEndpoints", {"properties": {"keys": {"primaryKey": "k"}}}, "properties.keys"),
        ("workspaces/services", [{"op": "replace", "path": "/authEnabled", "value": False}], "authEnabled"),
        ("workspaces/computes", {"properties": {"properties": {"sshSettings": {"sshPublicAccess": "Enabled"}}}},
         "properties.properties.sshSettings.sshPublicAccess"),
        ("workspaces/computes", {"properties": None}, ""),
        ("workspaces", {"properties": {"sharedPrivateLinkResources": [{"name": "x"}]}}, "properties.sharedPrivateLinkResources"),
    ],
)  # fmt: skip
def test_network_and_access_settings_are_an_admins(kind: str, body: Any, field: str) -> None:
    """Found in any casing, and in a JSON Patch."""
    plane = "modelmanagement" if kind.endswith("services") else "arm"
    row = kinds.by_type()[plane, kinds.ML.lower(), kind.lower()]
    assert grants.guarded(row, body) == field


@pytest.mark.parametrize(
    ("named", "refused"),
    [
        ("/subscriptions/s1/resourceGroups/g1/providers/Microsoft.Storage/storageAccounts/a", False),
        ("/subscriptions/s1/resourceGroups/g2/providers/Microsoft.Storage/storageAccounts/a", True),
        ("/Subscriptions/S2", True),
        ("azureml://subscriptions/s1/resourcegroups/g1/workspaces/two/datastores/d/paths/p", True),
        ("azureml://subscriptions/s1/resourcegroups/g1/workspaces/one/datastores/d/paths/p", False),
        ("azureml:model:1", False),
    ],
)
def test_a_body_names_nothing_beyond_its_senders_places(named: str, *, refused: bool) -> None:
    """The app's identity would reach it for the sender: other groups, subscriptions and workspaces."""
    held = [Grant(role="operator", below=(f"/subscriptions/s1/resourcegroups/g1{ML}/workspaces/one",))]
    body = {"properties": {"inputs": [{"path": named}, {named: 1}]}}
    if refused:
        with pytest.raises(errors.BadRequestError, match="not within its scope"):
            grants.check_named(held, "key:a", body)
    else:
        grants.check_named(held, "key:a", body)
    grants.check_named([Grant(role="operator")], "key:a", body)
