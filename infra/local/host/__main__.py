"""``python -m infra.local.host``: runs the Functions app of a folder, like ``func start``."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.local.host import logs, runtime, settings
from infra.local.host.pool import AppLoadError

DEFAULT_PORT = 7071


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; the exit code is 0 then, 1 if the app or its settings are wrong."""
    given = _parser().parse_args(arguments)
    root = given.root.resolve()
    try:
        values, host_section = settings.read_app_settings(root / given.settings)
        app_settings = {**os.environ, **values}
        host_json = settings.read_host_json(root, app_settings)
        logs.configure(host_json.log_levels)
        options = _options(given, root, app_settings, host_section)
        print(f"Starting {options.workers} worker process(es) for {root}", flush=True)
        host = runtime.start(options, app_settings, host_json)
    except AppLoadError as problem:
        print(f"The app cannot be loaded:\n{problem}", file=sys.stderr)
        return 1
    except settings.SettingsError as problem:
        print(f"The app cannot be started: {problem}", file=sys.stderr)
        return 1
    except OSError as problem:
        print(f"The host cannot be started on port {given.port}: {problem}", file=sys.stderr)
        return 1
    _announce(host, options)
    return _serve(host)


def _serve(host: runtime.Host) -> int:
    ending = threading.Event()

    def end(_number: int, _frame: object) -> None:
        ending.set()

    def end_at_once(_number: int, _frame: object) -> None:
        os._exit(130)  # the workers notice and end, too

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    print(f"READY http://127.0.0.1:{host.port}", flush=True)
    ending.wait()
    print("Stopping: waiting for what is running (Ctrl-C once more ends at once)", flush=True)
    # One Ctrl-C may arrive twice, from the terminal and from a parent: only a later one is meant as a second.
    outcome: list[bool] = []
    stopping = threading.Thread(target=lambda: outcome.append(host.stop()), name="stop")
    stopping.start()
    stopping.join(1.0)
    signal.signal(signal.SIGINT, end_at_once)
    stopping.join()
    if outcome != [True]:
        print("Some invocations were cut off; their messages come back late", file=sys.stderr)
    return 0


def _announce(host: runtime.Host, options: runtime.Options) -> None:
    print("\nFunctions:\n")
    for function in host.functions.values():
        off = " (disabled)" if function.disabled else f" (IN ERROR: {function.error})" if function.error else ""
        if function.kind == "httpTrigger":
            methods = ",".join(function.methods) or "all"
            route = f"{host.prefix}/{function.route}".strip("/")
            print(f"  {function.name}: [{methods}] http://localhost:{host.port}/{route}{off}")
        else:
            detail = function.trigger.get("queueName") or function.trigger.get("schedule") or ""
            print(f"  {function.name}: {function.kind} {detail}{off}".rstrip())
    print(f"\nKeys: {options.keys_file}\nlistening on http://127.0.0.1:{host.port}", flush=True)


def _options(
    given: argparse.Namespace, root: Path, app_settings: Mapping[str, str], host_section: Mapping[str, Any]
) -> runtime.Options:
    port = given.port if given.port is not None else int(host_section.get("LocalHttpPort", DEFAULT_PORT))
    return runtime.Options(
        root=root,
        port=port,
        workers=given.workers or int(app_settings.get("FUNCTIONS_WORKER_PROCESS_COUNT", "1")),
        keys_file=given.keys or root / ".local" / "host-keys.json",
        queue_poll_s=None if given.queue_poll_ms is None else given.queue_poll_ms / 1000,
        queue_invisible_s=given.queue_invisible_s,
        grace_s=given.grace_s,
        http_limit_s=given.http_limit_s,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.local.host", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="the app's folder (default: this one)")
    parser.add_argument("--port", type=int, help=f"HTTP port, 0 for a free one (default: {DEFAULT_PORT})")
    parser.add_argument("--workers", type=int, help="worker processes (default: 1)")
    parser.add_argument("--settings", type=Path, default=Path("local.settings.json"), help="app settings file")
    parser.add_argument("--keys", type=Path, help="key file (default: .local/host-keys.json; made if missing)")
    parser.add_argument("--queue-poll-ms", type=int, help="longest wait between two looks into an empty queue")
    parser.add_argument(
        "--queue-invisible-s", type=float, default=600.0, help="how long a received message is invisible (platform: 600)"
    )
    parser.add_argument("--grace-s", type=float, default=30.0, help="how long a stop waits for what is running")
    parser.add_argument("--http-limit-s", type=float, default=230.0, help="how long an HTTP caller waits")
    return parser


if __name__ == "__main__":
    sys.exit(main())
