"""Computes: cluster, instance, and what is attached (virtual machine, Kubernetes, Synapse Spark)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog.yaml.assets.assets import filled
from shared.catalog.yaml.jobs import execution, schedules
from shared.catalog.yaml.resources import identities
from shared.text.yaml_values import anything, boolean, choice, integer, mapping, named, pascal, record, sequence, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor
    from shared.text.yaml_values import Shape

DEFAULT_SIZE = "STANDARD_DS3_V2"
DEFAULT_IDLE_S = 120  # before a cluster's node is given back
DEFAULT_NODES = 4
SSH_PORT = 22
_SHOWN = ("$schema", "id", "provisioning_errors", "created_on", "provisioning_state")
_NETWORK = record({"vnet_name": text, "subnet": text}, ignored=("$schema", "public_ip_address", "private_ip_address"))


def _compute(kind: str, fields: dict[str, Shape], *, required: tuple[str, ...] = (), ignored: tuple[str, ...] = ()) -> Shape:
    shared = {"name": text, "type": choice(kind), "location": text, "description": text, "resource_id": text, "tags": named(text)}
    return record({**shared, **fields}, required=("name", "type", *required), ignored=(*_SHOWN, *ignored))


CLUSTER = _compute(
    "amlcompute",
    {
        "size": text,
        "tier": choice("low_priority", "dedicated"),
        "min_instances": integer,
        "max_instances": integer,
        "idle_time_before_scale_down": integer,
        "ssh_public_access_enabled": boolean,
        "ssh_settings": record({"admin_username": text, "admin_password": text, "ssh_key_value": text}),
        "network_settings": _NETWORK,
        "identity": identities.IDENTITY,
        "enable_node_public_ip": boolean,
    },
)
_SCRIPT = record({"path": text, "command": text, "timeout_minutes": integer})
INSTANCE = _compute(
    "computeinstance",
    {
        "size": text,
        "network_settings": _NETWORK,
        "create_on_behalf_of": record({"user_tenant_id": text, "user_object_id": text}, ignored=("$schema",)),
        "ssh_settings": record({"ssh_key_value": text}, ignored=("$schema", "admin_username", "ssh_port")),
        "ssh_public_access_enabled": boolean,
        "schedules": record(
            {
                "compute_start_stop": sequence(
                    record(
                        {
                            "trigger": schedules.TRIGGER,
                            "action": choice("start", "stop"),
                            "state": choice("enabled", "disabled"),
                        },
                        required=("action",),
                        ignored=("schedule_id", "provisioning_state"),
                    )
                )
            }
        ),
        "identity": identities.IDENTITY,
        "idle_time_before_shutdown": text,
        "idle_time_before_shutdown_minutes": integer,
        "custom_applications": sequence(
            record(
                {
                    "name": text,
                    "type": choice("docker"),
                    "image": record({"reference": text}),
                    "endpoints": sequence(record({"target": integer, "published": integer}, required=("target", "published"))),
                    "environment_variables": mapping(),
                    "bind_mounts": sequence(record({"source": text, "target": text})),
                },
                required=("name",),
            )
        ),
        "setup_scripts": record({"creation_script": _SCRIPT, "startup_script": _SCRIPT}),
        "enable_node_public_ip": boolean,
        "enable_sso": boolean,
        "enable_root_access": boolean,
        "release_quota_on_stop": boolean,
        "enable_os_patching": boolean,
    },
    ignored=("state", "last_operation", "services", "os_image_metadata"),
)
MACHINE = _compute(
    "virtualmachine",
    {"ssh_settings": record({"admin_username": text, "admin_password": text, "ssh_port": integer, "ssh_private_key_file": text})},
    required=("resource_id",),
    ignored=("compute_location",),
)
KUBERNETES = _compute("kubernetes", {"namespace": text, "properties": mapping(anything), "identity": identities.IDENTITY})
SPARK_POOL = _compute(
    "synapsespark",
    {
        "identity": identities.IDENTITY,
        "scale_settings": mapping(),
        "auto_pause_settings": mapping(),
    },
    required=("resource_id",),
    ignored=("node_family", "node_size", "node_count", "spark_version"),
)


def compute_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate any compute; its `type` says which."""
    kind = at.get("type")
    if kind is None:
        raise at.refusal("The field 'type' is missing.")
    shape, properties = _KINDS[choice(*_KINDS)(kind)]
    fields = shape(at)
    resource = properties(draft, at, fields)
    own_place = fields.get("location") if fields["type"] == "amlcompute" else None
    if "location" in fields and not own_place:
        at.child("location").note(
            f"A compute of type {fields['type']} is where its workspace is: 'location' is not sent.", at_key=True
        )
    body = {
        "location": own_place or draft.location,
        "properties": filled({**resource, "description": fields.get("description")}),
        "identity": identities.identity_body(fields.get("identity")),
        "tags": fields.get("tags"),
    }
    return filled(body)


