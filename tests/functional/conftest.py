"""The real parts for functional tests, started once per test session on free ports: storage, the local Azure, the app."""

from collections.abc import Iterator

import pytest

from infra.local import stack
from infra.local.azurite import Azurite
from tests.spec.judge import Judge


@pytest.fixture(scope="session", autouse=True)
def _judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """Every local Azure that a test starts writes its exchanges down."""
    folder = tmp_path_factory.mktemp("exchanges")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_AZURE_EXCHANGES", str(folder))
        yield Judge(folder)


@pytest.fixture(scope="module", autouse=True)
def _everything_is_as_microsoft_describes_it(_judge: Judge) -> Iterator[None]:
    """What the app asked and what the local Azure answered while the tests of a file ran (docs/local-azure.md)."""
    yield
    found = _judge.problems()
    assert not found, "\n".join(found)


@pytest.fixture(scope="session")
def stack_options(tmp_path_factory: pytest.TempPathFactory) -> stack.Options:
    """How the parts below are started: everything at once, nothing kept; no look for costs, which reads run history in between."""
    return stack.Options(state=tmp_path_factory.mktemp("stack"), settings={"STEWARD_COST_DAYS": "0"})


@pytest.fixture(scope="session")
def azurite(stack_options: stack.Options) -> Iterator[Azurite]:
    """A running Azurite with the app's account and the scene's: it has ports and connection strings."""
    with stack.start_storage(stack_options) as running:
        yield running


@pytest.fixture(scope="session")
def emulator(stack_options: stack.Options, azurite: Azurite) -> Iterator[stack.Azure]:
    """The local Azure in front of that Azurite: `.proxy`, `.ca`, `.control`."""
    with stack.start_azure(stack_options, azurite) as running:
        yield running


@pytest.fixture(scope="session")
def app(stack_options: stack.Options, azurite: Azurite, emulator: stack.Azure) -> Iterator[stack.App]:
    """The whole app on its host: `.url`, `.key`, `.master_key`."""
    with stack.start_app(stack_options, azurite, emulator) as running:
        yield running
