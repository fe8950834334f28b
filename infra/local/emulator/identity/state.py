"""Access tokens: signed as Entra ID signs them (RS256, a published key), and checked as its relying services check them.

Not here: who may have one (`identity.routes`), and how a refusal is worded (each service has its own words).
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

DEFAULT_LIFETIME_S = 86399  # what Entra ID gives service principals today (the article's was 3599)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whom a token stands for."""

    object_id: str
    app_id: str
    tenant_id: str
    audience: str


class TokenRefusedError(Exception):
    """A bearer token was not accepted.

    Attributes:
        reason: `missing`, `invalid`, `audience` or `expired`.
        detail: the audience or the expiry at fault, for the service's own message.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} {detail}".strip())
        self.reason = reason
        self.detail = detail


class Tokens:
    """Mints and checks tokens with one throw-away key. Thread-safe.

    Args:
        now: the world's clock: moving it on makes tokens expire.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._lock = threading.Lock()
        self._refused: set[str] = set()
        self.key_id = uuid.uuid4().hex[:27]
        self.lifetime_s = DEFAULT_LIFETIME_S

    def mint(self, *, audience: str, tenant_id: str, app_id: str, object_id: str, lifetime_s: int | None = None) -> tuple[str, int]:
        """A signed token and its lifetime in seconds.

        Args:
            audience: the `aud` claim, as asked for.
            tenant_id: the `tid` claim.
            app_id: the `appid` claim.
            object_id: the `oid` claim.
            lifetime_s: default: `self.lifetime_s`, which the control route sets.
        """
        seconds = self.lifetime_s if lifetime_s is None else lifetime_s
        issued = int(self._now().timestamp())
        claims: dict[str, Any] = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{tenant_id}/",
            "iat": issued,
            "nbf": issued,
            "exp": issued + seconds,
            "appid": app_id,
            "appidacr": "1",
            "idtyp": "app",
            "oid": object_id,
            "sub": object_id,
            "tid": tenant_id,
            "uti": uuid.uuid4().hex,
            "ver": "1.0",
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self.key_id, "x5t": self.key_id}), seconds

    def check(self, authorization: str | None, audiences: Collection[str]) -> Principal:
        """The principal behind an `Authorization` header.

        Args:
            authorization: the header's value, or None.
            audiences: what the service accepts; a trailing slash makes no difference.

        Raises:
            TokenRefusedError: with the reason.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise TokenRefusedError("missing")
        try:
            claims = jwt.decode(
                token.strip(),
                self._key.public_key(),
                algorithms=["RS256"],
                options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise TokenRefusedError("invalid", str(error)) from None
        audience = str(claims["aud"])
        if audience.rstrip("/") not in {wanted.rstrip("/") for wanted in audiences}:
            raise TokenRefusedError("audience", audience)
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        with self._lock:
            refused = claims["uti"] in self._refused
        if refused or expires_at <= self._now():
            raise TokenRefusedError("expired", f"{expires_at:%m/%d/%Y %I:%M:%S %p}")
        return Principal(object_id=claims["oid"], app_id=claims["appid"], tenant_id=claims["tid"], audience=audience)

    def revoke(self, token: str) -> None:
        """From now on answer this token as an expired one."""
        claims = jwt.decode(token, options={"verify_signature": False})
        with self._lock:
            self._refused.add(claims["uti"])

    def key_set(self) -> dict[str, Any]:
        """The public key as a JWKS document."""
        key = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**key, "use": "sig", "kid": self.key_id, "x5t": self.key_id, "alg": "RS256"}]}
