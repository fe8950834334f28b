"""A demo that does not go as it should says why and is not taken for a success."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import __main__ as command
from infra.local.demo import run
from infra.local.demo.client import StepError
from infra.local.demo.story import Story

pytestmark = pytest.mark.nightly

FREE = ["--port", "0", "--azure-port", "0", "--blob-port", "0", "--queue-port", "0", "--table-port", "0"]


@pytest.fixture(autouse=True)
def _keep_signal_handlers() -> Iterator[None]:
    """The command takes over SIGINT and SIGTERM; pytest wants them back."""
    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    for number, handler in before:
        signal.signal(number, handler)


def test_the_first_step_that_fails_ends_the_demo_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, the reason, where the logs are; the steps after it are not tried."""
    tried: list[str] = []

    def impossible(story: Story) -> str:
        tried.append("first")
        story.app.send("GET", "workspaces/not-there")
        raise AssertionError("a 404 is not expected here")

    def never(_story: Story) -> str:
        tried.append("second")
        raise StepError("not reached")

    steps = (run.Step(number="1", what="ask", do=impossible), run.Step(number="2", what="go on", do=never))
    monkeypatch.setattr(run, "STEPS", steps)

    code = command.main(["demo", "--state", str(tmp_path), *FREE])

    said = capsys.readouterr().out
    assert code == 1
    assert tried == ["first"]
    assert "ResourceNotFound" in said
    assert "not-there" in said
    assert "0 of 2 steps as expected" in said
    assert str(tmp_path / "logs") in said


def test_a_part_that_does_not_start_is_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A host that cannot load the app: its last words and its log file."""
    options = command.stack.Options

    def of_an_empty_folder(**given):
        return options(**{**given, "root": tmp_path})

    monkeypatch.setattr(command.stack, "Options", of_an_empty_folder)

    code = command.main(["demo", "--state", str(tmp_path / "state"), *FREE])

    said = capsys.readouterr().out
    assert code == 1
    assert "the app did not start" in said
    assert "host.json" in said
    assert str(tmp_path / "state" / "logs" / "host.log") in said
