"""Jobs of the local Azure are real processes: their code, logs, outputs, nodes and ends."""

import io
import os
import sys
import zipfile
from pathlib import Path

import pytest

from infra.local.emulator.backends import JobRequest
from infra.local.emulator.resources import Resource
from infra.local.emulator.runner import archive, processes
from infra.local.emulator.runs import Run
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations


def zipped(**files: str) -> bytes:
    """A zip; `__` in a name is a dot."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, text in files.items():
            made.writestr(name.replace("__", "."), text)
    return buffer.getvalue()


@pytest.fixture
def start(world, workspace_id, jobs):
    """Starts a job from files and a command; returns its live run."""

    def begin(command, files=None, run_id="job1", **more):
        kind = "v1" if isinstance(command, tuple) else "command"
        run = Run(
            run_id=run_id,
            workspace_id=workspace_id,
            experiment="exp",
            created_at=world.now(),
            kind=kind,
            target=more.get("target"),
            definition={"outputs": more.get("outputs", {})},
        )
        world.runs.create(run)
        content = zipped(**(files or {}))
        request = JobRequest(
            workspace_id=workspace_id,
            run_id=run_id,
            experiment="exp",
            kind=kind,
            command=command,
            code=lambda folder: archive.unpack(content, folder),
            **more,
        )
        jobs.submit(request)
        return run

    return begin


def text(world, workspace_id, run, name):
    """A file of a run."""
    content = storage.read(world, locations.run_folder(world, workspace_id, run.run_id).child(name))
    assert content is not None, name
    return content.decode()


def cluster(world, workspace_id, **scale):
    """A compute cluster."""
    body = {
        "properties": {
            "computeType": "AmlCompute",
            "provisioningState": "Succeeded",
            "properties": {"scaleSettings": scale},
        }
    }
    return world.resources.put(Resource(id=f"{workspace_id}/computes/cpu", body=body))


def test_a_v1_run_gets_its_arguments_and_keeps_log_and_outputs(world, workspace_id, start, until):
    """`Script` and `Arguments` are what runs; stdout and `outputs/` are in the workspace's storage afterwards."""
    script = (
        "import sys, pathlib\nprint('hello', sys.argv[1])\n"
        "folder = pathlib.Path('outputs/deep')\nfolder.mkdir()\n(folder / 'm.txt').write_text('42')"
    )
    run = start(("hello.py", "234"), {"hello__py": script})
    until(lambda: run.ended)
    assert (run.status, run.error) == ("Completed", None)
    assert "hello 234" in text(world, workspace_id, run, "azureml-logs/70_driver_log.txt")
    assert text(world, workspace_id, run, "outputs/deep/m.txt") == "42"


def test_the_log_begins_by_saying_that_environments_are_not_built(world, workspace_id, start, until):
    """Nobody shall take the prepared environment for the image that was asked for."""
    run = start("echo ok", environment={"image": "mcr.microsoft.com/azureml/base:1", "condaFile": "dependencies:\n- python=3.10"})
    until(lambda: run.ended)
    first, *_ = text(world, workspace_id, run, "user_logs/std_log.txt").partition("\nok")
    assert "are not built" in first
    assert "mcr.microsoft.com/azureml/base:1" in first
    assert "python=3.10" in first


def test_a_command_job_gets_inputs_outputs_and_variables(world, workspace_id, start, until):
    """Literals, downloaded data, named outputs and Azure ML's own variables reach the command."""
    storage.write(world, locations.resolve(world, workspace_id, "azureml://datastores/workspaceblobstore/paths/d/a.csv"), b"1,2")
    run = start(
        'cat "${{inputs.data}}/a.csv" > ${{outputs.made}}/copy.csv; '
        "echo $AZUREML_RUN_ID ${{inputs.n}} $MINE $[[--x ${{inputs.x}}]]",
        inputs={
            "data": {"jobInputType": "uri_folder", "uri": "azureml://datastores/workspaceblobstore/paths/d/"},
            "n": {"jobInputType": "literal", "value": "7"},
        },
        outputs={"made": {"jobOutputType": "uri_folder"}},
        environment_variables={"MINE": "yes"},
    )
    until(lambda: run.ended)
    assert run.status == "Completed", run.error
    assert text(world, workspace_id, run, "user_logs/std_log.txt").endswith("job1 7 yes\n")
    made = storage.read(world, locations.resolve(world, workspace_id, "azureml://jobs/job1/outputs/made/paths/copy.csv"))
    assert made == b"1,2"


def test_a_job_whose_process_fails_says_code_log_and_last_words(start, until):
    """The error names the exit code and the log file, as Azure's does."""
    run = start("echo out of luck >&2; exit 3")
    until(lambda: run.ended)
    assert run.status == "Failed"
    assert run.error["code"] == "UserError"
    assert "exited with status code 3" in run.error["message"]
    assert "out of luck" in run.error["message"]


