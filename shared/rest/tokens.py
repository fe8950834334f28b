"""Bearer tokens: one cached per scope, renewed before it ends, one renewal at a time.

Uses azure-identity for the sign-in itself; imports it only when the first token is asked for (cold start).
Not here: deciding which host may see a token (clouds.scope_for).
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shared.rest import error_bodies, errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from azure.core.credentials import AccessToken, TokenCredential

    from shared.rest.clouds import Cloud

RENEW_BEFORE_S = 300
RETRY_DELAY_S = 15
TURN_LIMIT_S = 30.0  # how long a thread waits while another signs in
# A caller waits inline for the sign-in, and the queue tries again.
LIMITS: dict[str, Any] = {"connection_timeout": 10, "read_timeout": 15, "retry_total": 1}


class Tokens:
    """Tokens by scope, safe to use from many threads.

    Args:
        make_credential: Builds an azure-identity credential; called again when Azure rejects a token, because a
            credential keeps rejected tokens in its own cache.
        clock: Seconds since the epoch.
    """

    def __init__(self, make_credential: Callable[[], TokenCredential], *, clock: Callable[[], float] = time.time) -> None:
        self._make_credential = make_credential
        self._clock = clock
        self._credential: TokenCredential | None = None
        self._tokens: dict[str, AccessToken] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, scope: str) -> str:
        """Return a token for `scope` (such as `https://management.azure.com/.default`) that is good for minutes to come.

        Raises:
            SignInError: code `SignInFailed`; Entra ID refused the credential, its reason is in the message.
            UnreachableError: Entra ID or the managed-identity endpoint did not answer.
        """
        token = self._tokens.get(scope)
        if token is None or self._ends_soon(token):
            with self._turn(scope):
                token = self._tokens.get(scope)
                if token is None or self._ends_soon(token):
                    token = self._tokens[scope] = self._sign_in(scope)
        return token.token

    def renew(self, scope: str, rejected: str) -> str:
        """Return another token than `rejected`, which Azure answered 401 to; threads that raced share one renewal."""
        with self._turn(scope):
            token = self._tokens.get(scope)
            if token is None or token.token == rejected:
                self._credential = None
                token = self._tokens[scope] = self._sign_in(scope)
        return token.token

    def _ends_soon(self, token: AccessToken) -> bool:
        return token.expires_on - self._clock() < RENEW_BEFORE_S

    @contextmanager
    def _turn(self, scope: str) -> Iterator[None]:
        """Hold the scope's lock; one renewal at a time.

        Raises:
            UnreachableError: another thread's sign-in takes too long.
        """
        with self._guard:
            lock = self._locks.setdefault(scope, threading.Lock())
        if not lock.acquire(timeout=TURN_LIMIT_S):
            raise _unreachable(scope)
        try:
            yield
        finally:
            lock.release()

    def _sign_in(self, scope: str) -> AccessToken:
        from azure.core.exceptions import AzureError, ClientAuthenticationError
        from azure.identity import CredentialUnavailableError

        try:
            credential = self._credential
            if credential is None:
                credential = self._credential = self._make_credential()
            return credential.get_token(scope)
        except ValueError as unusable:  # azure-identity: no such tenant id, an authority without TLS
            raise _sign_in_failed(scope, str(unusable)) from unusable
        except (ClientAuthenticationError, CredentialUnavailableError) as refused:
            if _had_no_answer(refused):  # azure-identity calls a dead connection an authentication failure, too
                raise _unreachable(scope) from refused
            raise _sign_in_failed(scope, str(refused.message)) from refused
        except AzureError as unreachable:
            raise _unreachable(scope) from unreachable


def _unreachable(scope: str) -> errors.UnreachableError:
    message = f"No token for {scope}: the sign-in service did not answer."
    return errors.UnreachableError(message, delay_s=RETRY_DELAY_S, maybe_arrived=False)


def _sign_in_failed(scope: str, reason: str) -> errors.SignInError:
    """Say why in Entra ID's own first line; its error code (AADSTS…) is what the documentation lists."""
    first_line = next(iter(reason.strip().splitlines()), "no reason was given")[:500]
    shown = error_bodies.unfold(401, {"code": "SignInFailed", "message": f"No token for {scope}: {first_line}"})
    return errors.SignInError(shown, status=502)


def _had_no_answer(failure: BaseException | None) -> bool:
    """Return whether a connection problem is what a sign-in failure goes back to."""
    from azure.core.exceptions import ServiceRequestError, ServiceResponseError

    while failure is not None and not isinstance(failure, ServiceRequestError | ServiceResponseError):
        failure = failure.__cause__ or failure.__context__
    return failure is not None


def credential_from(environ: Mapping[str, str], cloud: Cloud) -> TokenCredential:
    """Choose how to sign in: service principal, managed identity, or the developer's own sign-in.

    `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` together mean a service principal (the article's flow);
    `IDENTITY_ENDPOINT` (set by Azure Functions) a managed identity, user-assigned when `AZURE_CLIENT_ID` is set;
    otherwise azure-identity's DefaultAzureCredential.
    """
    from azure import identity

    authority = environ.get("AZURE_AUTHORITY_HOST") or cloud.authority
    tenant, client, secret = (environ.get(f"AZURE_{name}") for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"))
    if tenant and client and secret:
        return identity.ClientSecretCredential(tenant, client, secret, authority=authority, **LIMITS)
    if environ.get("IDENTITY_ENDPOINT"):
        return identity.ManagedIdentityCredential(client_id=client or None, **LIMITS)
    return identity.DefaultAzureCredential(authority=authority, **LIMITS)
