"""Who the app is to Azure, what it may do there, and whether its clock is right.

It sends nothing but GETs. Permissions are ARM's own answer about the caller, compared with the roles of infra/azure/roles.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.doctor.findings import Finding, ok, problem, warning
from shared.rest import azure_versions, errors, ids
from shared.rest import permissions as role_permissions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from shared.rest.client import Client, Response

IDENTITY, PERMISSIONS, CLOCK = "identity", "permissions", "clock"
SUBSCRIPTIONS_VERSION = "2022-12-01"
PROVIDERS_VERSION = "2021-04-01"
ML = "Microsoft.MachineLearningServices"
ROLES = Path(__file__).parents[1] / "azure" / "roles"
OF_GROUPS = f"{ML}/workspaces/write"  # a group where this is allowed is one of targetResourceGroups
GROUPS_AT_MOST = 100  # that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A role of the app: what lacks where it belongs is a problem, or only a warning where not every app is to do that."""

    role: str
    why: str
    problem: bool = False


OF_SUBSCRIPTION = (
    Wanted(role="reader", why="the app reads locks, workspaces, regions and names there", problem=True),
    Wanted(role="registrar", why="it is needed only to register resource providers (mayRegisterProviders)"),
)
OF_GROUP = (
    Wanted(role="steward", why="the app manages Azure ML with it", problem=True),
    Wanted(role="provisioner", why="it is needed only to create, change or delete what workspaces depend on (mayProvision)"),
)
SKEW_NOTICED_S, SKEW_BROKEN_S = 30, 240  # a token begins at most five minutes before its issuer's clock
NAMED_AT_MOST = 4
OF_ENTRA = ("AADSTS", "authority configuration")  # it was asked, and refused: there is an identity, but not a right one


def look(
    client: Client, subscriptions: Sequence[str], scopes: list[str], clock: Callable[[], datetime], *, find: bool = False
) -> Iterator[Finding]:
    """Sign in, ask ARM for the time and for what may be done at each scope.

    Args:
        client: The app's own.
        subscriptions: Their ids; none when settings name none, and scopes then lie nowhere.
        scopes: ARM ids of subscriptions or resource groups.
        clock: This machine's.
        find: Look for the other resource groups that the app manages, too.
    """
    signed_in = True
    for scope, what in ((client.cloud.arm_scope, "ARM"), (client.cloud.ml_scope, "Azure ML's data plane")):
        try:
            token = client.token(scope)
        except errors.StewardError as failed:
            signed_in = False
            yield problem(IDENTITY, f"no token for {what}: {failed.error.message}", _sign_in_fix(failed))
        else:
            yield ok(IDENTITY, f"signed in for {what} {_whose(token)}".rstrip())
    if not signed_in or not subscriptions:
        return
    for subscription in subscriptions:
        found = _subscription(client, subscription, clock)
        yield from (each for each in found if each.check != CLOCK or subscription == subscriptions[0])
    for scope in scopes:
        yield from _scope(client, scope)
    for subscription in subscriptions if find else ():
        yield from _others(client, subscription, scopes)


def _sign_in_fix(failed: errors.StewardError) -> str:
    if isinstance(failed, errors.TransientError):
        return "the sign-in service must be reachable: check the network, HTTPS_PROXY and the outbound rules of the subnet"
    if any(word in failed.error.message for word in OF_ENTRA):
        return "correct AZURE_TENANT_ID, AZURE_CLIENT_ID or AZURE_CLIENT_SECRET: the text from Entra ID names the wrong one"
    return "give the app an identity (AZURE_CLIENT_ID for a user-assigned one), or sign in with `az login` where it runs"


def _whose(token: str) -> str:
    """Return who a token is for, as far as it says; it is not verified, only shown."""
    parts = token.split(".")
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, binascii.Error, ValueError):
        return ""
    if not isinstance(claims, dict):
        return ""
    name = claims.get("upn") or claims.get("appid") or claims.get("azp")
    return f"as {name} (object {claims.get('oid', 'unknown')}, tenant {claims.get('tid', 'unknown')})" if name else ""


def _asked(client: Client, path: str, version: str) -> Response | Finding:
    """GET a path of ARM."""
    try:
        return client.send("GET", f"{client.cloud.arm}{path}?api-version={version}")
    except errors.StewardError as failed:
        fix = "ARM must be reachable: check the network, HTTPS_PROXY and the outbound rules of the subnet; then try again"
        return problem(PERMISSIONS, f"{path} cannot be read: {failed.error.message}", fix)


