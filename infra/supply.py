"""``make supply``: looks at what the project is made from: its sources, its locks, its workflows.

Each look is a tool of its own (tests/supply-requirements.txt), in an environment of its own, and every one of them runs before the
end is said. Not here: building the package (package.py), and tests of the app.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.local import bootstrap

ROOT = Path(__file__).resolve().parents[1]
TOOLS = bootstrap.LOCAL / "supply" / "bin"
# Azurite's account key is the same everywhere, and Microsoft publishes it; a URL with a user in it is what a test is refused for.
PUBLIC = ("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq", "^password$")
LOCK = bootstrap.LOCKS[bootstrap.REQUIREMENTS]
# They take every long word and every field named "key" for a secret, and this is a project about keys.
NOT_ASKED = ("Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One tool: what must hold, and the words that ask for it."""

    says: str
    command: tuple[str, ...]


def looks() -> list[Look]:
    """Return every look, for the files that git knows."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = tuple(name for name in listed.split("\0") if name and (ROOT / name).is_file())
    without = tuple(word for name in NOT_ASKED for word in ("--disable-plugin", name))
    known = tuple(word for text in PUBLIC for word in ("--exclude-secrets", text))
    return [
        Look(says="no key or token in the sources", command=("detect-secrets-hook", *without, *known, *files)),
        Look(
            says="workflows: actions by commit, no injection",
            command=("zizmor", "--offline", "--min-severity", "medium", ".github"),
        ),
        Look(says=f"no known vulnerability in {LOCK}", command=("pip-audit", "--require-hashes", "--disable-pip", "-r", LOCK)),
    ]


def main() -> int:
    """Look at everything, and return 1 if anything was found or a tool did not run."""
    worst = 0
    for look in looks():
        done = subprocess.run([TOOLS / look.command[0], *look.command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
        print(f"{'ok' if done.returncode == 0 else 'NOT'}: {look.says}")
        if done.returncode:
            print(done.stdout + done.stderr, file=sys.stderr)
            worst = 1
    return worst


if __name__ == "__main__":
    sys.exit(main())
