"""The set-up: idle when nothing changed, one clear line when something cannot be had."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.local import bootstrap

GOOD = bootstrap._has_node


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with requirement files and nothing installed."""
    for name in (*bootstrap.REQUIREMENTS, *bootstrap.ML_REQUIREMENTS, "infra/local/package-lock.json"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("first")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "LOCAL", tmp_path / ".local")
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "NODE_FOLDER", tmp_path / "infra" / "local")
    return tmp_path


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be run, each as one line; everything succeeds."""
    ran: list[str] = []

    def run(command, what, cwd=None, env=None):
        ran.append(" ".join(map(str, command)))
        if "venv" in command[1:3]:
            Path(command[-1]).mkdir(parents=True)
        if "ci" in command:
            (cwd / "node_modules").mkdir(exist_ok=True)

    monkeypatch.setattr(bootstrap, "_run", run)
    monkeypatch.setattr(bootstrap, "python_313", lambda: "python3.13")
    monkeypatch.setattr(bootstrap, "_is_wanted", lambda program: Path(program).parents[1].exists())
    monkeypatch.setattr(bootstrap, "fetch_uv", lambda: "uv")
    monkeypatch.setattr(bootstrap, "_has_node", lambda: True)
    return ran


def test_the_first_run_installs_and_the_second_does_nothing(place: Path, commands: list[str]) -> None:
    """Stamps beside the installations hold the hash of what they were made from."""
    assert bootstrap.main([]) == 0
    assert sum(" venv " in command for command in commands) == 1  # that of jobs is made when a job needs it
    assert any("ci" in command.split() for command in commands)

    commands.clear()
    assert bootstrap.main([]) == 0
    assert commands == []


def test_the_developers_environment_is_the_apps_with_more(place: Path, commands: list[str]) -> None:
    """`python` adds to .venv what tests need; after that the app's part is there, too."""
    bootstrap.main(["app"])
    commands.clear()
    bootstrap.main(["python"])
    assert [command.split()[-1].rpartition("/")[2] for command in commands] == ["requirements.txt"]
    commands.clear()
    assert bootstrap.main(["app", "python"]) == 0
    assert commands == []


