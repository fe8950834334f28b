"""Log lines on standard error: time, level, category, text, invocation id; levels by category from host.json."""

import logging
import sys
import time
from collections.abc import Mapping
from typing import override

LIBRARY_LOGGER = "azure.functions"  # in a worker: lines of the platform's own library, not the app's
_NAMES = {logging.DEBUG: "dbug", logging.INFO: "info", logging.WARNING: "warn", logging.ERROR: "fail", 50: "crit"}


class _Lines(logging.Formatter):
    converter = staticmethod(time.gmtime)

    @override
    def format(self, record: logging.LogRecord) -> str:
        moment = f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{record.msecs:03.0f}Z"
        invocation = getattr(record, "invocation_id", "")
        line = f"[{moment}] {_NAMES.get(record.levelno, record.levelname)} {record.name}: {record.getMessage()}"
        line += f" (Id={invocation})" if invocation else ""
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(levels: Mapping[str, int]) -> None:
    """Send all logs to standard error.

    Args:
        levels: Category (a prefix up to a dot, or ``default``) to minimum level, from host.json.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    logging.basicConfig(handlers=[handler], level=levels.get("default", logging.INFO), force=True)
    for library in ("azure", "urllib3"):  # this process's own storage calls; the app's come from the workers
        logging.getLogger(library).setLevel(logging.ERROR)
    for category, level in levels.items():
        if category != "default":
            logging.getLogger(category).setLevel(level)