@pytest.mark.parametrize(
    ("command", "more", "inner"),
    [
        ("echo ${{inputs.absent}}", {}, "BadCommand"),
        ("echo", {"inputs": {"d": {"uri": "azureml://datastores/nowhere/paths/x"}}}, "Fetch"),
        ("echo", {"environment": {"image": "not an image"}}, "BadEnvironment"),
        (("absent.py",), {}, "ScriptNotFound"),
    ],
)
def test_a_job_that_cannot_be_prepared_fails_with_the_reason(start, until, command, more, inner):
    """What is wrong with a job before its process starts is its error."""
    run = start(command, **more)
    until(lambda: run.ended)
    assert (run.status, run.error["innerError"]["code"]) == ("Failed", inner)


def test_canceling_ends_the_whole_process_group(world, workspace_id, jobs, start, until):
    """A cancelled job leaves no process behind, not even one in the background."""
    run = start("sleep 300 & echo pid $!; wait")
    until(lambda: run.status == "Running")
    until(lambda: storage.read(world, locations.run_folder(world, workspace_id, "job1").child("user_logs/std_log.txt")))
    until(lambda: "pid " in text(world, workspace_id, run, "user_logs/std_log.txt"))
    world.runs.update(workspace_id, "job1", status="CancelRequested")
    jobs.cancel(workspace_id, "job1")
    until(lambda: run.ended)
    assert run.status == "Canceled"
    pid = int(text(world, workspace_id, run, "user_logs/std_log.txt").rpartition("pid ")[2])
    until(lambda: not alive(pid))


def alive(pid):
    """Whether a process still does something."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_a_job_that_runs_too_long_is_canceled(start, until):
    """`limits.timeout` and `MaxRunDurationSeconds`: the system cancels the run."""
    run = start("sleep 300", timeout_s=0.2)
    until(lambda: run.ended)
    assert (run.status, run.error["innerError"]["code"]) == ("Canceled", "JobTimedOut")


def test_jobs_wait_for_nodes_in_turn(world, workspace_id, jobs, start, until):
    """A cluster of one node runs one job; the next is Queued until the node is free."""
    compute = cluster(world, workspace_id, minNodeCount=0, maxNodeCount=1, nodeIdleTimeBeforeScaleDown="PT30M")
    first = start("sleep 300", run_id="first", target="cpu")
    until(lambda: first.status == "Running")
    second = start("true", run_id="second", target="cpu")
    until(lambda: second.status == "Queued")
    assert compute.properties["properties"]["nodeStateCounts"]["runningNodeCount"] == 1
    jobs.cancel(workspace_id, "first")
    until(lambda: second.ended)
    assert second.status == "Completed"
    shown = compute.properties["properties"]
    assert (shown["currentNodeCount"], shown["nodeStateCounts"]["idleNodeCount"]) == (1, 1)
    world.clock.advance(31 * 60)
    until(lambda: shown["currentNodeCount"] == 0)


def test_a_queued_job_can_be_canceled(world, workspace_id, jobs, start, until):
    """Without a node there is no process, and cancel needs none."""
    cluster(world, workspace_id, minNodeCount=0, maxNodeCount=0)
    run = start("true", target="cpu")
    until(lambda: run.status == "Queued")
    jobs.cancel(workspace_id, "job1")
    until(lambda: run.ended)
    assert run.status == "Canceled"


@pytest.mark.nightly
def test_phases_take_their_time_in_time_mode(world, start, until):
    """In time mode a job dwells in Preparing until the world's clock has moved on."""
    world.transitions.set("default", "time")
    run = start("true")
    until(lambda: run.status == "Preparing")
    world.clock.advance(21)
    until(lambda: run.status == "Queued")
    world.clock.advance(21)
    until(lambda: run.status == "Completed")


def test_a_process_ends_when_its_leash_is_let_go(tmp_path, until):
    """The same pipe that ends a job on purpose ends it when the local Azure is killed."""
    log = tmp_path / "log"
    running = processes.launch(
        [sys.executable, "-c", "import os,time; print(os.getpid(), flush=True); time.sleep(300)"],
        folder=tmp_path,
        environment=os.environ,
        log=log,
    )
    until(lambda: log.read_text().strip())
    running.end()
    assert running.wait(30) == 128 + 15
    until(lambda: not alive(int(log.read_text())))


@pytest.mark.parametrize("name", ["../out.txt", "/etc/out.txt", "a/../../out.txt", "..\\out.txt"])
def test_a_zip_that_leads_out_of_its_folder_is_refused(tmp_path, name):
    """Zip slip."""
    with pytest.raises(archive.BadArchiveError, match="outside"):
        archive.unpack(zipped(**{name: "x"}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_zip_is_refused():
    """A clear message instead of a stack trace."""
    with pytest.raises(archive.BadArchiveError, match="not a valid zip"):
        archive.names(b"hello")
