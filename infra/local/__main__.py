"""``python -m infra.local up`` starts the local stack and stays; ``python -m infra.local demo`` runs the main job on it."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console

from infra.local import azurite, processes, stack
from infra.local.demo import run
from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

LOCAL = stack.ROOT / ".local"
# Named as people know them from `func start` and Azurite; another is taken, and said, when one is busy.
PORTS = {"port": 7071, "azure_port": 8443, "blob_port": 10000, "queue_port": 10001, "table_port": 10002}
DEMO_SPEED = 30.0
SOON_S = 5.0
QUICK_ENDS = 3  # an app that ends so often so soon after its start would go on doing so


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the stack; the exit code is 0 when the demo passed, or when `up` was ended by a signal."""
    parsed = _parser().parse_args(arguments)
    console = Console(stderr=False)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell starts background jobs with SIGINT ignored: ask for it
        signal.signal(number, _interrupt)
    try:
        return _demo(parsed, console) if parsed.what == "demo" else _up(parsed, console)
    except KeyboardInterrupt:
        return 0 if parsed.what == "up" else 130
    except (azurite.AzuriteError, processes.PartError) as error:
        console.print(f"[red]failed:[/] {error}", highlight=False, markup=True, soft_wrap=True)
        return 1


def _demo(parsed: argparse.Namespace, console: Console) -> int:
    began = time.monotonic()
    options = run.widened(_options(parsed, console))
    with contextlib.ExitStack() as parts:
        with console.status("starting storage, the local Azure and the app"):
            running = parts.enter_context(stack.start(options))
        _line(console, f"started in {time.monotonic() - began:.1f} s: app {running.app.url}, logs in {options.state / 'logs'}")
        passed = run.run(running, options, console)
    _line(console, f"demo {'passed' if passed else 'FAILED'}: {time.monotonic() - began:.1f} s with start and stop")
    if not passed:
        _line(console, f"what the parts said: {options.state / 'logs'}")
        return 1
    _line(console, "next: `make up` stays, and prints the dashboard's address; docs/README.md has a page for each task")
    return 0


def _up(parsed: argparse.Namespace, console: Console) -> int:
    options = _options(parsed, console)
    with stack.start_storage(options) as storage, stack.start_azure(options, storage) as azure:
        greeted, quick_ends = False, 0
        while True:
            with stack.start_app(options, storage, azure) as app:
                began = time.monotonic()
                if not greeted:
                    _greet(stack.Stack(storage=storage, azure=azure, app=app), options, console)
                    greeted = True
                while app.part.process.poll() is None:
                    azure.part.check()
                    storage.check()
                    time.sleep(0.5)
                quick_ends = quick_ends + 1 if time.monotonic() - began < SOON_S else 0
                if quick_ends == QUICK_ENDS:
                    app.part.check()
            # As in Azure, an app that was killed comes back; storage and the local Azure went on meanwhile.
            _line(console, f"the app ended (exit code {app.part.process.returncode}) and is started again")


def _options(parsed: argparse.Namespace, console: Console) -> stack.Options:
    ports = {name: _port(name, getattr(parsed, name), console) for name in PORTS}
    state: Path = (parsed.state or LOCAL / parsed.what).resolve()
    state.mkdir(parents=True, exist_ok=True)
    return stack.Options(
        state=state,
        port=ports["port"],
        azure_port=ports["azure_port"],
        blob_port=ports["blob_port"],
        queue_port=ports["queue_port"],
        table_port=ports["table_port"],
        workers=parsed.workers,
        transitions=parsed.transitions,
        speed=parsed.speed,
        settings=dict(parsed.set),
        parameters=dict(parsed.deploy),
    )


def _port(name: str, given: int | None, console: Console) -> int:
    wanted = PORTS[name] if given is None else given
    port = processes.choose_port(wanted)
    if wanted not in (0, port):
        _line(console, f"port {wanted} is busy: --{name.replace('_', '-')} is {port}")
    return port


