"""Runs inside the prepared environment: Microsoft's inference server on a free port of this machine only.

`server.py PORT_FILE ENTRY_SCRIPT`. The server's own command line listens on every interface and wants a port chosen
beforehand; here a socket is opened first and handed over the way systemd does, so that no other process takes the port.
"""

import os
import socket
import sys
from pathlib import Path

from azureml_inference_server_http import amlserver  # type: ignore[import-not-found]  # lives in the prepared environment

FIRST_PASSED_FD = 3  # where a process that was started with LISTEN_FDS finds its sockets


def main(port_file: str, entry_script: str) -> None:
    """Open the socket, print the port, become the server."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    port = listening.getsockname()[1]
    os.dup2(listening.fileno(), FIRST_PASSED_FD, inheritable=True)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
    Path(port_file).write_text(str(port), encoding="ascii")
    sys.argv = ["azmlinfsrv", "--entry_script", entry_script, "--port", str(port)]
    amlserver.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
