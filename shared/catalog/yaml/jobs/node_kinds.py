"""What a node of a pipeline adds by its kind: how it runs, in the spelling that Azure keeps a pipeline's steps in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml.assets import components
from shared.catalog.yaml.jobs import execution, jobs

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.catalog.yaml.jobs.loaded import Component, Node


def _identity(fields: dict[str, Any]) -> Any:
    found = fields.get("identity")
    return found if isinstance(found, str) or found is None else execution.snaked(execution.identity_body(found))


def _command(_: Draft, node: Node, component: Component | None) -> dict[str, Any]:
    own = component.fields if component is not None else {}
    resources = node.fields.get("resources") or own.get("resources")
    distribution = node.fields.get("distribution") or own.get("distribution")
    if isinstance(distribution, dict):
        distribution = execution.snaked(execution.distribution_body(distribution))
    limits = execution.snaked(execution.limits_body(node.fields.get("limits")))
    return {
        "resources": resources if isinstance(resources, str) else execution.snaked(execution.resources_body(resources)) or None,
        "distribution": distribution,
        "limits": limits,
        "environment_variables": node.fields.get("environment_variables") or None,
        "services": execution.snaked(execution.services_body(node.fields.get("services"))),
        "identity": _identity(node.fields),
        "queue_settings": execution.snaked(execution.queue_body(node.fields.get("queue_settings"))) or None,
    }


def _parallel(draft: Draft, node: Node, component: Component | None) -> dict[str, Any]:
    own = component.fields if component is not None else {}
    fields = node.fields
    out: dict[str, Any] = {}
    for name in (
        "input_data",
        "max_concurrency_per_instance",
        "mini_batch_error_threshold",
        "error_threshold",
        "logging_level",
        "retry_settings",
    ):
        inherited = own.get(name) if name not in ("error_threshold", "logging_level") else None
        out[name] = fields.get(name, inherited)
    where = node.at.get("mini_batch_size") or (component.at.get("mini_batch_size") if component is not None else None)
    out["mini_batch_size"] = components.batch_size(where) if where is not None else 0 if component is not None else None
    keys = fields.get("partition_keys") or own.get("partition_keys")
    out["partition_keys"] = json.dumps(keys) if keys else None
    out["resources"] = execution.snaked(execution.resources_body(fields.get("resources") or own.get("resources"))) or None
    out["environment_variables"] = fields.get("environment_variables") or None
    out["identity"] = _identity(fields)
    if "task" in fields:
        out["task"] = components.task_spec(draft, node.at.child("task"), fields["task"])
    elif "task" in own and component is not None:
        out["task"] = components.task_spec(draft, component.at.child("task"), own["task"])
    return out


def _spark(draft: Draft, node: Node, component: Component | None) -> dict[str, Any]:
    own = component.fields if component is not None else node.fields
    conf = {**(own.get("conf") or {}), **(node.fields.get("conf") or {})}
    if node.reference is None:  # what a registered component brings is not known here
        jobs.check_conf(node.at.get("conf") or node.at, conf)
        jobs.check_session(draft, node.at, node.fields, own, component.at if component is not None else node.at)
    conf = jobs.spark_conf(conf)
    allocation = "spark.dynamicAllocation."
    if str(conf.get(f"{allocation}enabled")).lower() == "true" and "spark.executor.instances" not in conf:
        instances = conf.get(f"{allocation}minExecutors")
        conf |= {"spark.executor.instances": instances} if instances is not None else {}
    identity = _identity(node.fields)
    if identity is None:
        identity = {"identity_type": "UserIdentity" if node.fields.get("resources") else "Managed"}
    out = {name: own.get(name) or None for name in ("args", "py_files", "jars", "files", "archives")}
    out["conf"] = conf or None
    out["identity"] = identity
    resources = node.fields.get("resources")
    if resources and "component" in node.fields and "instance_type" in resources:
        resources = {**resources, "instance_type": resources["instance_type"].lower()}
    out["resources"] = resources
    if "entry" in own:
        out["entry"] = execution.snaked(jobs.entry_body(own["entry"]))
    return out


def _sweep(_: Draft, node: Node, __: Component | None) -> dict[str, Any]:
    fields = node.fields
    termination = fields.get("early_termination")
    body: dict[str, Any] = {name: fields.get(name) for name in ("sampling_algorithm", "objective", "search_space")}
    body["limits"] = jobs.floored(fields["limits"]) if "limits" in fields else None
    if isinstance(termination, dict):
        written = execution.snaked(jobs.termination_body(termination))
        termination = {name: value for name, value in written.items() if value != 0}
    body["early_termination"] = termination
    body["queue_settings"] = fields.get("queue_settings") or None
    body["resources"] = components.resources_spec(fields.get("resources"))
    return body


ADDITIONS = {"command": _command, "parallel": _parallel, "spark": _spark, "sweep": _sweep}  # by kind of node