def _subscription(client: Client, subscription: str, clock: Callable[[], datetime]) -> Iterator[Finding]:
    answer = _asked(client, f"/subscriptions/{subscription}", SUBSCRIPTIONS_VERSION)
    if isinstance(answer, Finding):
        yield answer
        return
    yield from skew(answer.headers.get("date", ""), clock())
    if not answer.ok:
        said = f"subscription {subscription}: {answer.error().message}"
        fix = "correct STEWARD_SUBSCRIPTION_ID or STEWARD_SUBSCRIPTIONS, or give the role reader.json on it"
        yield warning(PERMISSIONS, said, fix)
    provider = _asked(client, f"/subscriptions/{subscription}/providers/{ML}", PROVIDERS_VERSION)
    if isinstance(provider, Finding):
        yield provider
    elif not provider.ok:
        yield warning(PERMISSIONS, f"{ML} cannot be read: {provider.error().message}", "give the role reader.json there")
    elif provider.body.get("registrationState") != "Registered":
        fix = f"`az provider register --namespace {ML}`; with the role registrar.json the app does it at the first operation"
        yield warning(PERMISSIONS, f"{ML} is {provider.body.get('registrationState')} in the subscription", fix)
    else:
        yield ok(PERMISSIONS, f"{ML} is registered in subscription {subscription}")


def skew(date: str, now: datetime) -> Iterator[Finding]:
    """Compare an answer's Date with this machine's clock."""
    try:
        off_s = (now - parsedate_to_datetime(date)).total_seconds()
    except (ValueError, TypeError):
        return
    said = f"this clock is {abs(off_s):.0f} s {'ahead of' if off_s > 0 else 'behind'} Azure's"
    fix = "set the clock (NTP): tokens and signed URLs are refused before their start time and after their end time"
    if abs(off_s) >= SKEW_BROKEN_S:
        yield problem(CLOCK, said, fix)
    elif abs(off_s) >= SKEW_NOTICED_S:
        yield warning(CLOCK, said, fix)
    else:
        yield ok(CLOCK, "as Azure's, within half a minute")


def _scope(client: Client, scope: str) -> Iterator[Finding]:
    wanted = OF_GROUP if "/resourcegroups/" in scope.lower() else OF_SUBSCRIPTION
    answer = _asked(client, ids.below(scope, *role_permissions.PROVIDER), azure_versions.AUTHORIZATION)
    if isinstance(answer, Finding):
        yield answer
    elif not answer.ok:
        fix = f"give the role of infra/azure/roles/{wanted[0].role}.json there, and check the name"
        yield problem(PERMISSIONS, f"{scope}: {answer.error().message}", fix)
    else:
        yield from _judged(scope, _rows(answer), wanted)


def _judged(scope: str, rows: list[dict[str, Any]], wanted: tuple[Wanted, ...]) -> Iterator[Finding]:
    for each in wanted:
        lacking = missing(rows, each.role)
        if not lacking:
            yield ok(PERMISSIONS, f"{scope}: all of {each.role}.json")
            continue
        more = f" and {len(lacking) - NAMED_AT_MOST} more" if len(lacking) > NAMED_AT_MOST else ""
        text = f"{scope}: {', '.join(lacking[:NAMED_AT_MOST])}{more} not allowed"
        fix = f"give the role of infra/azure/roles/{each.role}.json there: {each.why}"
        yield (problem if each.problem else warning)(PERMISSIONS, text, fix)


def _rows(answer: Response) -> list[dict[str, Any]]:
    found = answer.body.get("value") if isinstance(answer.body, dict) else None
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _others(client: Client, subscription: str, known: list[str]) -> Iterator[Finding]:
    """Judge the other resource groups in which the app may manage workspaces: the template's targetResourceGroups."""
    groups = f"/subscriptions/{subscription}/resourceGroups"
    try:
        listed = list(client.pages(f"{client.cloud.arm}{groups}?api-version={PROVIDERS_VERSION}"))
    except errors.StewardError as failed:
        fix = "name the groups that the app manages with --scope"
        yield warning(PERMISSIONS, f"{groups} cannot be listed: {failed.error.message}", fix)
        return
    named = [ids.below(groups, str(row.get("name"))) for row in listed]
    others = [scope for scope in named if scope.lower() not in {each.lower() for each in known}]
    for scope in others[:GROUPS_AT_MOST]:
        allowed = _asked(client, ids.below(scope, *role_permissions.PROVIDER), azure_versions.AUTHORIZATION)
        if not isinstance(allowed, Finding) and allowed.ok and role_permissions.granted(_rows(allowed), OF_GROUPS):
            yield from _judged(scope, _rows(allowed), OF_GROUP)
    if len(others) > GROUPS_AT_MOST:
        said = f"{len(others) - GROUPS_AT_MOST} more resource groups were not checked"
        yield warning(PERMISSIONS, said, "name those that the app manages with --scope")


def missing(rows: list[dict[str, Any]], role: str) -> list[str]:
    """Return the actions of one of the app's roles that permissions do not allow; a wildcard stands for a write below it."""
    (permission,) = json.loads((ROLES / f"{role}.json").read_text())["permissions"]
    return [action for action in permission["actions"] if not role_permissions.granted(rows, _one_of(action))]


def _one_of(pattern: str) -> str:
    """Return an action that a pattern stands for."""
    return pattern.replace("*", "x/write") if pattern.endswith("*") else pattern.replace("*", "x")
