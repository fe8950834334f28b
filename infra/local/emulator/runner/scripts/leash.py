"""Runs one command and takes it along when it goes: `python -I leash.py GRACE_SECONDS command…`.

Started by `processes.py`, which holds the other end of standard input. When that end closes (on purpose, or because the
local Azure was killed) the command's process group gets SIGTERM, and SIGKILL after the grace. Exits with the command's
own code, 128 + n for a signal. A pipe does what a parent-death signal would, on every Unix and with threads.
"""

import os
import signal
import subprocess
import sys
import threading

NOT_FOUND = 127


def _end_group(pid: int, signal_number: int) -> None:
    try:
        os.killpg(pid, signal_number)
    except (ProcessLookupError, PermissionError):  # no process is left, or only one that is exiting (macOS says it so)
        return


def _end_with_parent(child: subprocess.Popen[bytes], grace_s: float) -> None:
    while os.read(0, 1024):  # whatever is written is ignored: only the end of file counts
        continue
    _end_group(child.pid, signal.SIGTERM)
    try:
        child.wait(grace_s)
    except subprocess.TimeoutExpired:
        _end_group(child.pid, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Run the command to its end; its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # The pipe decides, not a signal to the whole terminal. A handler, because "ignore" would be inherited.
        signal.signal(number, lambda _number, _frame: None)
    try:
        child = subprocess.Popen(arguments[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        sys.stderr.write(f"{arguments[1]}: {error.strerror}\n")
        return NOT_FOUND
    threading.Thread(target=_end_with_parent, args=(child, float(arguments[0])), daemon=True).start()
    code = child.wait()
    _end_group(child.pid, signal.SIGKILL)  # what it left running in the background ends with it
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # the watching thread still reads; nothing else is left to tidy up
