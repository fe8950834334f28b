"""Jobs and deployments end with the local Azure, even when it is killed and can tidy up nothing."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HOLDER = """
import os, sys, time, pathlib
from infra.local.emulator.runner import prepared, processes
from infra.local.emulator.serving import deployments
from infra.local.emulator.backends import DeploymentRequest
folder, python = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
job = "import os, subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)']);" \\
    "print(os.getpid(), child.pid, flush=True); time.sleep(300)"
processes.launch([str(python), "-c", job], folder=folder, environment=os.environ, log=folder / "job.log")
score = "import os\\ndef init():\\n    print('PID', os.getpid(), os.getppid())\\ndef run(data):\\n    return 1\\n"
request = DeploymentRequest(
    deployment_id="/x", scoring_script="score.py", model=None, code=lambda place: (place / "score.py").write_text(score)
)
serving = deployments.Deployment(request, folder=folder / "serving", python=python, environment=prepared.already, extra={})
while serving.state == "starting" or not (folder / "job.log").read_text().strip():
    time.sleep(0.05)
print("READY", serving.state, flush=True)
time.sleep(300)
"""


def running(pid):
    """Whether a process still does something."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_local_azure_takes_its_processes_along(tmp_path, ml_python, until, number):
    """Not one of a job, its child, the inference server and its worker is left."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path), str(ml_python)]
    holder = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline().strip() == "READY healthy"
        log = (tmp_path / "serving" / "InferenceServer.log").read_text()
        told = re.search(r"PID (\d+) (\d+)", log)
        pids = [int(pid) for pid in (*(tmp_path / "job.log").read_text().split(), *told.groups())]
        assert len(pids) == 4
        assert all(running(pid) for pid in pids)
        os.kill(holder.pid, number)
        holder.wait(10)
        until(lambda: not any(running(pid) for pid in pids), "the end of every process")
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
