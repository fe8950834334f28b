"""``python -m infra.keys``: makes, changes, renews, revokes and lists named keys of the app.

The platform makes and checks keys (its key API, with the master key, which the app never holds). The app learns the owner of a key
by its hash, before the platform knows the key: no key is ever valid without its name. Not here: what a role may do
(docs/security.md).

A sign-in of Entra ID has a role and scope in the same way; the platform has no key for it.

    STEWARD=https://APP.azurewebsites.net/api KEY=… MASTER_KEY=… python -m infra.keys make ci --role operator
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import sys
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Sequence

ROLES = ("reader", "scorer", "operator", "admin", "events")
EVENTS = "hooks_webhook"  # the function that takes events: a key of its own opens nothing else on the platform either
TIMEOUT_S = 60


class RefusedError(Exception):
    """The app or the platform refused; the message says why."""


class Keys:
    """The keys of one app.

    Args:
        address: Of the app, without /api.
        key: An admin's key, for the app.
        master: The master key, for the platform.
    """

    def __init__(self, address: str, key: str, master: str) -> None:
        self._address, self._key, self._master = address.rstrip("/").removesuffix("/api"), key, master

    def put(self, name: str, about: dict[str, Any], *, make: bool) -> str:
        """Name a key or a sign-in; make or renew a key unless it is to stay as it is, and return it ('' when it stays)."""
        value = secrets.token_urlsafe(40) if make else ""
        known = {"hash": hashlib.sha256(value.encode()).hexdigest()} if make else {}
        self._app("PUT", f"keys/{name}", about | known)
        if make:
            self._platform("PUT", self._place(name, about["role"]), {"name": name, "value": value})
        return value

    def rotate(self, name: str) -> str:
        """Make a new key for a name, with the role and scope that it has; the one before is over at once."""
        known = self._app("GET", f"keys/{name}")
        if known.get("principal"):
            message = f"{name} is a sign-in; it has no key to renew"
            raise RefusedError(message)
        return self.put(name, {"role": known["role"], "scope": known["scope"]}, make=True)

    def revoke(self, name: str) -> None:
        """Refuse a key or sign-in; then remove a key from the platform."""
        known = self._app("DELETE", f"keys/{name}")
        if not known.get("principal"):
            self._platform("DELETE", self._place(name, known["role"]))

    def every(self) -> list[dict[str, Any]]:
        """Return the named keys."""
        found: list[dict[str, Any]] = self._app("GET", "keys")["value"]
        return found

    def _place(self, name: str, role: str) -> str:
        return f"functions/{EVENTS}/keys/{name}" if role == "events" else f"host/functionkeys/{name}"

    def _app(self, method: str, path: str, body: Any = None) -> Any:
        return self._send(method, f"{self._address}/api/{path}", self._key, body)

    def _platform(self, method: str, path: str, body: Any = None) -> None:
        self._send(method, f"{self._address}/admin/{path}", self._master, body, gone=method == "DELETE")

    def _send(self, method: str, url: str, key: str, body: Any, *, gone: bool = False) -> Any:
        answer = requests.request(method, url, json=body, headers={"x-functions-key": key}, timeout=TIMEOUT_S)
        if answer.status_code >= 400 and not (gone and answer.status_code == 404):
            said = answer.text[:500] or "no reason given; is the key right?"
            message = f"{method} {url} was answered {answer.status_code}: {said}"
            raise RefusedError(message)
        return answer.json() if answer.content and answer.status_code < 400 else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m infra.keys", description="Named keys of the app.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command, about in (
        ("make", "make a key, and name it; it is printed once"),
        ("change", "give a key another role or scope; the key stays"),
        ("rotate", "make a new key for a name, with its role and scope"),
        ("revoke", "refuse a key, and remove it"),
    ):
        one = commands.add_parser(command, help=about)
        one.add_argument("name")
        if command in ("make", "change"):
            one.add_argument("--role", choices=ROLES, required=True)
            one.add_argument(
                "--below", action="append", default=[], help="only this ARM id or path below /api, and what is below it"
            )
            one.add_argument("--principal", default="", help="of a sign-in, instead of a key: its object id in Entra ID")
            one.add_argument("--kind", action="append", default=[], help="only this kind, such as workspaces/jobs")
    commands.add_parser("list", help="list the named keys")
    asked = parser.parse_args(arguments)
    try:
        keys = Keys(*(os.environ[name] for name in ("STEWARD", "KEY", "MASTER_KEY")))
        if asked.command == "list":
            for each in keys.every():
                print(json.dumps(each))
        elif asked.command == "revoke":
            keys.revoke(asked.name)
        elif asked.command == "rotate":
            print(keys.rotate(asked.name))
        else:
            rights = {"role": asked.role, "scope": {"below": asked.below, "kinds": asked.kind}}
            rights |= {"principal": asked.principal} if asked.principal else {}
            if value := keys.put(asked.name, rights, make=asked.command == "make" and not asked.principal):
                print(value)
    except KeyError as missing:
        print(f"{missing.args[0]} is not set: STEWARD is the app's address, KEY an admin's key, and "
              "MASTER_KEY the master key (az functionapp keys list).", file=sys.stderr)  # fmt: skip
        return 2
    except (RefusedError, requests.RequestException) as problem:
        print(str(problem), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
