"""Function, host, system and master keys: what each of them opens, and how they are changed.

As in Azure (https://learn.microsoft.com/azure/azure-functions/function-keys-how-to): the master key opens everything;
a host key every function; a function's own key that function; a system key the webhook of its extension. Keys are
kept in a file beside the app, made on the first start, readable by its owner only.
"""

import contextlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from infra.local.host.settings import SettingsError

MASTER = "_master"
HOST, SYSTEM = "functionKeys", "systemKeys"
_FUNCTIONS = "functions"


class Keys:
    """All keys of the app, and the file that holds them.

    Args:
        path: The key file; made with random keys if it is not there.

    Raises:
        SettingsError: The file is not what this class would have written.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            made = {"masterKey": _new(), HOST: {"default": _new()}, SYSTEM: {"eventgrid_extension": _new()}, _FUNCTIONS: {}}
            with contextlib.suppress(FileExistsError), _draft(path, made) as draft:
                path.hardlink_to(draft)  # unlike a rename it never takes the place of another host's file
        try:
            found = json.loads(path.read_text())
            self._keys: dict[str, Any] = {HOST: {}, SYSTEM: {}, _FUNCTIONS: {}, **found, "masterKey": str(found["masterKey"])}
            every = [self._keys[HOST], self._keys[SYSTEM], *self._keys[_FUNCTIONS].values()]
            _ = [value.encode() for one in every for value in one.values()]
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise SettingsError(f"{path}: not a key file ({problem!r})") from None

    def opens_function(self, name: str, auth_level: str, given: str | None) -> bool:
        """Whether ``given`` may call the HTTP function ``name`` of that authorization level."""
        wanted = {"anonymous": (), "function": ("function", "admin")}.get(auth_level, ("admin",))
        return not wanted or self._level(given, name) in wanted

    def refusal(self, given: str | None, *levels: str) -> HTTPStatus | None:
        """How the admin API (``admin``) and webhooks (``system`` too) refuse a key; ``None`` if it opens them.

        A key that is known but opens something else is 403, anything else 401.
        """
        level = self._level(given)
        if level in (*levels, "admin"):
            return None
        return HTTPStatus.FORBIDDEN if level else HTTPStatus.UNAUTHORIZED

    def listed(self, scope: str) -> Mapping[str, str]:
        """Name to key: ``HOST``, ``SYSTEM``, or a function's own; a function without one gets ``default``, as on the platform."""
        with self._lock:
            held = self._held(scope)
            if not held and scope not in (HOST, SYSTEM):
                held["default"] = _new()
                self._write()
            return dict(held)

    def find(self, scope: str, name: str) -> str | None:
        """One key; the master key is the system key ``_master``."""
        return str(self._keys["masterKey"]) if (scope, name) == (SYSTEM, MASTER) else self.listed(scope).get(name)

    def put(self, scope: str, name: str, value: str | None) -> tuple[str, bool]:
        """Set a key, to a random one if ``value`` is ``None``; returns it, and whether it is new."""
        made = value or _new()
        with self._lock:
            if name == MASTER and scope in (HOST, SYSTEM):
                held, name, is_new = self._keys, "masterKey", False
            else:
                held = self._held(scope)
                is_new = name not in held
            held[name] = made
            self._write()
        return made, is_new

    def delete(self, scope: str, name: str) -> bool:
        """Remove a key; false if no key has that name."""
        with self._lock:
            found = self._held(scope).pop(name, None) is not None
            self._write()
        return found

    def _held(self, scope: str) -> dict[str, str]:
        held: dict[str, str] = self._keys[scope] if scope in (HOST, SYSTEM) else self._keys[_FUNCTIONS].setdefault(scope, {})
        return held

    def _level(self, given: str | None, function: str | None = None) -> str | None:
        """What a key is: ``admin``, ``function`` (for ``function``, or a host key), ``system``, or ``None``: unknown."""
        with self._lock:
            own = self._keys[_FUNCTIONS].get(function, {}).values() if function else ()
            levels = {
                "admin": _is_one_of(given, [self._keys["masterKey"]]),
                "function": _is_one_of(given, [*self._keys[HOST].values(), *own]),
                "system": _is_one_of(given, self._keys[SYSTEM].values()),
            }
        return next((level for level, fits in levels.items() if fits), None)

    def _write(self) -> None:
        with _draft(self._path, self._keys) as draft:
            draft.replace(self._path)


def _new() -> str:
    return secrets.token_urlsafe(40)


def _is_one_of(given: str | None, keys: Iterable[str]) -> bool:
    if not given:
        return False
    return any([hmac.compare_digest(given.encode(), key.encode()) for key in keys])  # noqa: C419 - no early exit: timing


@contextlib.contextmanager
def _draft(path: Path, keys: Mapping[str, Any]) -> Any:
    """A file beside ``path`` with the keys, readable by its owner only; gone afterwards unless it was moved."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(keys, file, indent=2)
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)
