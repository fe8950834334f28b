"""Cold start: what a fresh interpreter loads to index the app, as an allow-list of modules and not as milliseconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"function_app", "functions", "shared"}
# azure.functions itself, and what it brings along.
ALLOWED = {"azure", "werkzeug", "markupsafe", "typing_extensions", "_functions_sitecustomize"}
LATER = (
    "requests", "urllib3", "yaml", "jmespath", "re2", "zoneinfo",
    "cryptography", "msal", "isodate", "azure.identity", "azure.storage", "azure.data", "azure.core",
    "shared.rest.transport", "shared.rest.trust", "shared.rest.tokens", "shared.rest.client", "shared.operations.models",
    "shared.durable.records", "shared.api.access.approvals",
)  # fmt: skip
LOADED = """
import json, sys
before = set(sys.modules)
import function_app
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.fixture(scope="module")
def loaded():
    """The modules that `import function_app` loads in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True, timeout=100)
    return json.loads(done.stdout)


def test_only_allowed_packages_are_loaded_at_start(loaded):
    """A new top-level module at start is a decision, made here."""
    tops = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) - OURS
    assert {top for top in tops if not top.startswith("_")} <= ALLOWED


def test_what_is_heavy_is_loaded_by_the_function_that_needs_it(loaded):
    """Each of these costs 10 to 70 ms; indexing needs none."""
    assert not [name for name in loaded if name.startswith(LATER) and not name.startswith("azure.functions")]


def test_the_import_does_nothing_but_import():
    """No client, no connection, no thread: anything raised at import makes every function vanish, often without a log."""
    script = (
        "import socket, threading\n"
        "import azure.functions\n"
        "def refuse(*a, **k): raise AssertionError('a socket at import')\n"
        "socket.socket.connect = refuse\n"
        "import function_app\n"
        "assert threading.active_count() == 1\n"
        "from shared import services\n"
        "assert services._services is None\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr


def test_a_queue_step_opens_no_blobs():
    """azure-storage-blob costs 70 ms and its container a request; few operations hold more than fits into a row."""
    script = (
        "import sys\n"
        "from shared import services, settings\n"
        "text = 'AccountName=a;AccountKey=a2V5;EndpointSuffix=core.windows.net;DefaultEndpointsProtocol=https'\n"
        "app = services.Services(settings=settings.Settings(storage=text))\n"
        "services.Services._rows = lambda self, name: None\n"
        "assert app.ledger.blobs is app.blobs\n"
        "assert 'azure.storage.blob' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr


def test_rows_and_messages_need_none_of_azures_libraries():
    """The first acceptance of a process waits for no import of theirs: 40 to 100 ms of processor time."""
    script = (
        "import sys\n"
        "from shared import services, settings\n"
        "from shared.durable import storage\n"
        "from shared.durable.account import storage_wire\n"
        "made = lambda self, method, path, *rest: storage_wire.Answer(204 if method == 'PUT' else 201, {}, b'')\n"
        "storage_wire.Wire._sent = made\n"
        "app = services.Services(settings=settings.Settings(storage='AccountName=a;AccountKey=a2V5'))\n"
        "app.delivery_rows.put(storage.Row(partition='p', key='k'))\n"
        "app.queue.send('x')\n"
        "assert not [name for name in sys.modules if name.startswith(('azure.core', 'azure.data', 'azure.storage'))]\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
