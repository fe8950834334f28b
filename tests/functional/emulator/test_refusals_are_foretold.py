"""What the local Azure refuses of a PUT, a preflight of that PUT has said before: never `ok`, and nearly always what is wrong.

Every refusal of the table that a PUT provokes is asked about right before that PUT is sent; the preflight itself is the app's.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.emulator import scene
from infra.local.emulator.refusal import Moment
from infra.local.emulator.refusals import ROWS
from shared.catalog import paths
from shared.preflight import checks, present, values
from shared.rest import client as rest
from shared.rest import clouds, errors
from tests import tables
from tests.functional.emulator.client import Client
from tests.functional.emulator.provocations import PROVOKE
from tests.functional.emulator.test_refusals import ML_PYTHON, NEEDS_PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from infra.local.emulator.refusal import Refusal
    from tests.functional.emulator.client import LocalAzure

pytestmark = [pytest.mark.sweep, pytest.mark.timeout(600)]
SCOPE = SimpleNamespace(subscription_id=scene.SUBSCRIPTION_ID, resource_group=scene.RESOURCE_GROUP)
# What no request that only reads shows: the preflight says that it does not know.
SHOWN_BY_THE_PUT_ALONE = frozenset({
    "workspace soft-deleted", "denied by policy", "key of a datastore wrong", "files of a model missing", "container that crashes",
    "too many deployments of an endpoint", "too many deployments in the region", "value for a folder of a component",
    "time zone unknown",
})  # fmt: skip
SHARE = 0.9  # of all that a PUT is refused for, at the least


class Azure:
    """The app's client, as a preflight uses it."""

    cloud = clouds.PUBLIC

    def __init__(self, client: Foretelling) -> None:
        self.client = client

    def send(self, method: str, url: str, *, body: Any = None) -> rest.Response:
        """One request that reads; the POST asks for a name."""
        assert method == "GET" or "/checkNameAvailability?" in url, f"a preflight sent {method} {url}"
        answer = Client.arm(self.client, method, url, body)
        found = answer.json() if answer.content else None
        return rest.Response(status=answer.status_code, url=url, headers={}, body=found)

    def pages(self, url: str) -> Iterator[Any]:
        """The items of a list."""
        while url:
            body = self.send("GET", url).checked().body
            yield from body.get("value", [])
            url = body.get("nextLink", "")


class Foretelling(Client):
    """A client that asks a preflight before each PUT.

    Attributes:
        told: What the last one said: `ok`, `unknown`, `problems`, or `refused` where the app would not even ask.
        alarms: PUTs that Azure took although their preflight knew of such a problem.
    """

    def __init__(self, azure: LocalAzure) -> None:
        super().__init__(azure)
        self.told, self.wrote = "", ""
        self.alarms: list[str] = []

    def arm(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """See `Client.arm`."""
        put = method == "PUT" and not path.startswith("https://")
        problems = self.ask(path, body) if put else []
        answer = super().arm(method, path, body, **options)
        self.wrote = method if method != "GET" else self.wrote
        if problems and answer.ok:
            self.alarms.append(f"{path}: {problems}")
        return answer

    def ask(self, path: str, body: Any) -> list[str]:
        """Ask; what of the body itself, or of what is there, is wrong."""
        self.told = "refused"
        if not isinstance(body, dict):
            return []
        try:
            target = paths.resolve(path.partition("?")[0], SCOPE)
        except errors.BadRequestError:
            return []
        found = checks.run(target, body, Azure(self))  # type: ignore[arg-type]
        self.told = checks.report(found)["status"]
        own = [each for each in found if each.ok is False and each.check in (present.CHECK, values.CHECK)]
        return [f"{each.check} {each.target}: {each.message}" for each in own]


def _foretold(azure: LocalAzure, row: Refusal) -> str:
    """What the preflight of the PUT that a row's provocation ends with says; '' where it ends with something else."""
    client = Foretelling(azure)
    client.control("POST", "reset")
    client.control("DELETE", "transitions")
    answer = PROVOKE[row.name](client)
    client.session.close()
    if row.moment is Moment.REQUEST:  # what is accepted may be refused later, for what was foretold
        assert not client.alarms, client.alarms
    ended = answer.request.method if row.moment is Moment.REQUEST else client.wrote
    return client.told if ended == "PUT" else ""


CHOSEN = tables.sample([row for row in ROWS if row.name not in NEEDS_PYTHON or ML_PYTHON.exists()], 12, seed="foretold")


def test_no_refusal_comes_after_an_ok(local_azure: LocalAzure) -> None:
    """0 false `ok`; what is not foretold is known by name."""
    told = {row.name: said for row in CHOSEN if (said := _foretold(local_azure, row))}
    assert not [name for name, said in told.items() if said == "ok"]
    unknown = {name for name, said in told.items() if said == "unknown"}
    assert unknown <= SHOWN_BY_THE_PUT_ALONE
    if tables.WHOLE:
        assert 1 - len(unknown) / len(told) >= SHARE, sorted(unknown)
        assert len(told) > 100