def test_pip_installs_where_uv_cannot(place: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """A mirror that only pip is set up for: uv's reason is printed, and pip installs the same."""
    good = bootstrap._run

    def fail(command, what, cwd=None, env=None):
        good(command, what, cwd, env)
        if command[:3] == ["uv", "pip", "install"]:
            raise bootstrap.CannotHaveError("no route to the index")

    monkeypatch.setattr(bootstrap, "_run", fail)
    assert bootstrap.main(["app"]) == 0
    uv, pip = commands[-2:]
    assert pip.split()[1:4] == ["-m", "pip", "install"]
    assert pip.split()[-2:] == uv.split()[-2:]
    assert "no route to the index" in capsys.readouterr().out


def test_what_is_installed_is_said_with_its_size_and_time(place: Path, commands: list[str], capsys) -> None:
    """Also every ten seconds, for the first run takes a while."""
    bootstrap.main(["app"])
    assert "installed .venv: 0 MB, 0 s" in capsys.readouterr().out


def test_only_what_changed_is_installed_again(place: Path, commands: list[str]) -> None:
    """A new line in one requirements file does not touch the other environment, or Node's."""
    bootstrap.main(["app", "node", "ml"])
    commands.clear()
    (place / "infra/local/ml-requirements.txt").write_text("second")
    assert bootstrap.main(["app", "node", "ml"]) == 0
    assert [command.split()[-1].rpartition("/")[2] for command in commands] == ["ml-requirements.txt"]


def test_a_failed_installation_is_tried_again(place: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The stamp is written last: an interrupted run leaves none."""
    good = bootstrap._run

    def fail(command, what, cwd=None, env=None):
        good(command, what, cwd, env)
        if "install" in command:
            raise bootstrap.CannotHaveError("no network")

    monkeypatch.setattr(bootstrap, "_run", fail)
    assert bootstrap.main(["python"]) == 1
    monkeypatch.setattr(bootstrap, "_run", good)
    commands.clear()
    assert bootstrap.main(["python"]) == 0
    assert len(commands) == 1


def test_the_lock_is_installed_while_it_is_of_these_requirements(place: Path, commands: list[str]) -> None:
    """A changed requirements file makes its lock void until `make lock`."""
    lock = place / bootstrap.LOCKS[bootstrap.ML_REQUIREMENTS]
    lock.parent.mkdir()
    lock.write_text(bootstrap.lock_title(bootstrap.ML_REQUIREMENTS) + "a==1 --hash=sha256:0\n")
    bootstrap.main(["ml"])
    assert commands[-1].endswith("locks/ml.txt")
    assert "--require-hashes" in commands[-1]

    (place / "infra/local/ml-requirements.txt").write_text("second")
    bootstrap.main(["ml"])
    assert commands[-1].endswith("ml-requirements.txt")


def test_the_lock_files_of_this_checkout_are_up_to_date() -> None:
    """A line added to a requirements file is followed by `make lock`."""
    assert [lock for requirements, lock in bootstrap.LOCKS.items() if not bootstrap.is_locked(requirements)] == []


def test_what_cannot_be_had_is_one_line_and_exit_code_1(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No Python 3.13 anywhere and none to fetch: the line says what to install."""
    monkeypatch.setattr(bootstrap, "_output", lambda command: "")
    assert bootstrap.main(["python"]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "Python 3.13 is missing" in said[0]


def test_two_environments_fetch_one_python(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are made at once; the second waits for what the first fetches, and uv is put in place by one of them."""
    inside: list[str] = []

    def fetch() -> str:
        inside.append("in")
        assert inside.count("in") - inside.count("out") == 1
        time.sleep(0)  # lets the other one in, were the door open
        inside.append("out")
        return "python3.13"

    monkeypatch.setattr(bootstrap.shutil, "which", lambda program: None)
    monkeypatch.setattr(bootstrap, "_is_wanted", lambda program: False)
    monkeypatch.setattr(bootstrap, "_output", lambda command: "")
    monkeypatch.setattr(bootstrap, "_python_of_uv", fetch)
    with ThreadPoolExecutor() as side_by_side:
        assert [made.result() for made in [side_by_side.submit(bootstrap.python_313) for _ in range(8)]] == ["python3.13"] * 8


def test_why_no_python_was_fetched_is_said(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What uv said stands above our line."""
    uv = place / "uv"
    uv.write_text('#!/bin/sh\n[ "$2" = install ] && echo "error: no route to the mirror"\nexit 2\n')
    uv.chmod(0o755)
    monkeypatch.setattr(bootstrap, "_is_wanted", lambda program: False)
    monkeypatch.setattr(bootstrap.shutil, "which", {"uv": str(uv)}.get)
    assert bootstrap.main(["python"]) == 1
    said = capsys.readouterr().err
    assert said.index("no route to the mirror") < said.index("Python 3.13 is missing")


def test_a_machine_without_node_gets_it_from_pip(place: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Too old a Node is no Node."""
    versions = iter(["v18.1.0", "v22.3.0"])
    monkeypatch.setattr(bootstrap, "_has_node", GOOD)
    monkeypatch.setattr(bootstrap, "_output", lambda command: next(versions))
    monkeypatch.setattr(bootstrap, "_which", lambda program: f"/bin/{program}")
    bootstrap._install_packages(place / "infra" / "local")
    assert bootstrap.NODE_WHEEL in commands[0]
    assert commands[1].startswith("/bin/npm ci")


def test_a_machine_without_a_browser_gets_it_from_apt_once(
    place: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any Chromium or Chrome will do; where there is one, nothing is installed."""
    there = {"apt-get": "/usr/bin/apt-get", "sudo": "/usr/bin/sudo"}
    monkeypatch.setattr(bootstrap.shutil, "which", there.get)
    run = bootstrap._run

    def install(command, what, **more):
        run(command, what, **more)
        there["chromium"] = "/usr/bin/chromium"

    monkeypatch.setattr(bootstrap, "_run", install)
    assert bootstrap.main(["browser"]) == 0
    assert commands[-1].endswith("install --yes --no-install-recommends chromium fonts-dejavu-core")
    commands.clear()
    assert bootstrap.main(["browser"]) == 0
    assert commands == []
    assert bootstrap.browser() == "/usr/bin/chromium"


def test_where_no_browser_can_be_installed_one_line_says_so(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No apt: the tests of the pages are not passed over, the set-up fails."""
    monkeypatch.setattr(bootstrap.shutil, "which", lambda program: None)
    assert bootstrap.main(["browser"]) == 1
    assert "install Chromium or Chrome" in capsys.readouterr().err
