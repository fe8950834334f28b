"""Who we are, for the app's own storage: an account key, a shared access signature, or an identity's token.

Facts: learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key. Not here: sending (storage_wire).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any

from shared.durable.account.storage_wire import trouble
from shared.rest import errors, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.core.credentials import AccessToken, TokenCredential

    from shared.durable.account.storage_wire import Answer, Proof

SCOPE = "https://storage.azure.com/.default"
BEARER = "Bearer "
SUFFIX = "core.windows.net"
_TENANT = re.compile(r"authorization_uri=\"?https://[^/\s]+/([^/\s\",]+)")


class Key:
    """An account key: each request is signed, as tables and as queues want it."""

    def __init__(self, account: str, key: str, sort: str) -> None:
        self._account = account
        self._key = base64.b64decode(key)
        self._text = {"table": self._table, "queue": self._queue}[sort]

    def query(self) -> str:
        """See `Proof.query`."""
        return ""

    def headers(self, method: str, path: str, query: Mapping[str, str], sent: Mapping[str, str], length: int) -> dict[str, str]:
        """See `Proof.headers`."""
        scheme, text = self._text(method, path, query, sent, length)
        digest = base64.b64encode(hmac.digest(self._key, text.encode(), hashlib.sha256)).decode()
        return {"Authorization": f"{scheme} {self._account}:{digest}"}

    def renewed(self, *_: object) -> bool:
        """See `Proof.renewed`."""
        return False

    def _table(self, _: str, path: str, query: Mapping[str, str], sent: Mapping[str, str], _length: int) -> tuple[str, str]:
        part = f"?comp={query['comp']}" if "comp" in query else ""
        return "SharedKeyLite", f"{sent['x-ms-date']}\n/{self._account}{path}{part}"

    def _queue(self, method: str, path: str, query: Mapping[str, str], sent: Mapping[str, str], length: int) -> tuple[str, str]:
        named = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent) if name.startswith("x-ms-"))
        asked = "".join(f"\n{name}:{query[name]}" for name in sorted(query))
        head = f"{method}\n\n\n{length or ''}\n\n{sent.get('Content-Type', '')}\n\n\n\n\n\n\n"
        return "SharedKey", f"{head}{named}/{self._account}{path}{asked}"


class Signature:
    """A shared access signature, which goes with each query."""

    def __init__(self, text: str) -> None:
        self._text = text.lstrip("?")

    def query(self) -> str:
        """See `Proof.query`."""
        return self._text

    def headers(self, *_: object) -> dict[str, str]:
        """See `Proof.headers`."""
        return {}

    def renewed(self, *_: object) -> bool:
        """See `Proof.renewed`."""
        return False


class Identity:
    """An identity: a token of Entra ID, renewed before it ends, and when storage refuses it."""

    def __init__(self, make: Callable[[], TokenCredential]) -> None:
        self._make = make
        self._tenant = ""
        self._tokens = tokens.Tokens(lambda: self)

    def query(self) -> str:
        """See `Proof.query`."""
        return ""

    def headers(self, *_: object) -> dict[str, str]:
        """See `Proof.headers`."""
        try:
            return {"Authorization": f"{BEARER}{self._tokens.get(SCOPE)}"}
        except errors.StewardError as refused:
            raise trouble(refused.error.code) from refused

    def renewed(self, answer: Answer, refused: str) -> bool:
        """See `Proof.renewed`: storage names the tenant that it trusts."""
        if named := _TENANT.search(answer.headers.get("WWW-Authenticate", "")):
            self._tenant = named[1]
        try:
            self._tokens.renew(SCOPE, refused.removeprefix(BEARER))
        except errors.StewardError as problem:
            raise trouble(problem.error.code) from problem
        return True

    def get_token(self, *scopes: str, **asked: Any) -> AccessToken:
        """Sign in, to the tenant that storage named."""
        if self._tenant:
            asked["tenant_id"] = self._tenant
        return self._make().get_token(*scopes, **asked)


def of_connection_string(text: str, sort: str) -> tuple[str, Proof]:
    """Return where a service of the account is that a connection string names, and the proof in it.

    Raises:
        ValueError: something is missing in it.
    """
    parts = (part.partition("=") for part in text.split(";") if part.strip())
    said = {name.strip().lower(): value.strip() for name, _, value in parts}
    account, key, signature = (said.get(name, "") for name in ("accountname", "accountkey", "sharedaccesssignature"))
    base = said.get(f"{sort}endpoint", "")
    if not base and account:
        base = f"{said.get('defaultendpointsprotocol', 'https')}://{account}.{sort}.{said.get('endpointsuffix', SUFFIX)}"
    if not base or not (signature or (account and key)):
        message = "AzureWebJobsStorage is not a connection string: expected AccountName and AccountKey, or SharedAccessSignature"
        raise ValueError(message)
    return base, Key(account, key, sort) if key else Signature(signature)
