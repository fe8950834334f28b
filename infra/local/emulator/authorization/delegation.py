"""User delegation keys of blob storage, and SAS that they sign: judged here, since Azurite knows neither identities nor roles.

Sources: https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key (form and bounds of a key),
https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas (what is signed, and that such a SAS opens only what
its identity may do at that moment). Not here: SAS by the account's key, which are Azurite's to judge.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlencode

from infra.local.emulator import scene, web
from infra.local.emulator.authorization import storage
from infra.local.emulator.storage import files
from infra.local.emulator.storage.locations import Location

if TYPE_CHECKING:
    from infra.local.emulator.world import World

LONGEST = timedelta(days=7)  # from now, of a key
OLDEST = "2020-12-06"  # version of a SAS whose fields are known here
DELEGATED, NARROWED = "2025-07-05", "2026-04-06"  # versions that sign more: a delegated user; headers and parameters
KEY = ("skoid", "sktid", "skt", "ske", "sks", "skv")
SHOWN = ("rscc", "rscd", "rsce", "rscl", "rsct")
OWN = {
    *KEY,
    *SHOWN,
    "sv",
    "sr",
    "st",
    "se",
    "sp",
    "sip",
    "spr",
    "sig",
    "saoid",
    "suoid",
    "scid",
    "skdutid",
    "sduoid",
    "ses",
    "srh",
    "srq",
}
LETTERS = {"GET": "r", "HEAD": "r", "PUT": "cw", "DELETE": "d"}  # of which one must be in `sp`; a list takes `l`
ALL = "racwdl"


def is_asked(service: str, request: web.Request) -> bool:
    """Whether a request asks for a key."""
    return service == "blob" and request.method == "POST" and request.query.get("comp", "").lower() == "userdelegationkey"


def key(world: World, account: str, request: web.Request, body: bytes) -> web.Response:
    """A key in the name of whom the request's token is; that one may have it, as its role says."""
    told = dict(re.findall(r"<(Start|Expiry)>([^<]*)</", body.decode("utf-8", "replace")))
    now, begin, end = datetime.now(UTC), _moment(told.get("Start", "")), _moment(told.get("Expiry", ""))
    if end is None or end <= now or end > now + LONGEST or (begin and begin >= end):
        text = "The value for one of the XML nodes is not in the correct format."
        return web.storage_error(400, "InvalidXmlNodeValue", text, request_id=request.id)
    audiences = (storage.AUDIENCE, f"https://{request.host}")
    principal = world.tokens.check(request.headers.get("authorization"), audiences)
    version = request.headers.get("x-ms-version", "")
    signed = (principal.object_id, scene.TENANT_ID, told.get("Start", ""), told["Expiry"], "b", version)
    names = ("SignedOid", "SignedTid", "SignedStart", "SignedExpiry", "SignedService", "SignedVersion", "Value")
    members = "".join(
        f"<{name}>{value}</{name}>" for name, value in zip(names, (*signed, _value(world, account, signed)), strict=True)
    )
    text = f'\ufeff<?xml version="1.0" encoding="utf-8"?><UserDelegationKey>{members}</UserDelegationKey>'
    return web.Response(status=200, headers=(("Content-Type", "application/xml"),), body=text.encode())


def query_for_azurite(world: World, account: str, service: str, request: web.Request) -> str:
    """The query of a request by such a SAS, signed again with the account's key.

    Raises:
        web.Refused: 403, as storage words it.
    """
    asked = request.query
    container, _, blob = unquote(request.path).strip("/").partition("/")
    signed = f"/{container}/{blob}" if asked.get("sr") == "b" else f"/{container}"
    if service != "blob" or asked.get("sv", "") < OLDEST or asked.get("sr") not in ("b", "c"):
        raise _failed(request, f"The signature of a SAS {asked.get('sv')} of '{service}' is not known here.")
    wanted = _signature(world, account, request, f"/blob/{account}{signed}")
    if not hmac.compare_digest(wanted, asked.get("sig", "")):
        raise _failed(request, "Signature did not match.")
    now = datetime.now(UTC)  # as Azurite's own SAS: in the machine's time
    for first, last in (("skt", "ske"), ("st", "se")):
        begin, end = _moment(asked.get(first, "")), _moment(asked.get(last, ""))
        if end is None or now >= end or (begin and now < begin):
            raise _failed(request, f"Signature not valid in the specified time frame: {first} {begin}, {last} {end}, now {now}")
    letters = "l" if asked.get("comp", "").lower() == "list" else LETTERS.get(request.method, "")
    if not set(letters) & set(asked.get("sp", "")) or not storage.may(world, account, service, request, asked["skoid"]):
        text = "This request is not authorized to perform this operation using this permission."
        raise web.Refused(web.storage_error(403, "AuthorizationPermissionMismatch", text, request_id=request.id))
    rest = {name: value for name, value in asked.items() if name not in OWN}
    own = files.sas_url(world, Location(account=account, container=container, path=""), permission=ALL).partition("?")[2]
    return f"{urlencode(rest)}&{own}" if rest else own


def _signature(world: World, account: str, request: web.Request, resource: str) -> str:
    version = request.query["sv"]

    def given(*names: str) -> list[str]:
        return [request.query.get(name, "") for name in names]

    values = [*given("sp", "st", "se"), resource, *given(*KEY), *given("saoid", "suoid", "scid")]
    values += given("skdutid", "sduoid") if version >= DELEGATED else []
    values += [*given("sip", "spr", "sv", "sr", "snapshot", "ses"), *(given("srh", "srq") if version >= NARROWED else [])]
    text = "\n".join([*values, *given(*SHOWN)])
    value = base64.b64decode(_value(world, account, tuple(given(*KEY))))
    return base64.b64encode(hmac.digest(value, text.encode(), hashlib.sha256)).decode()


def _value(world: World, account: str, signed: tuple[str, ...]) -> str:
    """The key itself: of the account and of what it is for, so that none has to be remembered."""
    secret = base64.b64decode(world.storage.keys(account)[0])
    return base64.b64encode(hmac.digest(secret, "\n".join(signed).encode(), hashlib.sha256)).decode()


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _failed(request: web.Request, detail: str) -> web.Refused:
    text = "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly."
    return web.Refused(web.storage_error(403, "AuthenticationFailed", text, request_id=request.id, detail=detail))
