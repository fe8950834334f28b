"""`az storage blob upload` as the pages write it, into this machine's storage: what an operator does to put a file in force.

Stands in for the Azure CLI, which would need an account. Not here: any other command of it (tests/docs/exempt.py lists those).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from azure.storage.blob import BlobServiceClient


def main() -> None:
    """Upload one file."""
    parser = argparse.ArgumentParser(prog="az")
    parser.add_argument("words", nargs=3, choices=("storage", "blob", "upload"))
    parser.add_argument("--account-name", required=True)
    parser.add_argument("--auth-mode", required=True, choices=("login",))
    parser.add_argument("-c", dest="container", required=True)
    parser.add_argument("-n", dest="name", required=True)
    parser.add_argument("-f", dest="file", type=Path, required=True)
    parser.add_argument("--overwrite", action="store_true")
    given = parser.parse_args()
    with BlobServiceClient.from_connection_string(os.environ["ACCOUNT_CONNECTION"]) as service:
        assert given.account_name == service.account_name
        service.get_container_client(given.container).upload_blob(given.name, given.file.read_bytes(), overwrite=given.overwrite)


if __name__ == "__main__":
    main()
