"""How a job runs, whatever it runs: resources, distribution, services, identity, limits, queue, environment variables.

A job carries these in camel case, a pipeline's node the same in snake case, a component its YAML form; `snaked` turns
one into the other. Not here: inputs and outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog.yaml.assets import assets
from shared.text import yaml_values
from shared.text.yaml_values import anything, boolean, choice, either, integer, mapping, named, record, sequence, snake, text

if TYPE_CHECKING:
    from collections.abc import Mapping

RESOURCE_FIELDS: dict[str, yaml_values.Shape] = {
    "instance_count": integer,
    "instance_type": text,
    "properties": named(anything),
    "locations": sequence(text),
    "shm_size": text,
    "max_instance_count": integer,
    "docker_args": either(text, sequence(text)),
}
RESOURCES = record(RESOURCE_FIELDS)
_PROCESSES = {"process_count_per_instance": integer}
DISTRIBUTIONS: dict[str, tuple[str, dict[str, yaml_values.Shape]]] = {
    "pytorch": ("PyTorch", dict(_PROCESSES)),
    "tensorflow": ("TensorFlow", {"parameter_server_count": integer, "worker_count": integer}),
    "mpi": ("Mpi", dict(_PROCESSES)),
    "ray": (
        "Ray",
        {
            "port": integer,
            "address": text,
            "include_dashboard": boolean,
            "dashboard_port": integer,
            "head_node_additional_args": text,
            "worker_node_additional_args": text,
        },
    ),
}
DISTRIBUTION, COMPONENT_DISTRIBUTION = (  # in a component the CLI reads past what it does not know
    either(
        *(
            record({"type": choice(name), **fields}, required=("type",), unknown=unknown)
            for name, (_, fields) in DISTRIBUTIONS.items()
        )
    )
    for unknown in ("refuse", "drop")
)
QUEUE = record({"job_tier": choice("spot", "basic", "standard", "premium", "null"), "priority": choice("low", "medium", "high")})
PRIORITIES = {"low": 1, "medium": 2, "high": 3}
SERVICE_TYPES = {"ssh": "SSH", "tensor_board": "TensorBoard", "vs_code": "VSCode", "jupyter_lab": "JupyterLab"}
_SERVICE = {"port": integer, "nodes": text, "properties": mapping()}
_SERVICE_SHOWN = ("$schema", "endpoint", "status", "error_message")
_SERVICE_OPTIONS = {"ssh": {"ssh_public_keys": text}, "tensor_board": {"log_dir": text}, "vs_code": {}, "jupyter_lab": {}}
SERVICES = named(
    either(
        *(
            record({"type": choice(name), **_SERVICE, **options}, ignored=_SERVICE_SHOWN)
            for name, options in _SERVICE_OPTIONS.items()
        ),
        record({"type": text, **_SERVICE}, ignored=_SERVICE_SHOWN),
    )
)
IDENTITY = either(
    record(
        {"type": choice("managed", "managed_identity", fold=snake), "client_id": text, "object_id": text, "msi_resource_id": text},
        required=("type",),
    ),
    record({"type": choice("aml_token", fold=snake)}, required=("type",)),
    record({"type": choice("user_identity", fold=snake)}, required=("type",)),
)
IDENTITY_TYPES = {"managed": "Managed", "managed_identity": "Managed", "aml_token": "AMLToken", "user_identity": "UserIdentity"}
_PLATFORMS = {"singularity": "AISuperComputer"}  # a name of the YAML that REST has another for
COMMAND_LIMITS = record({"timeout": integer})
ENVIRONMENT_VARIABLES = mapping()


def resources_body(resources: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the REST form of `resources`."""
    if resources is None:
        return None
    arguments = resources.get("docker_args")
    several = isinstance(arguments, list) and bool(arguments)
    body = {
        "instanceCount": resources.get("instance_count"),
        "instanceType": resources.get("instance_type"),
        "properties": {_PLATFORMS.get(str(name), name): each for name, each in (resources.get("properties") or {}).items()},
        "dockerArgsList": arguments if several else None,
        "dockerArgs": None if several else arguments,
        "shmSize": resources.get("shm_size"),
        "locations": None if several else resources.get("locations"),
        "maxInstanceCount": None if several else resources.get("max_instance_count"),
    }
    return assets.filled(body)


def distribution_body(distribution: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the REST form of `distribution`."""
    if distribution is None:
        return None
    kind, fields = DISTRIBUTIONS[distribution["type"]]
    body = {yaml_values.camel(name): distribution.get(name) for name in fields}
    if kind == "TensorFlow":
        body["parameterServerCount"] = distribution.get("parameter_server_count", 0)
    return assets.filled({**body, "distributionType": kind})


def queue_body(queue: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the REST form of `queue_settings`."""
    if queue is None:
        return None
    tier, priority = queue.get("job_tier"), queue.get("priority")
    return assets.filled(
        {"jobTier": tier.capitalize() if tier else None, "priority": PRIORITIES.get(priority, priority) if priority else None}
    )


def services_body(services: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Any] | None:
    """Return the REST form of `services`."""
    if services is None:
        return None
    return {name: _service(service) for name, service in services.items()}


def identity_body(identity: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the REST form of a job's `identity`."""
    if identity is None:
        return None
    body = {
        "clientId": identity.get("client_id"),
        "objectId": identity.get("object_id"),
        "resourceId": identity.get("msi_resource_id"),
        "identityType": IDENTITY_TYPES[identity["type"]],
    }
    return assets.filled(body)


def limits_body(limits: Mapping[str, Any] | None, kind: str = "Command") -> dict[str, Any] | None:
    """Return the REST form of a command's or a sweep's `limits`; times are seconds."""
    if limits is None:
        return None
    body: dict[str, Any] = {"jobLimitsType": kind}
    for name, value in limits.items():
        body[yaml_values.camel(name)] = duration(value) if name.endswith("timeout") else value
    return assets.filled(body)


def duration(seconds: Any) -> Any:
    """Return seconds as an ISO 8601 duration; expressions pass."""
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        return seconds
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, left = divmod(rest, 60)
    time = "".join(f"{value}{unit}" for value, unit in ((hours, "H"), (minutes, "M"), (left, "S")) if value)
    if not days and not time:
        return "P0D"
    return f"P{f'{days}D' if days else ''}{f'T{time}' if time else ''}"


def snaked(value: Any) -> Any:
    """Return a REST form as a pipeline's node writes it: keys in snake case, nothing empty."""
    if not isinstance(value, dict):
        return value
    found = {}
    for name, each in value.items():
        inner = each if name in ("properties", "locations") else snaked(each)
        if inner is not None and inner != {}:
            found[yaml_values.snake(name)] = inner
    return found


def variables_body(variables: Mapping[Any, Any] | None) -> dict[Any, Any]:
    """Return environment variables; the service makes text of their values."""
    return dict(variables or {})


def _service(service: Mapping[str, Any]) -> dict[str, Any]:
    kind = service.get("type")
    properties = dict(service.get("properties") or {})
    for name, option in (("ssh_public_keys", "sshPublicKeys"), ("log_dir", "logDir")):
        if service.get(name):
            properties[option] = service[name]
    body = {
        "jobServiceType": SERVICE_TYPES.get(str(kind).lower()),
        "nodes": {"nodesValueType": "All"} if service.get("nodes") else None,
        "port": service.get("port"),
        "properties": properties or None,
    }
    return assets.filled(body)
