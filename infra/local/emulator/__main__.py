"""`python -m infra.local.emulator`: starts the local Azure and says where it listens; ends at SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.emulator import services, transitions
from infra.local.emulator.control import routes as control
from infra.local.emulator.runner import prepared
from infra.local.emulator.runner.backend import ProcessJobs
from infra.local.emulator.scenes import seeding
from infra.local.emulator.serving.deployments import ProcessServing
from infra.local.emulator.sockets import proxy, server
from infra.local.emulator.sockets.app import App
from infra.local.emulator.sockets.exchanges import Exchanges
from infra.local.emulator.storage.accounts import StorageAccounts
from infra.local.emulator.world import KEEP, REPLACE, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from infra.local.emulator.storage.accounts import StartedAzurite


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.emulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the proxy and the control routes on 127.0.0.1; 0: a free one")
    parser.add_argument("--state", type=Path, required=True, help="folder for ca.pem, certificates and working files")
    parser.add_argument("--blob-port", type=int, default=10000, help="Azurite's, as for the next two")
    parser.add_argument("--queue-port", type=int, default=10001)
    parser.add_argument("--table-port", type=int, default=10002)
    parser.add_argument(
        "--ml-python", type=Path, help="the interpreter that runs jobs and serves deployments; without it both are refused"
    )
    parser.add_argument(
        "--events-into", metavar="CONNECTION_STRING", help="the app's storage: what happens in the subscription goes to its queue"
    )
    parser.add_argument("--roles", type=Path, help="JSON file of role definitions and assignments that the scene begins with")
    parser.add_argument("--transitions", default="immediate", help="immediate, polls:N or time")
    parser.add_argument("--speed", type=float, default=1.0, help="time mode: real durations divided by it")
    parser.add_argument(
        "--unrecorded",
        choices=(KEEP, REPLACE),
        default=REPLACE,
        help="what a PUT does with members that it leaves out, where nothing says what Azure does",
    )
    parser.add_argument(
        "--ml-setup", type=json.loads, default=(), metavar="JSON", help="the command that installs it, run when it is first needed"
    )
    kept = os.environ.get("LOCAL_AZURE_EXCHANGES")
    parser.add_argument(
        "--exchanges",
        metavar="FOLDER",
        type=Path,
        default=Path(kept) if kept else None,
        help="whole requests and answers are written there, secrets too: for tests (LOCAL_AZURE_EXCHANGES)",
    )
    parser.add_argument(
        "--roots",
        choices=("public", "own"),
        default=os.environ.get("LOCAL_AZURE_ROOTS", "public"),
        help="what ca.pem holds beside its own authority: the public roots, which each connection then reads (LOCAL_AZURE_ROOTS)",
    )
    parser.add_argument("--no-seed", action="store_true", help="begin without the scene")
    parser.add_argument("--log-level", default="WARNING")
    return parser.parse_args(given)


def set_up_backends(
    world: World, python: Path, variables: Callable[[], dict[str, str]], prepare: Callable[[], None] = prepared.already
) -> None:
    """Let jobs and deployments run in the prepared environment of `python`.

    Args:
        world: gets the backends.
        python: the environment's interpreter.
        prepare: installs the environment when it is first needed.
        variables: what every process is given (proxy, certificates), asked for when one starts.
    """
    world.jobs_backend = ProcessJobs(world, python, prepare=prepare, extra=variables)
    world.serving_backend = ProcessServing(world, python, prepare=prepare, extra=variables)


def _start_azurite(state: Path) -> Callable[[str, str], StartedAzurite]:
    from infra.local import azurite

    def start(account: str, key: str) -> StartedAzurite:
        return azurite.launch(state / "azurite" / account, accounts={account: key})

    return start


async def _run(options: argparse.Namespace) -> None:
    state: Path = options.state
    storage = StorageAccounts((options.blob_port, options.queue_port, options.table_port), _start_azurite(state))
    rules = transitions.Transitions(options.transitions, speed=options.speed)
    world = World(workdir=state / "work", storage=storage, transitions=rules, unrecorded=options.unrecorded)
    world.app_storage = options.events_into or ""
    world.roles = json.loads(options.roles.read_text()) if options.roles else {}
    if not options.no_seed:
        seeding.seed(world)
    variables: dict[str, str] = {}
    if options.ml_python is not None:
        prepare = prepared.Setup(options.ml_setup) if options.ml_setup else prepared.already
        set_up_backends(world, options.ml_python.absolute(), lambda: variables, prepare)
    app = App(world, services.ALL, Exchanges(options.exchanges) if options.exchanges else None)
    authority = server.Authority()
    bundle = state / "ca.pem"
    authority.write_bundle(bundle, public=options.roots == "public")
    tls = server.make_server(server.wsgi_application(app), adapter=authority.adapter(state))
    plain = server.make_server(server.wsgi_application(App(world, [control.routes])))
    threads = [threading.Thread(target=made.serve, daemon=True) for made in (tls, plain)]
    for thread in threads:
        thread.start()
    front = proxy.Proxy(app.knows, tls_port=tls.bind_addr[1], control_port=plain.bind_addr[1])
    listener = await front.listen(options.port)
    port = listener.sockets[0].getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    variables |= {
        "HTTPS_PROXY": address,
        "https_proxy": address,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
    variables |= {name: str(bundle.absolute()) for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")}
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(f"READY proxy={address} ca={bundle.absolute()} control={address}", flush=True)
    await stop.wait()
    listener.close()
    await front.close()
    await asyncio.to_thread(world.stop)
    for made in (tls, plain):
        await asyncio.to_thread(made.stop)


def main() -> None:
    """Run until a signal ends it."""
    options = arguments()
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    options.state.mkdir(parents=True, exist_ok=True)
    asyncio.run(_run(options))


if __name__ == "__main__":
    main()
