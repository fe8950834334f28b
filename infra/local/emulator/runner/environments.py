"""Judges the environment a job or deployment asks for, and words what is done with it.

Everything here runs in one prepared environment: images are not pulled and conda environments are not built. What was
asked for is checked for form and written into the log, so that a reader sees which is which.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:@-]*", re.IGNORECASE)


class BadEnvironmentError(Exception):
    """The environment could never be built; the message is for the user."""


def lines(environment: Mapping[str, Any]) -> list[str]:
    """What the log says first about an environment.

    Args:
        environment: the `properties` of an ARM environment version (`image`, `condaFile`, `build`), or the `Environment`
            of a v1 run definition (`Docker.BaseImage`, `Python.CondaDependencies`).

    Raises:
        BadEnvironmentError: a malformed image reference, conda file or build.
    """
    found = {str(name).lower(): value for name, value in environment.items()}
    described = _describe_v1(found) if found.keys() & {"docker", "python"} else _describe_v2(found)
    return [
        "Environment: everything runs in this machine's one prepared Python environment;",
        "images are not pulled and conda environments are not built here. Asked for, checked and recorded:",
        *(f"  {line}" for line in described or ["nothing"]),
    ]


def _describe_v2(environment: Mapping[str, Any]) -> list[str]:
    described = []
    if image := environment.get("image"):
        described.append(f"image {_image(image)}")
    if build := environment.get("build"):
        if not isinstance(build, dict) or not build.get("contextUri"):
            raise BadEnvironmentError("The environment's build has no contextUri.")
        described.append(f"build of {build.get('dockerfilePath') or 'Dockerfile'}")
    if conda := environment.get("condafile"):
        described.append(f"conda: {_conda_text(str(conda))}")
    return described


def _describe_v1(environment: Mapping[str, Any]) -> list[str]:
    described = []
    docker, python = environment.get("docker") or {}, environment.get("python") or {}
    if not isinstance(docker, dict) or not isinstance(python, dict):
        raise BadEnvironmentError("Docker and Python of an environment are objects.")
    if image := docker.get("BaseImage") or docker.get("baseImage"):
        described.append(f"image {_image(image)}")
    conda = python.get("CondaDependencies") or python.get("condaDependencies")
    if conda and not (python.get("UserManagedDependencies") or python.get("userManagedDependencies")):
        if not isinstance(conda, dict) or not isinstance(conda.get("dependencies", []), list):
            raise BadEnvironmentError("CondaDependencies is an object with a list of dependencies.")
        described.append(f"conda: {_packages(conda.get('dependencies', []))}")
    return described


def _image(image: object) -> str:
    if not isinstance(image, str) or not _IMAGE.fullmatch(image):
        raise BadEnvironmentError(f"invalid reference format: the image {image!r} is no image reference.")
    return image


def _conda_text(text: str) -> str:
    """The packages of a conda file; it is YAML, of which only its shape is judged here."""
    listed = re.findall(r"^\s*-\s+([^\s#].*?)\s*$", text, re.MULTILINE)
    if not re.search(r"^['\"]?dependencies['\"]?\s*:", text, re.MULTILINE) and '"dependencies"' not in text:
        raise BadEnvironmentError("The conda file has no dependencies.")
    return ", ".join(line for line in listed if not line.endswith(":")) or "its dependencies"


def _packages(dependencies: list[Any]) -> str:
    names: list[str] = []
    for entry in dependencies:
        names += [str(part) for part in entry.get("pip", ())] if isinstance(entry, dict) else [str(entry)]
    return ", ".join(names) or "no packages"