def _cluster(draft: Draft, _: Cursor, fields: dict[str, Any]) -> dict[str, Any]:
    ssh = fields.get("ssh_settings")
    public = fields.get("ssh_public_access_enabled")
    idle = fields.get("idle_time_before_scale_down", DEFAULT_IDLE_S)
    properties = {
        "vmSize": fields.get("size") or DEFAULT_SIZE,
        "vmPriority": pascal(fields["tier"]) if "tier" in fields else None,
        "userAccountCredentials": _account(ssh) if ssh is not None else None,
        "scaleSettings": filled(
            {
                "maxNodeCount": fields.get("max_instances", DEFAULT_NODES),
                "minNodeCount": fields.get("min_instances", 0),
                "nodeIdleTimeBeforeScaleDown": execution.duration(idle) if idle else None,
            }
        ),
        "subnet": _subnet(draft, fields.get("network_settings")),
        "remoteLoginPortPublicAccess": "NotSpecified" if public is None else "Enabled" if public else "Disabled",
        "enableNodePublicIp": fields.get("enable_node_public_ip", True),
        "osType": "Linux",
    }
    return {"computeType": "AmlCompute", "properties": filled(properties), "disableLocalAuth": not ssh}


def _instance(draft: Draft, at: Cursor, fields: dict[str, Any]) -> dict[str, Any]:
    ssh, public = fields.get("ssh_settings"), fields.get("ssh_public_access_enabled")
    access = None
    if public is not None or ssh is not None:
        key = (ssh or {}).get("ssh_key_value")
        access = filled({"sshPublicAccess": "Enabled" if public else "Disabled", "adminPublicKey": key or None})
    minutes = fields.get("idle_time_before_shutdown_minutes")
    owner = fields.get("create_on_behalf_of")
    plans = fields.get("schedules")
    scripts = fields.get("setup_scripts")
    properties = {
        "vmSize": fields.get("size") or DEFAULT_SIZE,
        "subnet": _subnet(draft, fields.get("network_settings")),
        "sshSettings": access,
        "personalComputeInstanceSettings": _owner(owner) if owner else None,
        "idleTimeBeforeShutdown": f"PT{minutes}M" if minutes else fields.get("idle_time_before_shutdown"),
        "enableNodePublicIp": fields.get("enable_node_public_ip", True),
        "enableSSO": fields.get("enable_sso", True),
        "enableRootAccess": fields.get("enable_root_access", True),
        "releaseQuotaOnStop": fields.get("release_quota_on_stop", False),
        "enableOSPatching": fields.get("enable_os_patching", False),
        "applicationSharingPolicy": "Shared",
        "computeInstanceAuthorizationType": "personal",
        "schedules": _plans(at.child("schedules"), plans) if plans is not None else None,
        "setupScripts": _scripts(scripts) if scripts is not None else None,
        "customServices": [_application(each) for each in fields["custom_applications"]]
        if fields.get("custom_applications")
        else None,
    }
    local_auth = access is not None and bool(public)
    return {"computeType": "ComputeInstance", "properties": filled(properties), "disableLocalAuth": not local_auth}


def _machine(_: Draft, at: Cursor, fields: dict[str, Any]) -> dict[str, Any]:
    ssh = fields.get("ssh_settings", {})
    key = ssh.get("ssh_private_key_file")
    account = {
        "username": ssh.get("admin_username"),
        "password": ssh.get("admin_password"),
        "privateKeyData": at.child("ssh_settings").child("ssh_private_key_file").read(key) if key else None,
    }
    properties = {"sshPort": ssh.get("ssh_port", SSH_PORT), "administratorAccount": filled(account)}
    return {"computeType": "VirtualMachine", "resourceId": fields["resource_id"], "properties": properties}


