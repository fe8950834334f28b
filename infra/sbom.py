"""The list of what the package is made from: a CycloneDX document, `sbom.cdx.json`, in the package itself.

Each dependency has its version, the hashes that the lock allows for it, and the licence that it states. The same package makes the
same document: it has no time, and its serial number follows from its content. Not here: which dependencies there are (package.py).
"""

from __future__ import annotations

import json
import re
import uuid
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

FILE = "sbom.cdx.json"
NAME = "azureml-steward"
SERIALS = uuid.UUID("6f1a3c1e-9d0b-4b0e-8a55-6d6c1f2b7a10")  # any namespace of our own


def write(folder: Path, site_packages: Path, locked: dict[str, str]) -> None:
    """Put the document into the package.

    Args:
        folder: The package.
        site_packages: Its dependencies, as they were installed.
        locked: The lock's entry of each, with its hashes, by canonical name.
    """
    (folder / FILE).write_text(document(site_packages, locked))


def document(site_packages: Path, locked: dict[str, str]) -> str:
    """Return the document, as CycloneDX's own library writes it."""
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from packageurl import PackageURL

    bom = Bom(serial_number=SERIALS)
    bom.metadata.component = root = Component(name=NAME, type=ComponentType.APPLICATION, bom_ref=NAME)
    found = []
    for metadata in sorted(site_packages.glob("*.dist-info/METADATA")):
        stated = HeaderParser().parsestr(metadata.read_text())
        name, version = canonical(stated["Name"]), stated["Version"]
        url = PackageURL(type="pypi", name=name, version=version)
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=text) for text in re.findall(r"sha256:([0-9a-f]{64})", locked[name])]
        found.append(
            Component(
                name=name,
                version=version,
                type=ComponentType.LIBRARY,
                purl=url,
                bom_ref=url.to_string(),
                hashes=hashes,
                licenses=_licences(stated),
            )
        )
    bom.components.update(found)
    bom.register_dependency(root, found)
    written: dict[str, Any] = json.loads(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string())
    del written["metadata"]["timestamp"]
    written["serialNumber"] = uuid.uuid5(SERIALS, json.dumps(written, sort_keys=True)).urn
    return json.dumps(written, indent=1, sort_keys=True) + "\n"


def canonical(name: str) -> str:
    """Return a project's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _licences(stated: Any) -> list[Any]:
    """Return the licence that a distribution states: the expression of newer metadata, else its classifiers, else its one line."""
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression

    if expression := stated.get("License-Expression"):
        return [LicenseExpression(expression)]
    kinds = [
        text.rpartition(" :: ")[2] for text in stated.get_all("Classifier", []) if text.startswith("License :: OSI Approved :: ")
    ]
    line = (stated.get("License") or "").strip()
    return [DisjunctiveLicense(name=name) for name in kinds or ([line] if line and "\n" not in line else [])]
