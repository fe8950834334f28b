"""Who the app is to Azure, what it may do there, and whether its clock is right.

It sends nothing but GETs. Permissions are ARM's own answer about whoever asks, compared with the roles of infra/azure/roles.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import json
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.doctor.findings import Finding, ok, problem, warning
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from shared.rest.client import Client, Response

IDENTITY, PERMISSIONS, CLOCK = "identity", "permissions", "clock"
SUBSCRIPTIONS_VERSION = "2022-12-01"
PERMISSIONS_VERSION = "2022-04-01"
PROVIDERS_VERSION = "2021-04-01"
ML = "Microsoft.MachineLearningServices"
ROLES = Path(__file__).parents[1] / "azure" / "roles"
# Without the first nothing works; the others are for what not every app is to do.
WANTED = {
    "steward": "the app manages Azure ML with it",
    "provisioner": "it is needed only to make, change or delete what workspaces stand on (mayProvision)",
}
SKEW_NOTICED_S, SKEW_BROKEN_S = 30, 240  # a token begins at most five minutes before its issuer's clock
NAMED_AT_MOST = 4
OF_ENTRA = ("AADSTS", "authority configuration")  # it was asked, and refused: there is an identity, but not a right one


def look(client: Client, subscription: str, scopes: list[str], clock: Callable[[], datetime]) -> Iterator[Finding]:
    """Sign in, ask ARM for the time and for what may be done at each scope.

    Args:
        client: The app's own.
        subscription: Its id; '' when settings name none, and scopes then lie nowhere.
        scopes: ARM ids of subscriptions or resource groups.
        clock: This machine's.
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
    if signed_in and subscription:
        yield from _subscription(client, subscription, clock)
        for scope in scopes:
            yield from _scope(client, scope)


def _sign_in_fix(failed: errors.StewardError) -> str:
    if isinstance(failed, errors.TransientError):
        return "the sign-in service must be reachable: check the network, HTTPS_PROXY and the outbound rules of the subnet"
    if any(word in failed.error.message for word in OF_ENTRA):
        return "correct AZURE_TENANT_ID, AZURE_CLIENT_ID or AZURE_CLIENT_SECRET: what Entra ID says tells which"
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
        yield warning(PERMISSIONS, said, "correct STEWARD_SUBSCRIPTION_ID, or give a role on it if subscriptions are to be browsed")
    provider = _asked(client, f"/subscriptions/{subscription}/providers/{ML}", PROVIDERS_VERSION)
    if isinstance(provider, Finding):
        yield provider
    elif not provider.ok:
        yield warning(PERMISSIONS, f"{ML} cannot be looked up: {provider.error().message}", "give the role registrar.json there")
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
    fix = "set the clock (NTP): tokens and signed URLs are refused before they begin and after they end"
    if abs(off_s) >= SKEW_BROKEN_S:
        yield problem(CLOCK, said, fix)
    elif abs(off_s) >= SKEW_NOTICED_S:
        yield warning(CLOCK, said, fix)
    else:
        yield ok(CLOCK, "as Azure's, within half a minute")


def _scope(client: Client, scope: str) -> Iterator[Finding]:
    answer = _asked(client, f"{scope}/providers/Microsoft.Authorization/permissions", PERMISSIONS_VERSION)
    if isinstance(answer, Finding):
        yield answer
        return
    if not answer.ok:
        fix = "give the role of infra/azure/roles/steward.json there (targetResourceGroups), and check the name"
        yield problem(PERMISSIONS, f"{scope}: {answer.error().message}", fix)
        return
    rows = answer.body.get("value") or [] if isinstance(answer.body, dict) else []
    for role, why in WANTED.items():
        lacking = missing(rows, role)
        if not lacking:
            yield ok(PERMISSIONS, f"{scope}: all of {role}.json")
            continue
        more = f" and {len(lacking) - NAMED_AT_MOST} more" if len(lacking) > NAMED_AT_MOST else ""
        told = f"{scope}: {', '.join(lacking[:NAMED_AT_MOST])}{more} not allowed"
        fix = f"give the role of infra/azure/roles/{role}.json there: {why}"
        yield (problem if role == "steward" else warning)(PERMISSIONS, told, fix)


def missing(rows: list[dict[str, Any]], role: str) -> list[str]:
    """Return the actions of one of the app's roles that permissions do not allow; a wildcard stands for a write below it."""
    (permission,) = json.loads((ROLES / f"{role}.json").read_text())["permissions"]
    return [action for action in permission["actions"] if not _allowed(rows, action.replace("*", "x/write"))]


def _allowed(rows: list[dict[str, Any]], action: str) -> bool:
    def listed(row: dict[str, Any], name: str) -> bool:
        return any(fnmatch.fnmatchcase(action.lower(), str(pattern).lower()) for pattern in row.get(name) or [])

    return any(listed(row, "actions") and not listed(row, "notActions") for row in rows)