def _kubernetes(draft: Draft, _: Cursor, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "computeType": "Kubernetes",
        "resourceId": fields.get("resource_id"),
        "computeLocation": draft.location,
        "properties": {**fields.get("properties", {}), "namespace": fields.get("namespace", "default")},
    }


def _spark_pool(_draft: Draft, _at: Cursor, fields: dict[str, Any]) -> dict[str, Any]:
    return {"computeType": "SynapseSpark", "resourceId": fields["resource_id"]}


_KINDS: dict[str, tuple[Shape, Callable[[Draft, Cursor, dict[str, Any]], dict[str, Any]]]] = {
    "amlcompute": (CLUSTER, _cluster),
    "computeinstance": (INSTANCE, _instance),
    "virtualmachine": (MACHINE, _machine),
    "kubernetes": (KUBERNETES, _kubernetes),
    "synapsespark": (SPARK_POOL, _spark_pool),
}


def _account(ssh: dict[str, Any]) -> dict[str, Any]:
    names = {"admin_username": "adminUserName", "admin_password": "adminUserPassword", "ssh_key_value": "adminUserSshPublicKey"}
    return {rest: ssh[name] for name, rest in names.items() if ssh.get(name)}


def _subnet(draft: Draft, network: dict[str, Any] | None) -> dict[str, str] | None:
    if not network or not network.get("subnet"):
        return None
    subnet = network["subnet"]
    if network.get("vnet_name") and not subnet.startswith("/") and draft.workspace is not None:
        group = f"/subscriptions/{draft.workspace.subscription}/resourceGroups/{draft.workspace.resource_group}"
        subnet = f"{group}/providers/Microsoft.Network/virtualNetworks/{network['vnet_name']}/subnets/{subnet}"
    return {"id": subnet}


def _owner(owner: dict[str, Any]) -> dict[str, Any]:
    user = {"objectId": owner.get("user_object_id"), "tenantId": owner.get("user_tenant_id")}
    return {"assignedUser": filled(user)}


def _plans(at: Cursor, plans: dict[str, Any]) -> dict[str, Any]:
    found = []
    for index, plan in enumerate(plans.get("compute_start_stop", [])):
        body: dict[str, Any] = {"action": plan["action"], "status": plan.get("state", "Enabled")}
        if "trigger" in plan:
            trigger = schedules.compute_trigger_body(plan["trigger"])
            body["triggerType"] = trigger["triggerType"]
            body["cron" if trigger["triggerType"] == "Cron" else "recurrence"] = trigger
        else:
            raise at.child("compute_start_stop").child(index).refusal("The field 'trigger' is missing.")
        found.append(body)
    return {"computeStartStop": found}


def _scripts(scripts: dict[str, Any]) -> dict[str, Any]:
    found = {
        rest: filled(
            {
                "scriptSource": "workspaceStorage",
                "scriptData": scripts[name].get("path"),
                "scriptArguments": scripts[name].get("command"),
                "timeout": f"{scripts[name].get('timeout_minutes')}m",
            }
        )
        for name, rest in (("startup_script", "startupScript"), ("creation_script", "creationScript"))
        if name in scripts
    }
    return {"scripts": found}


def _application(application: dict[str, Any]) -> dict[str, Any]:
    variables = application.get("environment_variables")
    endpoints = [{"name": "connect", **endpoint, "protocol": "http"} for endpoint in application.get("endpoints", [])]
    volumes = [{"type": "bind", "readOnly": False, **mount} for mount in application.get("bind_mounts", [])]
    body = {
        "name": application["name"],
        "type": application.get("type", "docker"),
        "image": {"type": "docker", **application.get("image", {})},
        "endpoints": endpoints or None,
        "environmentVariables": {name: {"type": "local", "value": value} for name, value in variables.items()}
        if variables
        else None,
        "volumes": volumes or None,
        "docker": {"privileged": True},
    }
    return filled(body)
