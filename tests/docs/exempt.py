"""The commands of the docs that no test executes as they stand there, each with the reason. Not here: how the others are run."""

from __future__ import annotations

import re

APP = re.compile(r"\$\{?STEWARD\b")

# What a command begins a line with, or calls: why it is not run with the pages.
REASONS = {
    r"^(?:\w+=\$\()?az |\$\(az ": "needs Azure; tests/deploy compares what it makes with the app",
    r"^azd ": "needs Azure and the Azure Developer CLI",
    r"^\.venv/bin/python -m infra\.backup .*--as-me": "needs an account in Azure; tests/functional/backup has two of Azurite",
    r"^curl https://APP\.": "calls a deployed app; tests/functional/pages asks health of the local one",
    r"^make (?:demo|up|test|package|soak)\b": "starts a whole stack, or all tests: tests/e2e and tests/functional/local_stack do",
    r"^\.venv/bin/python -m tests\.soak": "reads the report of a soak, which takes minutes: tests/soak/test_report.py does",
    r"^\.venv/bin/python -m infra\.local": "starts a part of the stack: tests/functional/{local_stack,host,emulator} do",
    r"^\. \.local/up/env\.sh": "is what every shell of these tests is given",
    r"^export HTTPS_PROXY=http://127\.0\.0\.1:PORT": "is what every shell of these tests is given",
}
# A page whose commands have a stack and a test of their own, which names it.
ELSEWHERE = dict.fromkeys(("callers.md", "logic-apps.md", "data-factory.md"), "tests/functional/callers/conftest.py")


def reason(command: str) -> str:
    """Return why a command is not run, or nothing. A call of the app always is."""
    if APP.search(command):
        return ""
    return next((why for start, why in REASONS.items() if re.search(start, command, re.MULTILINE)), "")