def _greet(running: stack.Stack, options: stack.Options, console: Console) -> None:
    app = running.app
    api = f"{app.url}/api"
    shell, workspace = options.state / "env.sh", options.state / "workspace.json"
    shell.touch(mode=0o600)  # it holds keys
    shell.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in exports(running).items()))
    workspace.write_text(json.dumps(_workspace(), indent=1) + "\n")
    key = '-H "x-functions-key: $KEY"'
    lines = (
        f"app          {api}  ({api}/health says whether it is up)",
        f"dashboard    {api}/dashboard  (asks for the function key)",
        f"API docs     {api}/docs  (to read and to try)",
        f"function key {app.key}",
        f"master key   {app.master_key}",
        f"local Azure  HTTPS_PROXY={running.azure.proxy} REQUESTS_CA_BUNDLE={running.azure.ca}",
        f"storage      blob {running.storage.blob_port}, queue {running.storage.queue_port}, table {running.storage.table_port}",
        f"logs         {options.state / 'logs'}",
        "",
        "in a second shell, for these lines and for the commands in docs/:",
        f"  . {shlex.quote(_short(shell))}",
        f"  curl $STEWARD/resourceGroups {key}",
        f"  curl -i -X PUT $STEWARD/workspaces/ml-first {key} -d @{shlex.quote(_short(workspace))}",
        f"  curl $STEWARD/operations {key}",
        "",
        "ctrl-C ends everything",
    )
    for line in lines:
        _line(console, line)


def _workspace() -> dict[str, object]:
    """Return the body of a workspace on the resources that the local Azure begins with."""
    ids = {"storageAccount": scene.STORAGE_ID, "keyVault": scene.KEY_VAULT_ID}
    ids |= {"applicationInsights": scene.INSIGHTS_ID, "containerRegistry": scene.REGISTRY_ID}
    return {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}, "properties": ids}


def _short(path: Path) -> str:
    """Return the path as a shell in the clone would write it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def exports(running: stack.Stack) -> dict[str, str]:
    """Return what the commands in docs/ expect of the shell that they are pasted into."""
    return {
        "STEWARD": f"{running.app.url}/api",
        "KEY": running.app.key,
        "MASTER_KEY": running.app.master_key,
        "SUBSCRIPTION": scene.SUBSCRIPTION_ID,
        "RESOURCE_GROUP": scene.RESOURCE_GROUP,
        "STORAGE_KEY": scene.storage_keys(scene.STORAGE_ACCOUNT)[0],
        "ACCOUNT": scene.APP_ACCOUNT,
        "CONTROL": running.azure.control,
    }


def _line(console: Console, text: str) -> None:
    # Whole lines, however narrow the terminal: they are there to be copied.
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("what", choices=("up", "demo"))
    parser.add_argument("--workers", type=int, default=1, help="worker processes of the app")
    parser.add_argument("--transitions", default="time", help="how the local Azure moves: time, immediate or polls:N")
    parser.add_argument("--speed", type=float, default=DEMO_SPEED, help="times faster than Azure (default %(default)s)")
    parser.add_argument("--set", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="an app setting")
    deploy = "a parameter of infra/azure, as JSON: the app then holds the roles that it gives, e.g. wholeSubscription=true"
    parser.add_argument("--deploy", type=_parameter, action="append", default=[], metavar="NAME=VALUE", help=deploy)
    parser.add_argument("--state", type=Path, help="folder for everything it writes (default .local/up, .local/demo)")
    for name, default in PORTS.items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=int, help=f"default {default}, or a free one when that is busy; 0: a free one")
    return parser


def _parameter(text: str) -> tuple[str, Any]:
    name, value = _setting(text)
    try:
        return name, json.loads(value)
    except ValueError:
        message = f"expected JSON behind {name}=, not {value!r}"
        raise argparse.ArgumentTypeError(message) from None


def _setting(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        message = f"expected NAME=VALUE, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return name, value


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
