"""Starts the processes of a distributed job: `python -I ranks.py SETTINGS command…`, one for each rank, on this one machine.

SETTINGS is JSON: `{"kind": "PyTorch" | "Mpi" | "TensorFlow", "nodes": N, "per_node": N, "servers": N}`. Every process gets the
variables that Azure documents for its kind (RANK, WORLD_SIZE, …; OMPI_COMM_WORLD_RANK, …; TF_CONFIG) and writes to the common
log, each line with its rank. When one fails the others are ended, and its exit code is the job's.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

_LOOK_S = 0.05
_GRACE_S = 5.0
_LAST_WORDS_S = 1.0


def free_ports(count: int) -> list[int]:
    """Ports on this machine that are free now."""
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in opened]
    for one in opened:
        one.close()
    return ports


def variables(settings: dict[str, object]) -> list[dict[str, str]]:
    """The environment variables of each process, by rank."""
    kind, nodes, per_node, servers = (settings[name] for name in ("kind", "nodes", "per_node", "servers"))
    assert isinstance(nodes, int)  # noqa: S101 - the writer of the settings checked them
    assert isinstance(per_node, int)  # noqa: S101
    assert isinstance(servers, int)  # noqa: S101
    size = nodes * per_node
    if kind == "TensorFlow":
        ports = free_ports(size + servers)
        addresses = [f"127.0.0.1:{port}" for port in ports]
        cluster = {"worker": addresses[:size], **({"ps": addresses[size:]} if servers else {})}
        tasks = [("worker", index) for index in range(size)] + [("ps", index) for index in range(servers)]
        return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})} for kind, index in tasks]
    (port,) = free_ports(1)
    found = []
    for rank in range(size):
        node, local = divmod(rank, per_node)
        if kind == "Mpi":
            one = {"OMPI_COMM_WORLD_RANK": rank, "OMPI_COMM_WORLD_SIZE": size, "OMPI_COMM_WORLD_LOCAL_RANK": local}
            one |= {"OMPI_COMM_WORLD_LOCAL_SIZE": per_node, "OMPI_UNIVERSE_SIZE": size}
        else:
            one = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": local, "NODE_RANK": node, "LOCAL_WORLD_SIZE": per_node}
        found.append({name: str(value) for name, value in one.items()} | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)})
    return found


def show(rank: int, process: subprocess.Popen[bytes]) -> None:
    """Pass on what a process writes, line by line, with its rank."""
    for line in process.stdout or ():
        sys.stdout.buffer.write(f"[{rank}] ".encode() + line)
        sys.stdout.buffer.flush()


def main(settings: str, *command: str) -> int:
    """Run all to their end; 0, or the first other exit code."""
    processes = [
        subprocess.Popen(command, env=os.environ | own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for own in variables(json.loads(settings))
    ]
    readers = [threading.Thread(target=show, args=pair, daemon=True) for pair in enumerate(processes)]
    for thread in readers:
        thread.start()
    failed = 0
    while not failed and None in (codes := [process.poll() for process in processes]):
        failed = next((code for code in codes if code), 0)
        time.sleep(_LOOK_S)
    failed = failed or next((process.returncode for process in processes if process.returncode), 0)
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
    for thread in readers:
        thread.join(_LAST_WORDS_S)  # what a process left running may hold its output open; it ends with us (`leash.py`)
    return failed if failed >= 0 else 128 - failed


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # a thread may still read what a left-over process holds open
