"""Spark jobs and steps as ARM takes them, judged and turned into an ordinary process of the entry file.

Not here: Spark itself. A job whose code imports pyspark runs only where pyspark is installed (`runner/scripts/spark_driver.py`).
"""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning import scope
from infra.local.emulator.machine_learning.jobs import command as command_jobs
from infra.local.emulator.runner.scripts import spark_driver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.emulator.backends import Fetch, JobRequest
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

DRIVER = Path(spark_driver.__file__)
_DRIVER_NAME = ".azureml-spark.py"
_CURATED = "azureml://registries/azureml/environments/spark"  # a job without an environment has the runtime's own
_SIZES = ("standard_e4s_v3", "standard_e8s_v3", "standard_e16s_v3", "standard_e32s_v3", "standard_e64s_v3")
_OF_STEP = {"code": "codeId", "environment": "environmentId", "py_files": "pyFiles"}


def request(world: World, workspace: Resource, name: str, properties: dict[str, Any]) -> JobRequest:
    """What runs for a Spark job.

    Args:
        world: the state, under its lock.
        workspace: where it runs.
        name: its run id.
        properties: ARM's, of a Spark job.

    Raises:
        web.Refused: 400, with what is wrong.
    """
    entry, resources = command_jobs.objects(properties, "entry"), command_jobs.objects(properties, "resources")
    if not scope.text_of(properties, "codeId"):
        raise scope.invalid("The field codeId is required for a Spark job.", "ValidationError")
    if not entry.get("file") and not entry.get("className"):
        raise scope.invalid("The field entry is required for a Spark job: a file, or a className.", "ValidationError")
    compute = scope.text_of(properties, "computeId")
    if not compute:
        size = str(resources.get("instanceType") or "")
        if size.lower() not in _SIZES:
            raise scope.invalid(
                f"The instanceType '{size}' of a Spark job is not one of {', '.join(_SIZES)}.", "InvalidInstanceType"
            )
    whole = {
        **{key: one for key, one in properties.items() if key != "resources"},
        "command": _command(properties, entry),
        "environmentId": scope.text_of(properties, "environmentId") or _CURATED,
        "environmentVariables": {
            "PYSPARK_SUBMIT_ARGS": shlex.join([*_submit_options(properties), "pyspark-shell"]),
            **({"PYTHONPATH": ":".join(files)} if (files := _texts(properties, "pyFiles")) else {}),
            **command_jobs.objects(properties, "environmentVariables"),
        },
    }
    job = command_jobs.request(world, workspace, name, whole)
    return replace(job, code=_with_driver(job.code))


def of_step(world: World, workspace: Resource, spec: Mapping[str, Any], properties: dict[str, Any]) -> JobRequest:
    """What runs for a Spark step; its component is in the words of the YAML schema."""
    own = ("entry", "args", "conf", "jars", "files", "archives", *_OF_STEP)
    settings = {_OF_STEP.get(name, name): spec[name] for name in own if spec.get(name)}
    size = command_jobs.objects(spec, "resources").get("instance_type")
    return request(world, workspace, "", {**properties, **settings, "resources": {"instanceType": size}})


def _command(properties: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    given = str(properties.get("args") or "")
    if entry.get("file"):
        return f"python {_DRIVER_NAME} {shlex.quote(str(entry['file']))} {given}"
    line = shlex.join(["spark-submit", "--class", str(entry["className"]), *_submit_options(properties)])
    first = shlex.quote((_texts(properties, "jars") or [""])[0])
    there = "command -v spark-submit >/dev/null"
    return f"if ! {there}; then echo {shlex.quote(spark_driver.NO_SPARK)}; exit 1; fi; {line} {first} {given}"


def _submit_options(properties: Mapping[str, Any]) -> list[str]:
    """The job's conf and files as spark-submit takes them."""
    named = {"--py-files": "pyFiles", "--jars": "jars", "--files": "files", "--archives": "archives"}
    conf = command_jobs.objects(properties, "conf")
    return [
        *("--master", "local[*]"),
        *(part for name, value in conf.items() for part in ("--conf", f"{name}={value}")),
        *(part for option, name in named.items() if (listed := _texts(properties, name)) for part in (option, ",".join(listed))),
    ]


def _texts(properties: Mapping[str, Any], name: str) -> list[str]:
    value = properties.get(name) or []
    if not isinstance(value, list):
        raise scope.invalid(f"The field {name} must be a list.", "ValidationError")
    return [str(one) for one in value]


def _with_driver(code: Fetch | None) -> Fetch:
    def fill(folder: Path) -> None:
        if code is not None:
            code(folder)
        shutil.copyfile(DRIVER, folder / _DRIVER_NAME)

    return fill
