"""Storage hosts by Entra token: the token and the roles are checked here, then Azurite is asked with the account's key.

Sources: https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory (versions, and what each
operation needs), https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key (the signature).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from infra.local.emulator import scene, web
from infra.local.emulator.identity.state import TokenRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.emulator.world import World

AUDIENCE = "https://storage.azure.com"
FIRST_VERSION = "2017-11-09"
_ACCOUNTS = "Microsoft.Storage/storageAccounts"
_BLOBS, _QUEUES, _TABLES = (f"{_ACCOUNTS}/{name}" for name in ("blobServices", "queueServices", "tableServices"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Requests to a service, and the actions of which one must be allowed.

    Attributes:
        service: `blob`, `queue` or `table`.
        path: pattern of the path.
        method: pattern of the method.
        comp: pattern of the query's `comp`.
        actions: checked as actions.
        data: checked as data actions.
    """

    service: str
    path: str
    method: str
    comp: str = ".*"
    actions: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


_CONTAINER, _ROOT = r"/[^/]+", r"/"
ROWS = (
    Row(service="blob", path=_ROOT, method="GET", comp="list", actions=(f"{_BLOBS}/containers/read",)),
    Row(
        service="blob", path=_ROOT, method="POST", comp="userdelegationkey", actions=(f"{_BLOBS}/generateUserDelegationKey/action",)
    ),
    Row(service="blob", path=_ROOT, method="GET|HEAD", actions=(f"{_BLOBS}/read",)),
    Row(service="blob", path=_ROOT, method="PUT", actions=(f"{_BLOBS}/write",)),
    Row(service="blob", path=_CONTAINER, method="GET", comp="list", data=(f"{_BLOBS}/containers/blobs/read",)),
    Row(service="blob", path=_CONTAINER, method="GET|HEAD", actions=(f"{_BLOBS}/containers/read",)),
    Row(service="blob", path=_CONTAINER, method="PUT", actions=(f"{_BLOBS}/containers/write",)),
    Row(service="blob", path=_CONTAINER, method="DELETE", actions=(f"{_BLOBS}/containers/delete",)),
    Row(service="blob", path=r"/.+", method="GET|HEAD", data=(f"{_BLOBS}/containers/blobs/read",)),
    Row(
        service="blob",
        path=r"/.+",
        method="PUT|POST",
        data=(f"{_BLOBS}/containers/blobs/write", f"{_BLOBS}/containers/blobs/add/action"),
    ),
    Row(service="blob", path=r"/.+", method="DELETE", data=(f"{_BLOBS}/containers/blobs/delete",)),
    Row(service="queue", path=_ROOT, method="GET", comp="list", actions=(f"{_QUEUES}/queues/read",)),
    Row(service="queue", path=_ROOT, method="GET", actions=(f"{_QUEUES}/read",)),
    Row(service="queue", path=_ROOT, method="PUT", actions=(f"{_QUEUES}/write",)),
    Row(service="queue", path=_CONTAINER, method="GET|HEAD", actions=(f"{_QUEUES}/queues/read",)),
    Row(service="queue", path=_CONTAINER, method="PUT", actions=(f"{_QUEUES}/queues/write",)),
    Row(service="queue", path=_CONTAINER, method="DELETE", actions=(f"{_QUEUES}/queues/delete",)),
    Row(service="queue", path=r"/[^/]+/messages", method="GET", data=(f"{_QUEUES}/queues/messages/process/action",)),
    Row(
        service="queue",
        path=r"/[^/]+/messages",
        method="POST",
        data=(f"{_QUEUES}/queues/messages/write", f"{_QUEUES}/queues/messages/add/action"),
    ),
    Row(service="queue", path=r"/[^/]+/messages.*", method="PUT", data=(f"{_QUEUES}/queues/messages/write",)),
    Row(
        service="queue",
        path=r"/[^/]+/messages.*",
        method="DELETE",
        data=(f"{_QUEUES}/queues/messages/delete", f"{_QUEUES}/queues/messages/process/action"),
    ),
    Row(service="table", path=r"/Tables", method="GET", actions=(f"{_TABLES}/tables/read",)),
    Row(service="table", path=r"/Tables", method="POST", actions=(f"{_TABLES}/tables/write",)),
    Row(service="table", path=r"/Tables\(.*\)", method="DELETE", actions=(f"{_TABLES}/tables/delete",)),
    Row(service="table", path=_ROOT, method="GET", actions=(f"{_TABLES}/read",)),
    Row(service="table", path=r"/.+", method="GET", data=(f"{_TABLES}/tables/entities/read",)),
    Row(
        service="table",
        path=r"/.+",
        method="POST",
        data=(f"{_TABLES}/tables/entities/write", f"{_TABLES}/tables/entities/add/action"),
    ),
    Row(
        service="table",
        path=r"/.+",
        method="PUT|PATCH|MERGE",
        data=(f"{_TABLES}/tables/entities/write", f"{_TABLES}/tables/entities/update/action"),
    ),
    Row(service="table", path=r"/.+", method="DELETE", data=(f"{_TABLES}/tables/entities/delete",)),
)
_COLLECTIONS = {
    "blob": "blobServices/default/containers",
    "queue": "queueServices/default/queues",
    "table": "tableServices/default/tables",
}


def row_of(service: str, request: web.Request) -> Row | None:
    """The row of a request."""
    peeking = service == "queue" and request.query.get("peekonly", "").lower() == "true"
    for row in ROWS:
        if (
            row.service == service
            and re.fullmatch(row.method, request.method)
            and re.fullmatch(row.path, request.path, re.IGNORECASE)
            and re.fullmatch(row.comp, request.query.get("comp", ""), re.IGNORECASE)
        ):
            return replace(row, data=(f"{_QUEUES}/queues/messages/read",)) if peeking else row
    return None


