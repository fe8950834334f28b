"""The command: reads the settings, runs the checks in order, prints what was found, ends with 1 when something will not work."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from infra.doctor import configuration, findings, identity, records
from shared.rest import ids

if TYPE_CHECKING:
    from infra.doctor.findings import Finding

HOST_FILE = Path(__file__).parents[2] / "host.json"
LOCAL_STACK = Path(__file__).parents[2] / ".local" / "up" / "settings.json"  # written by `make up`
# One of them is set where an app's settings are.
GIVEN = ("AzureWebJobsStorage", "AzureWebJobsStorage__accountName", "STEWARD_SUBSCRIPTION_ID", "STEWARD_SUBSCRIPTIONS")
EPILOGUE = "It sends GETs to Azure, and opens the app's storage as the app does. Its exit code is 1 for a problem."


def main(arguments: list[str] | None = None) -> int:
    """Check the app and return the exit code."""
    chosen = _arguments(arguments)
    logging.disable(logging.CRITICAL)  # what libraries log about a failure, the findings say in one line
    try:
        return _looked_over(chosen)
    finally:
        logging.disable(logging.NOTSET)


def _looked_over(chosen: argparse.Namespace) -> int:
    settings = chosen.settings
    if settings is None and not any(os.environ.get(name) for name in GIVEN) and LOCAL_STACK.exists():
        settings = LOCAL_STACK
        print(f"doctor: no settings are given; looking at the local stack of `make up` ({settings}).", file=sys.stderr)
    try:
        values = configuration.values_of(settings) if settings else {}
    except (OSError, ValueError) as unreadable:
        print(f"doctor: {unreadable}", file=sys.stderr)
        return 2
    os.environ.update({name: value for name, value in values.items() if not value.startswith(configuration.KEY_VAULT)})
    if chosen.as_me:
        for name in configuration.OF_THE_IDENTITY:
            os.environ.pop(name, None)
            values.pop(name, None)
    seen = examine({**os.environ, **values}, chosen.scope)
    print(findings.as_json(seen) if chosen.json else findings.as_text(seen))
    return findings.exit_code(seen)


def examine(values: dict[str, str], scopes: list[str]) -> list[Finding]:
    """Run every check that the earlier ones leave sense in.

    Args:
        values: The app settings.
        scopes: ARM ids to look for permissions at; none for each subscription and every resource group that the app manages.
    """
    settings, found = configuration.settings_of(values)
    if settings is None:
        return found
    found.append(configuration.threads(settings, json.loads(HOST_FILE.read_text())))
    found += configuration.callbacks(settings)
    app = records.Impatient(settings=settings)
    known = [ids.group(subscription) for subscription in settings.subscriptions]
    home = [ids.group(settings.subscription_id, settings.resource_group)] if known and settings.resource_group else []
    found += identity.look(app.client, settings.subscriptions, scopes or [*known, *home], app.clock, find=not scopes)
    if settings.storage or settings.queue_uri:
        found += records.look(app)
    return found


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.doctor", description="Check the app's setup.", epilog=EPILOGUE)
    file = "app settings: local.settings.json, or what `az functionapp config appsettings list` prints; else the environment, "
    file += "else those of `make up`"
    parser.add_argument("--settings", type=Path, metavar="FILE", help=file)
    me = "use the sign-in of this machine (az login) instead of the app's managed identity"
    parser.add_argument("--as-me", action="store_true", help=me)
    scope = "check permissions there, e.g. /subscriptions/S/resourceGroups/G; may be given several times"
    parser.add_argument("--scope", action="append", default=[], metavar="ID", help=scope)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
