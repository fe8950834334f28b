"""Function, host, system and master keys, and what each of them opens.

As in Azure (https://learn.microsoft.com/azure/azure-functions/function-keys-how-to): the master key opens everything;
a host key every function; a function's own key that function; a system key the webhook of its extension. Keys are
kept in a file beside the app, made on the first start, readable by its owner only.
"""

import contextlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local.host.settings import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """All keys of the app.

    Attributes:
        master: Opens everything, the admin paths too.
        host: Host key name to key; each opens every function.
        system: System key name to key; ``eventgrid_extension`` opens the Event Grid webhook.
        functions: Function name to (key name to key).
    """

    master: str
    host: Mapping[str, str]
    system: Mapping[str, str]
    functions: Mapping[str, Mapping[str, str]]

    def opens_function(self, name: str, auth_level: str, given: str | None) -> bool:
        """Whether ``given`` may call the HTTP function ``name`` of that authorization level."""
        if auth_level == "anonymous":
            return True
        own = self.functions.get(name, {}).values() if auth_level == "function" else ()
        shared = self.host.values() if auth_level == "function" else ()
        return _any_equal(given, [self.master, *own, *shared])

    def opens_admin(self, given: str | None) -> bool:
        """Whether ``given`` is the master key."""
        return _any_equal(given, [self.master])

    def opens_webhook(self, given: str | None) -> bool:
        """Whether ``given`` may post to an extension's webhook."""
        return _any_equal(given, [self.master, *self.system.values()])


def _any_equal(given: str | None, keys: Iterable[str]) -> bool:
    if not given:
        return False
    return any([hmac.compare_digest(given.encode(), key.encode()) for key in keys])  # noqa: C419 - no early exit: timing


def read_or_make(path: Path) -> Keys:
    """Read the key file; make it with random keys if it is not there.

    Raises:
        SettingsError: The file is not what this function would have written.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = {
            "masterKey": secrets.token_urlsafe(40),
            "functionKeys": {"default": secrets.token_urlsafe(40)},
            "systemKeys": {"eventgrid_extension": secrets.token_urlsafe(40)},
            "functions": {},
        }
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(made, file, indent=2)
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)  # unlike a rename it never takes the place of another host's file
        draft.unlink()
    try:
        document = json.loads(path.read_text())
        return Keys(
            master=document["masterKey"],
            host=document.get("functionKeys", {}),
            system=document.get("systemKeys", {}),
            functions=document.get("functions", {}),
        )
    except (ValueError, KeyError, TypeError) as problem:
        raise SettingsError(f"{path}: not a key file ({problem!r})") from None