def scope_of(world: World, account: str, service: str, request: web.Request) -> str:
    """Where it is checked: the container, queue or table in the path, or the account."""
    kind = _ACCOUNTS.lower()
    found = next((one.id for one in world.resources.of_type(kind) if one.name.lower() == account), "")
    first = re.match(r"/([^/(]+)", request.path)
    named = unquote(first[1]) if first else ""
    return f"{found}/{_COLLECTIONS[service]}/{named}" if found and named and named != "Tables" else found


def by_key(request: web.Request) -> bool:
    """Whether a request is signed with the account's key: in its header, or by a SAS that no user delegation key made."""
    return bool(request.headers.get("authorization")) or ("sig" in request.query and "skoid" not in request.query)


def _takes_keys(world: World, account: str) -> bool:
    """See https://learn.microsoft.com/azure/storage/common/shared-key-authorization-prevent."""
    with world.lock:
        found = next((one for one in world.resources.of_type(_ACCOUNTS.lower()) if one.name.lower() == account), None)
        return found is None or found.properties.get("allowSharedKeyAccess") is not False


def authorized(world: World, account: str, service: str, request: web.Request) -> dict[str, str] | None:
    """Headers that replace a bearer token's for Azurite; None when the request has no bearer token: it is Azurite's to judge.

    Raises:
        web.Refused: 401 or 403 as storage words it.
    """
    authorization = request.headers.get("authorization", "")
    if not authorization.lower().startswith("bearer ") or service not in _COLLECTIONS:
        if by_key(request) and not _takes_keys(world, account):
            text = "Key based authentication is not permitted on this storage account."
            raise web.Refused(web.storage_error(403, "KeyBasedAuthenticationNotPermitted", text, request_id=request.id))
        return None
    version = request.headers.get("x-ms-version", "")
    if version < FIRST_VERSION:
        raise _unauthenticated(request, 403, "Authentication scheme Bearer is not supported in this version.")
    audiences = (AUDIENCE, f"https://{request.host}")
    try:
        principal = world.tokens.check(authorization, audiences)
    except TokenRefusedError as refused:
        raise _unauthenticated(request, 401, _DETAILS[refused.reason]) from None
    if not may(world, account, service, request, principal.object_id):
        text = "This request is not authorized to perform this operation using this permission."
        raise web.Refused(web.storage_error(403, "AuthorizationPermissionMismatch", text, request_id=request.id))
    return {"authorization": f"SharedKey {account}:{_signature(world, account, service, request)}"}


def may(world: World, account: str, service: str, request: web.Request, object_id: str) -> bool:
    """Whether the roles of an identity allow a request."""
    row = row_of(service, request)
    with world.lock:
        scope = scope_of(world, account, service, request)
        return row is not None and (
            any(world.authorization.may(object_id, one, scope) for one in row.actions)
            or any(world.authorization.may(object_id, one, scope, data=True) for one in row.data)
        )


_DETAILS = {
    "missing": "The authorization header is not in the expected format.",
    "invalid": "Signature validation failed. Signature verification failed.",
    "audience": "Audience validation failed. Audience did not match.",
    "expired": "Lifetime validation failed. The token is expired.",
}


_NOT_KNOWN = {
    401: ("InvalidAuthenticationInfo", "Please refer to the information in the www-authenticate header."),
    403: ("AuthenticationFailed", "Make sure the value of Authorization header is formed correctly including the signature."),
}


def _unauthenticated(request: web.Request, status: int, detail: str) -> web.Refused:
    code, advice = _NOT_KNOWN[status]
    text = f"Server failed to authenticate the request. {advice}"
    answer = web.storage_error(status, code, text, request_id=request.id, detail=detail)
    if status == 401:
        authority = f"https://login.microsoftonline.com/{scene.TENANT_ID}/oauth2/authorize"
        answer = answer.with_headers({"WWW-Authenticate": f"Bearer authorization_uri={authority} resource_id={AUDIENCE}"})
    return web.Refused(answer)


# ── the signature ────────────────────────────────────────────────────────────────────────────────────────────────────
_SIGNED = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date", "if-modified-since",
    "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip


def _signature(world: World, account: str, service: str, request: web.Request) -> str:
    text = _text(account, service, request)
    key = base64.b64decode(world.storage.keys(account)[0])
    return base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode()


def _text(account: str, service: str, request: web.Request) -> str:
    """What shared key signs: the table service signs less than the other two."""
    headers, resource = request.headers, f"/{account}{request.path}"
    if service == "table":
        comp = f"?comp={request.query['comp']}" if "comp" in request.query else ""
        date = headers.get("x-ms-date") or headers.get("date", "")
        return "\n".join((request.method, headers.get("content-md5", ""), headers.get("content-type", ""), date, resource + comp))
    values = [_signed_value(headers, name) for name in _SIGNED]
    ours = sorted((name, " ".join(value.split())) for name, value in headers.items() if name.startswith("x-ms-"))
    canonical = "".join(f"{name}:{value}\n" for name, value in ours)
    query = "".join(f"\n{name}:{value}" for name, value in sorted(request.query.items()))
    return "\n".join((request.method, *values)) + f"\n{canonical}{resource}{query}"


def _signed_value(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if name == "content-length" and value == "0":
        return ""
    return "" if name == "date" and "x-ms-date" in headers else value
