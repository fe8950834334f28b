"""``make lock``: writes the lock files, which name the exact version and hashes of everything that is installed.

Run it after a change of a requirements file or of package.json. The files hold no addresses: any index will do.
"""

import shutil
import subprocess
import sys

from infra.local import azurite, bootstrap

COMPILE = ("pip", "compile", "--quiet", "--universal", "--generate-hashes", "--python-version", "3.13")
PLAIN = ("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links")


def main() -> int:
    """Renew all lock files."""
    uv = shutil.which("uv") or bootstrap.fetch_uv()
    if not uv:
        print("lock: uv is needed and could not be fetched: install uv and run again", file=sys.stderr)
        return 1
    for requirements, lock in bootstrap.LOCKS.items():
        file = bootstrap.ROOT / lock
        same = ["--constraint", bootstrap.LOCKS[bootstrap.REQUIREMENTS]] if requirements == bootstrap.APP_REQUIREMENTS else []
        command = [uv, *COMPILE, *PLAIN, *same, "--upgrade", requirements[-1]]
        compiled = subprocess.run(command, cwd=bootstrap.ROOT, capture_output=True, text=True, check=False)
        if compiled.returncode:
            print(f"lock: {requirements[-1]}: {compiled.stderr}", file=sys.stderr)
            return 1
        file.parent.mkdir(exist_ok=True)
        file.write_text(bootstrap.lock_title(requirements) + compiled.stdout)
        print(f"lock: {lock}")
    npm = shutil.which("npm", path=azurite.search_path())
    if npm is None:
        print("lock: npm is missing", file=sys.stderr)
        return 1
    for folder in (bootstrap.NODE_FOLDER, bootstrap.JAVASCRIPT_FOLDER, bootstrap.TYPESCRIPT_FOLDER):
        subprocess.run([npm, "install", "--package-lock-only", "--loglevel=error"], cwd=folder, check=True)
        print(f"lock: {(folder / 'package-lock.json').relative_to(bootstrap.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
