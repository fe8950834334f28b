"""Log lines on standard error: time, level, category, text, invocation id; levels by category from host.json.

What this process's own storage clients log has the category that it has on the platform, whose clients log the same there.
"""

import logging
import sys
import time
from collections.abc import Mapping
from typing import override

LIBRARY_LOGGER = "azure.functions"  # in a worker: lines of the platform's own library, not the app's
_NAMES = {logging.DEBUG: "dbug", logging.INFO: "info", logging.WARNING: "warn", logging.ERROR: "fail", 50: "crit"}


_LIBRARIES = {"azure.core": "Azure.Core", "azure.storage": "Azure.Storage", "azure.identity": "Azure.Identity"}


class _Lines(logging.Formatter):
    converter = staticmethod(time.gmtime)

    @override
    def format(self, record: logging.LogRecord) -> str:
        moment = f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{record.msecs:03.0f}Z"
        invocation = getattr(record, "invocation_id", "")
        line = f"[{moment}] {_NAMES.get(record.levelno, record.levelname)} {_category(record.name)}: {record.getMessage()}"
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
    for library, category in _LIBRARIES.items():
        logging.getLogger(library).setLevel(level_of(category, levels))
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # which the platform does not have
    for category, level in levels.items():
        if category != "default":
            logging.getLogger(category).setLevel(level)


def level_of(category: str, levels: Mapping[str, int]) -> int:
    """The minimum level of a category: that of its longest prefix up to a dot, else of ``default``, else Information."""
    parts = category.split(".")
    prefixes = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((levels[name] for name in (*prefixes, "default") if name in levels), logging.INFO)


def _category(name: str) -> str:
    return next((category for library, category in _LIBRARIES.items() if name.startswith(library)), name)
