"""The dashboard stays small, and its page in the docs says how small, as measured."""

from __future__ import annotations

import gzip
import re

from infra.local import bootstrap
from shared.pages import page_routes

LIMIT_KB = 40
ROUND_KB = 3  # what the docs may be off by


def test_the_whole_page_is_as_small_as_the_docs_say() -> None:
    """All of its files, compressed as they are sent, and as they are written."""
    files = [path.read_bytes() for path in page_routes.DASHBOARD.iterdir()]
    sent = sum(len(gzip.compress(content, compresslevel=6)) for content in files) / 1000
    written = sum(len(content) for content in files) / 1000
    said = re.search(r"(\d+)\s+KB\s+compressed,\s+(\d+)\s+KB\s+uncompressed", (bootstrap.ROOT / "docs/dashboard.md").read_text())
    assert said, "docs/dashboard.md does not say how large the page is"
    assert abs(int(said[1]) - sent) < ROUND_KB, f"{sent:.0f} KB compressed"
    assert abs(int(said[2]) - written) < ROUND_KB, f"{written:.0f} KB uncompressed"
    assert sent < LIMIT_KB
