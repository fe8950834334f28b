"""The app's storage, opened as the app opens it, and what lies in it: policies, rules, messages that were put aside.

Opening makes tables, queues and the container where they are not there, as the app would. Not here: identity, settings.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from infra.doctor.findings import Finding, ok, problem, warning
from shared import health, services
from shared.cleanup.policy import policies
from shared.durable import storage_pool
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.durable.storage_pool import Connections
    from shared.services import Services

STORAGE, POLICIES, RULES, BACKLOG = "storage", "policies", "rules", "backlog"
PROBE = "doctor/probe"
DATA_ROLES = "Storage Blob Data Owner, Storage Queue Data Contributor and Storage Table Data Contributor"
OLD_S = 86_400
CONNECT_S, READ_S = 10, 20


class Impatient(services.Services):
    """The app's services, which ask their storage once: the doctor says at once that there is no answer."""

    def _connections(self) -> Connections:
        return storage_pool.pooled(1, connect_s=CONNECT_S, read_s=READ_S, again=False)


def look(app: Services) -> Iterator[Finding]:
    """Say what is missing, open each part, and look at what is in it; what cannot be opened is not looked into."""
    opened = True
    with suppress(errors.StewardError, ValueError):  # said below, with its part
        for sort, name in app.missing():
            fix = "reconcile_operations creates it each minute: check whether the app is stopped, and read its log; created now"
            yield warning(STORAGE, f"the {sort} {name} is missing: data for it waits or is lost", fix)
        app.prepare()
    for name, done, open_part in _parts(app):
        try:
            open_part()
        except (errors.StewardError, ValueError) as failed:
            opened = False
            yield problem(STORAGE, f"{name}: {failed}", _fix(app))
        else:
            yield ok(STORAGE, f"{name}: {done}")
    if opened:
        try:
            yield from _policies(app)
            yield from _rules(app)
            yield from _backlog(app)
        except errors.StewardError as failed:
            yield problem(STORAGE, str(failed), _fix(app))


def _parts(app: Services) -> list[tuple[str, str, Callable[[], object]]]:
    def blobs() -> None:
        app.blobs.put(PROBE, b"probe")
        app.blobs.get(PROBE)
        app.blobs.delete(PROBE)

    def tables() -> None:
        app.ledger.load("health-0")
        for rows in (app.cleanup_rows, app.hook_rows, app.delivery_rows):
            rows.get("doctor", "probe")

    def queues() -> None:
        for name in health.QUEUES:
            app.queue_named(name)
            app.depth(name)

    return [
        (f"blobs ({services.CONTAINER})", "written, read and deleted", blobs),
        ("tables", "opened and read", tables),
        ("queues", "opened and counted", queues),
    ]


def _fix(app: Services) -> str:
    if app.settings.storage:
        return "check AzureWebJobsStorage: account, key and endpoints; locally, whether Azurite runs (`make up`)"
    return f"give the caller {DATA_ROLES} on the account; check its firewall, private endpoints and the ServiceUri settings"


def _policies(app: Services) -> Iterator[Finding]:
    found, problems = policies.load(app.blobs)
    for each in problems:
        yield problem(POLICIES, str(each), "correct the file; the others are in force without it")
    yield ok(POLICIES, f"{len(found)} in force")


def _rules(app: Services) -> Iterator[Finding]:
    for each in app.rule_store.problems():
        yield problem(
            RULES, f"{each.file}: {each.error.message}", "correct it with PUT events/rules/FILE; until then it has no effect"
        )
    yield ok(RULES, f"{len(app.rules)} in force")


def _backlog(app: Services) -> Iterator[Finding]:
    for name in health.QUEUES:
        poison = app.depth(f"{name}-poison")
        if poison:
            fix = "the poison function processes them within minutes: check whether the app is stopped, and read its log"
            yield warning(BACKLOG, f"{poison} messages in {name}-poison", fix)
    seen = health.look(app)
    put_aside = seen["eventsPutAside"]
    if put_aside.get("count"):
        fix = "read them: each says why it was set aside; delete them when you have dealt with them"
        yield warning(BACKLOG, f"{put_aside['count']} event messages set aside below {put_aside['prefix']}", fix)
    oldest = seen["operations"].get("oldest") or {}
    said = f"{seen['operations'].get('open', 0)} operations are open"
    if oldest.get("ageS", 0) > OLD_S:
        fix = f"GET operations/{oldest['name']} shows what it waits for; jobs are open as long as they run"
        yield warning(BACKLOG, f"{said}, one for {oldest['ageS'] // 3600} hours", fix)
    else:
        yield ok(BACKLOG, said)
