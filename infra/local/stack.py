"""The whole local stack: Azurite, the local Azure and the app on its host, started in order and stopped in reverse.

Only app settings say to the app where it is, as in Azure; it has no local mode. Used by ``python -m infra.local``
and by the tests. What the parts do inside is theirs.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local import azurite, processes, roles
from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = processes.ROOT
ML_PYTHON = ROOT / ".local" / "ml" / "bin" / "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to start the stack.

    Attributes:
        state: Folder for everything that it writes; made when missing.
        port: Of the app; 0 takes a free one, as for the others.
        azure_port: Of the local Azure's proxy.
        blob_port: Of Azurite. Likewise the next two.
        queue_port: See ``blob_port``.
        table_port: See ``blob_port``.
        workers: Worker processes of the app.
        transitions: How the local Azure moves: ``immediate``, ``time`` or ``polls:N``.
        speed: In ``time``, how many times faster than Azure.
        events: Whether what happens in the local Azure's subscription goes to the app's queue of events.
        settings: App settings besides the stack's own; they win.
        root: Folder of the Functions app.
        parameters: Of the Bicep, whose roles the app then holds; on top of `roles.DEFAULT`.
    """

    state: Path
    port: int = 0
    azure_port: int = 0
    blob_port: int = 0
    queue_port: int = 0
    table_port: int = 0
    workers: int = 1
    transitions: str = "immediate"
    speed: float = 1.0
    events: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)
    root: Path = ROOT
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Azure:
    """A running local Azure.

    Attributes:
        proxy: URL for ``HTTPS_PROXY``.
        ca: PEM file with its certificate authority, and the public ones where `LOCAL_AZURE_ROOTS` does not say `own`.
        control: Base URL of the control route, without ``/_control``.
        part: Its process.
    """

    proxy: str
    ca: Path
    control: str
    part: processes.Part


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The running app.

    Attributes:
        url: E.g. ``http://127.0.0.1:7071``.
        key: A function key, for ``x-functions-key``.
        master_key: Opens ``/admin`` too.
        settings: Its app settings.
        part: Its host's process.
    """

    url: str
    key: str
    master_key: str
    settings: Mapping[str, str]
    part: processes.Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """All three parts, running."""

    storage: azurite.Azurite
    azure: Azure
    app: App


@contextlib.contextmanager
def start(options: Options) -> Iterator[Stack]:
    """Start everything for the length of a ``with`` block.

    Raises:
        azurite.AzuriteError: Azurite did not start.
        processes.PartError: Another part did not.
    """
    with contextlib.ExitStack() as parts:
        storage = parts.enter_context(start_storage(options))
        azure = parts.enter_context(start_azure(options, storage))
        app = parts.enter_context(start_app(options, storage, azure))
        yield Stack(storage=storage, azure=azure, app=app)


def start_storage(options: Options) -> contextlib.AbstractContextManager[azurite.Azurite]:
    """Azurite with the app's own account and the scene's."""
    return azurite.start(
        None,  # it forgets everything at its end, as the local Azure does
        blob_port=options.blob_port,
        queue_port=options.queue_port,
        table_port=options.table_port,
        accounts=scene.AZURITE_ACCOUNTS,
    )


@contextlib.contextmanager
def start_azure(options: Options, storage: azurite.Azurite) -> Iterator[Azure]:
    """The local Azure in front of ``storage``; the app's identity holds there what infra/azure gives it."""
    options.state.mkdir(parents=True, exist_ok=True)
    held = options.state / "roles.json"
    held.write_text(json.dumps(roles.shipped(options.parameters)))
    command = [
        *(sys.executable, "-m", "infra.local.emulator", "--port", str(options.azure_port)),
        *("--state", str(options.state / "emulator"), "--ml-python", str(ML_PYTHON)),
        *(() if ML_PYTHON.exists() else ("--ml-setup", json.dumps(_ml_setup()))),
        *("--blob-port", str(storage.blob_port), "--queue-port", str(storage.queue_port)),
        *("--table-port", str(storage.table_port)),
        *("--transitions", options.transitions, "--speed", str(options.speed), "--roles", str(held)),
        *(("--events-into", storage.connection_string()) if options.events else ()),
    ]
    log = options.state / "logs" / "emulator.log"
    with processes.part("local Azure", command, log=log, env=_environment()) as part:
        said = dict(word.split("=", 1) for word in part.ready.split()[1:])
        yield Azure(proxy=said["proxy"], ca=Path(said["ca"]), control=said["control"].rstrip("/"), part=part)


@contextlib.contextmanager
def start_app(options: Options, storage: azurite.Azurite, azure: Azure) -> Iterator[App]:
    """The app on its host; app settings name storage and the local Azure."""
    settings = app_settings(options, storage, azure)
    file = options.state / "settings.json"
    file.write_text(json.dumps({"IsEncrypted": False, "Values": settings}, indent=2))
    file.chmod(0o600)
    key_file = options.state / "keys.json"
    command = [
        *(sys.executable, "-m", "infra.local.host", "--root", str(options.root), "--port", str(options.port)),
        *("--workers", str(options.workers), "--settings", str(file), "--keys", str(key_file)),
    ]
    log = options.state / "logs" / "host.log"
    with processes.part("app", command, log=log, env=_environment()) as part:
        url = part.ready.split()[1].rstrip("/")
        keys = json.loads(key_file.read_text())  # the host made them at its first start
        yield App(url=url, key=keys["functionKeys"]["default"], master_key=keys["masterKey"], settings=settings, part=part)


def app_settings(options: Options, storage: azurite.Azurite, azure: Azure) -> dict[str, str]:
    """What a Function app in Azure has as app settings, for this machine."""
    own = {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsStorage": storage.connection_string(),
        "PYTHON_THREADPOOL_THREAD_COUNT": "32",
        "AZURE_TENANT_ID": scene.TENANT_ID,
        "AZURE_CLIENT_ID": scene.APP_CLIENT_ID,
        "AZURE_CLIENT_SECRET": scene.APP_CLIENT_SECRET,
        "STEWARD_SUBSCRIPTION_ID": scene.SUBSCRIPTION_ID,
        "STEWARD_RESOURCE_GROUP": scene.RESOURCE_GROUP,
        "STEWARD_CALLBACK_HOSTS": "queue:ended",  # the receiver of the walk-throughs in docs/
        "HTTPS_PROXY": azure.proxy,
        "REQUESTS_CA_BUNDLE": str(azure.ca),
        "SSL_CERT_FILE": str(azure.ca),
        "NO_PROXY": "127.0.0.1,localhost",
    }
    return own | dict(options.settings)


def _ml_setup() -> list[str]:
    """The command that installs the environment of jobs, with the proxies that the parts of the stack do not get."""
    network = [f"{name}={value}" for name, value in os.environ.items() if _is_network(name)]
    return ["env", *network, sys.executable, str(ROOT / "infra" / "local" / "bootstrap.py"), "ml"]


def _is_network(name: str) -> bool:
    certificates = ("REQUESTS_CA_BUNDLE", "SSL_CERT_", "CURL_CA_BUNDLE")
    return name.startswith(certificates) or name.lower() in {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


def _environment() -> dict[str, str]:
    """Ours, without what would lead a part astray: proxies and Azure credentials of the person who started us."""
    astray = ("AZURE_", "IDENTITY_", "MSI_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(astray) and not _is_network(k)}
    return kept | {"PYTHONUNBUFFERED": "1"}
