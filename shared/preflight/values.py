"""Checks the values in a body: tags, shares of traffic, numbers of nodes, triggers, ids of the wrong type.

Each row of `RULES` is one kind with the checks of its bodies. Not here: missing fields (preflight.fields, catalog.bodies),
existing resources (preflight.existing).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, kinds, needs, windows_zones
from shared.preflight import known_words, value_types
from shared.preflight.findings import Finding, rows_of, unseen, wrong
from shared.rest import errors, ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.preflight.findings import Question

    type Rule = Callable[[Question], Iterator[Finding]]

TAG_VALUE = 256
TAG_NAME = {"Microsoft.Storage/storageAccounts": 128}  # characters, if the limit is not 512
NO_EMPTY_TAGS = "workspaces/batchEndpoints"  # https://github.com/Azure/azure-sdk-for-python/issues/41586
_TAG_RESERVED = re.compile(r"[<>%&\\?/\x00-\x1f]")
# https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-reserved-resource-name
_RESERVED = frozenset(
    (
        "access", "azure", "bing", "bizspark", "biztalk", "cortana", "directx", "dotnet", "dynamics", "excel", "exchange",
        "forefront", "groove", "hololens", "hyperv", "kinect", "lync", "msdn", "o365", "office", "office365", "onedrive",
        "onenote", "outlook", "powerpoint", "sharepoint", "skype", "visio", "visualstudio",
    )
)  # fmt: skip
_DEPENDENCIES = {
    "storageAccount": "Microsoft.Storage/storageAccounts",
    "keyVault": "Microsoft.KeyVault/vaults",
    "applicationInsights": "Microsoft.Insights/components",
    "containerRegistry": "Microsoft.ContainerRegistry/registries",
}
_CRON = re.compile(r"(\*|\w+(-\w+)?)(/\d+)?(,(\*|\w+(-\w+)?)(/\d+)?)*")
_CRON_WORD = re.compile(r"\d+|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat", re.IGNORECASE)
_FREQUENCIES = ("Minute", "Hour", "Day", "Week", "Month")
# Which SKUs an account of each kind can have: https://learn.microsoft.com/azure/storage/common/storage-account-overview
SKUS = {
    "Storage": "(Standard_(LRS|GRS|RAGRS)|Premium_LRS)",
    "StorageV2": "(Standard(V2)?_(LRS|ZRS|GRS|RAGRS|GZRS|RAGZRS)|Premium_(LRS|ZRS))",
    "BlobStorage": "Standard_(LRS|GRS|RAGRS)",
    "BlockBlobStorage": "Premium_(LRS|ZRS)",
    "FileStorage": "(Premium(V2)?_(LRS|ZRS)|StandardV2_(LRS|ZRS|GRS|GZRS))",
}
_BACKUPS = frozenset({"all", "get", "list", "delete", "backup", "restore", "recover", "purge"})
# What an access policy may grant, by object type: Permissions of the specification (Microsoft.KeyVault, stable/2023-07-01)
GRANTS = {
    "keys": _BACKUPS | {
        "encrypt", "decrypt", "wrapkey", "unwrapkey", "sign", "verify", "create", "update", "import", "release", "rotate",
        "getrotationpolicy", "setrotationpolicy",
    },
    "secrets": _BACKUPS | {"set"},
    "certificates": _BACKUPS | {
        "create", "import", "update", "managecontacts", "getissuers", "listissuers", "setissuers", "deleteissuers", "manageissuers",
    },
    "storage": _BACKUPS | {"set", "update", "regeneratekey", "getsas", "setsas", "listsas", "deletesas"},
}  # fmt: skip
# Which distributions a sampling draws from: https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters
SAMPLED = {"bayesian": ("choice", "uniform", "quniform"), "grid": ("choice",)}
WHOLE, MOST_MIRRORED = 100, 50  # per cent
CREDENTIALS = {  # of a connection, by authType: WorkspaceConnection… of the specification 2024-10-01
    "PAT": "pat", "ManagedIdentity": "clientId resourceId", "UsernamePassword": "username password securityToken", "None": "",
    "SAS": "sas", "AccountKey": "key", "ServicePrincipal": "clientId clientSecret tenantId",
    "AccessKey": "accessKeyId secretAccessKey", "ApiKey": "key", "CustomKeys": "keys",
    "OAuth2": "authUrl clientId clientSecret developerToken password refreshToken tenantId username", "AAD": "",
}  # fmt: skip


def check(question: Question) -> Iterator[Finding]:
    """Yield the invalid values in the body of a PUT."""
    yield from tags(question)
    yield from known_words.check(question)
    yield from value_types.check(question)
    yield from _reserved_name(question)
    yield from ruled(question)


def ruled(question: Question) -> Iterator[Finding]:
    """Yield the problems that the rules of the kind find in a whole body."""
    for path, rule in RULES:
        if question.target.kind.full_type in (path, f"{kinds.ML}/{path}"):
            yield from rule(question)


def tags(question: Question) -> Iterator[Finding]:
    """Yield the tags that ARM, or the service behind it, does not accept."""
    given = bodies.dig(question.body, "tags")
    tags: dict[str, Any] = given if isinstance(given, dict) else {}
    longest = TAG_NAME.get(question.target.kind.full_type, 512)
    if len(tags) > bodies.MOST_TAGS:
        yield wrong("tags", "InvalidTagCount", f"There are {len(tags)} tags; Azure allows at most {bodies.MOST_TAGS}.")
    for name, value in tags.items():
        if len(name) > longest:
            yield wrong(
                "tags", "InvalidTagName", f"The tag name '{name[:40]}…' has {len(name)} characters; expected at most {longest}."
            )
        if _TAG_RESERVED.search(name):
            yield wrong("tags", "InvalidTagNameCharacters", f"The tag name '{name[:100]}' must not contain any of <>%&\\?/.")
        if isinstance(value, str) and len(value) > TAG_VALUE:
            yield wrong(
                "tags", "InvalidTagValue", f"The tag '{name[:100]}' has {len(value)} characters; at most {TAG_VALUE} are allowed."
            )
        empty = not value and (question.method == "PUT" or value is not None)  # null in a PATCH removes the tag
        if empty and question.target.kind.path == NO_EMPTY_TAGS:
            yield wrong("tags", "ValidationError", f"The tag '{name[:100]}' has no value; each tag of an endpoint must have one.")


def _reserved_name(question: Question) -> Iterator[Finding]:
    name = question.target.id.name.lower()
    held = "microsoft" in name or "windows" in name or name.startswith("login") or name in _RESERVED
    if held and len(question.target.id.names) == 1:
        yield wrong(question.target.id.name, "ReservedResourceName", "The name is, or contains, a word that Microsoft reserves.")


def _account(question: Question) -> Iterator[Finding]:
    kind, sku = (bodies.dig(question.body, path) for path in ("kind", "sku.name"))
    if isinstance(kind, str) and kind not in SKUS:
        yield wrong(
            "kind",
            "AccountPropertyIsInvalid",
            f"'{kind[:80]}' is not a kind of storage account; expected one of {', '.join(SKUS)}.",
        )
    elif isinstance(kind, str) and isinstance(sku, str) and not re.fullmatch(SKUS[kind], sku):
        yield wrong("sku.name", "InvalidValuesForRequestParameters", f"An account of kind {kind} has no SKU '{sku[:80]}'.")


def _vault(question: Question) -> Iterator[Finding]:
    tenant = bodies.dig(question.body, "properties.tenantId")
    if isinstance(tenant, str) and not re.fullmatch(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", tenant):
        yield wrong("properties.tenantId", "BadRequest", f"'{tenant[:80]}' is not a tenant id; expected a GUID.")
    for number, policy in enumerate(rows_of(bodies.dig(question.body, "properties"), "accessPolicies")):
        for on, known in GRANTS.items():
            given = bodies.dig(policy, f"permissions.{on}")
            for each in given if isinstance(given, list) else ():
                if str(each).lower() not in known:
                    at = f"properties.accessPolicies[{number}].permissions.{on}"
                    yield wrong(
                        at, "BadRequest", f"'{str(each)[:80]}' is not a permission on {on}; expected {', '.join(sorted(known))}."
                    )


def _registry(question: Question) -> Iterator[Finding]:
    sku = str(bodies.dig(question.body, "sku.name") or "").lower()
    private = str(bodies.dig(question.body, "properties.publicNetworkAccess")).lower() == "disabled"
    if sku and sku not in ("basic", "standard", "premium"):
        yield wrong(
            "sku.name", "InvalidParameter", f"'{sku[:80]}' is not a container registry SKU; expected Basic, Standard or Premium."
        )
    elif sku and private and sku != "premium":
        message = "Only a Premium registry can disable public network access. Set the SKU to Premium."
        yield wrong("properties.publicNetworkAccess", "DisablingPublicNetworkAccessNotSupported", message)


def _workspace(question: Question) -> Iterator[Finding]:
    for name, wanted in _DEPENDENCIES.items():
        given = bodies.dig(question.body, f"properties.{name}")
        if not isinstance(given, str) or not given:
            continue
        try:
            found = ids.parse(given).full_type
        except errors.BadRequestError:
            found = ""
        if found.lower() != wanted.lower():
            message = f"'{given[:200]}' is not the ARM id of a resource of the type {wanted}."
            yield wrong(f"properties.{name}", "InvalidResourceId", message)


def _compute(question: Question) -> Iterator[Finding]:
    path = "properties.properties.scaleSettings"
    least, most = (bodies.dig(question.body, f"{path}.{name}") for name in ("minNodeCount", "maxNodeCount"))
    if isinstance(least, int) and isinstance(most, int) and not 0 <= least <= most:
        yield wrong(path, "InvalidPropertyValue", f"minNodeCount is {least}, maxNodeCount {most}; expected 0 <= min <= max.")

    schedules = bodies.dig(question.body, "properties.properties.schedules.computeStartStop")
    for number, each in enumerate(schedules if isinstance(schedules, list) else []):
        if str(bodies.dig(each, "action")).lower() not in ("start", "stop"):
            at = f"properties.properties.schedules.computeStartStop[{number}].action"
            yield wrong(at, "MissingField", "A schedule of an instance needs an action; expected Start or Stop.")
    yield from _private_instance(question)


def _private_instance(question: Question) -> Iterator[Finding]:
    """Check that an instance without a public IP address can reach its workspace privately."""
    kind, public = (bodies.dig(question.body, f"properties.{name}") for name in ("computeType", "properties.enableNodePublicIp"))
    if str(kind).lower() != "computeinstance" or public is not False:
        return
    there = question.read(question.target.id.ancestor(1).path, question.target.api_version)
    mode = str(bodies.dig(there.body, "properties.managedNetwork.isolationMode") or "disabled").lower()
    if there.ok and mode == "disabled" and not bodies.dig(there.body, "properties.privateEndpointConnections"):
        message = "An instance without a public IP needs a workspace with a private endpoint or a managed network."
        yield wrong("properties.properties.enableNodePublicIp", "InvalidPropertyValue", message)


def _connection(question: Question) -> Iterator[Finding]:
    """Check the authType of a connection and the fields of its credentials."""
    kind = bodies.dig(question.body, "properties.authType")
    found = next((each for each in CREDENTIALS if each.lower() == str(kind).lower()), "")
    if isinstance(kind, str) and not found:
        message = f"'{kind[:80]}' is not an authType of a connection; expected one of {', '.join(CREDENTIALS)}."
        yield wrong("properties.authType", "ValidationError", message)
    given = bodies.dig(question.body, "properties.credentials")
    for name in given if found and isinstance(given, dict) else ():
        if name not in CREDENTIALS[found].split():
            expected = CREDENTIALS[found].replace(" ", ", ") or "nothing"
            message = f"The credentials of {found} have no '{name[:80]}'; expected {expected}. Azure may ignore it."
            yield unseen(f"properties.credentials.{name[:80]}", message)


def _outbound_rule(question: Question) -> Iterator[Finding]:
    """Check that the rule's type fits the workspace's network, and that an FQDN rule has a host name."""
    kind, destination = (bodies.dig(question.body, f"properties.{name}") for name in ("type", "destination"))
    network = question.read(question.target.id.ancestor(1).path, question.target.api_version).body
    mode = str(bodies.dig(network, "properties.managedNetwork.isolationMode")).lower()
    if str(kind).lower() in ("fqdn", "servicetag") and mode == "allowinternetoutbound":
        message = (
            f"The workspace's network is AllowInternetOutbound: only rules of the type PrivateEndpoint are possible, not {kind}."
        )
        yield wrong("properties.type", "ValidationError", message)
    if str(kind).lower() == "fqdn" and not re.fullmatch(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+", str(destination)):
        message = f"'{str(destination)[:100]}' does not look like a host name such as pypi.org or *.pypi.org, which Azure expects."
        yield unseen("properties.destination", message)


def _endpoint(question: Question) -> Iterator[Finding]:
    """Check that shares name ready deployments and sum to 0 or 100, and that a mirror has at most half and no live traffic."""
    traffic, mirror = (bodies.dig(question.body, f"properties.{name}") or {} for name in ("traffic", "mirrorTraffic"))
    if not isinstance(traffic, dict) or not isinstance(mirror, dict) or not (traffic or mirror):
        return
    listed = question.read(ids.below(question.target.id.path, "deployments"), question.target.api_version).body
    states = {str(each.get("name")).lower(): str(bodies.dig(each, "properties.provisioningState")) for each in rows_of(listed)}
    for name, share in {**mirror, **traffic}.items():
        state = states.get(name.lower(), "")
        if not state or (share and name in traffic and state != "Succeeded"):
            said = f"is {state}" if state else "does not exist"
            yield wrong("properties.traffic", "TrafficDeploymentNotReady", f"The deployment '{name[:100]}' {said}.")
    shares = [share for share in (*traffic.values(), *mirror.values()) if isinstance(share, int)]
    if len(shares) < len(traffic) + len(mirror) or not all(0 <= share <= WHOLE for share in shares):
        yield wrong("properties.traffic", "InvalidTraffic", "A share of traffic is invalid; expected a whole number from 0 to 100.")
        return
    if sum(traffic.values()) not in (0, WHOLE):
        yield wrong("properties.traffic", "InvalidTrafficSum", f"The shares sum to {sum(traffic.values())}; expected 0 or 100.")
    mirrored = {name: share for name, share in mirror.items() if share}
    live = {name.lower() for name, share in traffic.items() if share}
    if len(mirrored) > 1 or any(share > MOST_MIRRORED or name.lower() in live for name, share in mirrored.items()):
        message = f"Only one deployment, without live traffic, can get mirrored traffic, {MOST_MIRRORED} % at most."
        yield wrong("properties.mirrorTraffic", "InvalidMirrorTraffic", message)


def _deployment(question: Question) -> Iterator[Finding]:
    capacity = bodies.dig(question.body, "sku.capacity")
    if isinstance(capacity, int) and capacity < 1:
        yield wrong("sku.capacity", "InvalidCapacity", f"sku.capacity is {capacity}; expected 1 or more instances.")
    yield from _driver(question)


def _driver(question: Question) -> Iterator[Finding]:
    """Check that a deployment has a server: scoring code, a model that Azure serves by itself, or the environment's own server."""
    given = {
        name: str(bodies.dig(question.body, f"properties.{name}") or "") for name in ("model", "environmentId", "codeConfiguration")
    }
    if given["environmentId"] and given["codeConfiguration"]:
        return
    model = question.properties_of("models", given["model"]) if given["model"] else {}
    kind = re.sub(r"\W|_", "", str(bodies.dig(model, "modelType") or "")).lower()
    if kind in ("mlflowmodel", "tritonmodel"):
        return
    message = "Only a deployment of an MLflow or Triton model does not need it."
    if not given["environmentId"]:
        yield _lacking("environmentId", "MissingField", message, known=model is not None)
    if not given["codeConfiguration"]:
        environment = question.properties_of("environments", given["environmentId"]) if given["environmentId"] else {}
        if not bodies.dig(environment, "inferenceConfig"):
            message = f"{message[:-1]}, or one whose environment has an inferenceConfig."
            yield _lacking("codeConfiguration", "MissingDriverProgram", message, known=None not in (model, environment))


def _lacking(name: str, code: str, message: str, *, known: bool) -> Finding:
    if known:
        return wrong(f"properties.{name}", code, f"'properties.{name}' is missing. {message}")
    return unseen(f"properties.{name}", f"{message} The assets of the deployment could not be read.")


def _schedule(question: Question) -> Iterator[Finding]:
    yield from _repeated(question, "properties.action.jobDefinition")
    trigger = bodies.dig(question.body, "properties.trigger")
    kind = str(bodies.dig(trigger, "triggerType") or "").lower()
    at, expression = "properties.trigger.expression", str(bodies.dig(trigger, "expression") or "")
    if kind == "cron" and len(expression.split()) != 5:
        yield wrong(at, "InvalidTrigger", f"'{expression[:80]}' is not valid; expected MINUTES HOURS DAYS MONTHS DAYS-OF-WEEK.")
    elif kind == "cron" and not all(map(_cron_field, expression.split())):
        yield wrong(at, "InvalidTrigger", f"'{expression[:80]}' has syntax that NCrontab does not support, such as L, W, # or ?.")
    frequency = bodies.dig(trigger, "frequency")
    if kind == "recurrence" and str(frequency).lower() not in map(str.lower, _FREQUENCIES):
        message = f"'{str(frequency)[:80]}' is not a frequency; expected one of {', '.join(_FREQUENCIES)}."
        yield wrong("properties.trigger.frequency", "InvalidTrigger", message)
    zone = str(bodies.dig(trigger, "timeZone") or "UTC")
    at = "properties.trigger.timeZone"
    if "/" in zone:
        yield unseen(at, f"'{zone[:80]}' is not a Windows time zone; expected a name such as 'W. Europe Standard Time'.")
    elif zone.lower() not in windows_zones.KNOWN:
        message = f"There is no time zone '{zone[:80]}'; expected a Windows time zone such as 'W. Europe Standard Time' or 'UTC'."
        yield wrong(at, "InvalidTrigger", message)


def _cron_field(text: str) -> bool:
    return bool(_CRON.fullmatch(text)) and all(map(_CRON_WORD.fullmatch, re.findall(r"\w+", text)))


def _repeated(question: Question, path: str) -> Iterator[Finding]:
    """Check that a pipeline that reruns an earlier job has no steps of its own."""
    # https://github.com/Azure/azure-sdk-for-python/issues/40288
    if all(bodies.dig(question.body, f"{path}.{name}") for name in ("sourceJobId", "jobs")):
        yield wrong(
            f"{path}.jobs", "InvalidJobsOverride", "The pipeline has both a sourceJobId and its own jobs; remove one of them."
        )


def _space(question: Question) -> Iterator[Finding]:
    """Check that the sampling algorithm of a sweep supports each distribution of its search space."""
    sampling = str(bodies.dig(question.body, "properties.samplingAlgorithm.samplingAlgorithmType") or "")
    space = bodies.dig(question.body, "properties.searchSpace")
    taken = SAMPLED.get(sampling.lower(), ())
    for name, drawn in space.items() if taken and isinstance(space, dict) else ():
        kind = str(drawn[0]) if isinstance(drawn, list) and drawn else ""
        if kind and kind.lower() not in taken:
            message = f"{sampling} sampling supports only {', '.join(taken)}; '{name[:80]}' is {kind[:40]}."
            yield wrong(f"properties.searchSpace.{name[:80]}", "InvalidSearchSpace", message)


def _job(question: Question) -> Iterator[Finding]:
    kind = str(bodies.dig(question.body, "properties.jobType") or "").lower()
    if kind == "command" and not str(bodies.dig(question.body, "properties.command") or "").strip():
        yield wrong("properties.command", "MissingField", "A command job needs 'properties.command'.")
    instances = bodies.dig(question.body, "properties.resources.instanceCount")
    if isinstance(instances, int) and instances < 1:
        yield wrong("properties.resources.instanceCount", "ValidationError", f"'instanceCount' is {instances}; expected 1 or more.")
    yield from _repeated(question, "properties")
    yield from _space(question)
    compute = bodies.dig(question.body, "properties.computeId")
    name = compute.removeprefix("azureml:") if isinstance(compute, str) else ""
    if re.fullmatch(r"[A-Za-z][\w-]*", name) and len(question.target.id.names) > 1:
        named = question.target.id.ancestor(1).child("computes", name)
        yield question.exists("reference", named, needs.REFERENCE_VERSIONS.get(named.full_type.lower(), ""))


def _asset(question: Question) -> Iterator[Finding]:
    """Check the asset's name above the version, and the location of its files."""
    parent = question.target.id.ancestor(len(question.target.id.names) - 1)
    if not re.fullmatch(r"[a-zA-Z0-9][\w.-]{0,254}", parent.name):
        yield wrong(
            parent.name,
            "InvalidResourceName",
            f"'{parent.name[:100]}' is not a valid asset name: it must begin with a letter or digit.",
        )
    kind = question.target.id.types[-2]
    if kind == "environments" and parent.name.lower().startswith("azureml"):
        yield wrong(parent.name, "InvalidName", "Environment names that begin with AzureML are Microsoft's; use another.")
    if kind == "environments" and not isinstance(bodies.dig(question.body, "properties.condaFile") or "", str):
        yield wrong(
            "properties.condaFile", "ValidationError", "'properties.condaFile' is not a string; expected conda's YAML as a string."
        )
    for name in ("dataUri", "modelUri"):
        if given := bodies.dig(question.body, f"properties.{name}"):
            yield unseen(f"properties.{name}", f"The app did not check whether files exist at '{str(given)[:150]}'.")
    if kind == "data" and not bodies.dig(question.body, "properties.dataUri"):
        yield wrong("properties.dataUri", "MissingField", "'properties.dataUri' is missing; expected the URI of the data.")


def _datastore(question: Question) -> Iterator[Finding]:
    """Check that the account exists, and that it allows keys if one is given; only Azure tests the key itself."""
    if "skipvalidation=true" in question.query.lower():
        return
    name, subscription = str(bodies.dig(question.body, "properties.accountName") or "").lower(), question.target.id.subscription
    version, base = needs.REFERENCE_VERSIONS[needs.ACCOUNTS.lower()], ids.provider(subscription, "Microsoft.Storage")
    listed = rows_of(question.read(ids.below(base, "storageAccounts"), version).body) if name else []
    own = next((each for each in listed if str(each.get("name", "")).lower() == name), None)
    signed = str(bodies.dig(question.body, "properties.credentials.credentialsType") or "").lower() in ("accountkey", "sas")
    if own and signed and bodies.dig(own, "properties.allowSharedKeyAccess") is False:
        message = f"The account '{name}' does not allow shared keys; use an identity, or set its allowSharedKeyAccess to true."
        yield wrong("properties.credentials", "KeyBasedAuthenticationNotPermitted", message)
    elif (
        name
        and own is None
        and bodies.dig(question.name_available(base, name, needs.ACCOUNTS, version).body, "nameAvailable") is True
    ):
        yield wrong("properties.accountName", "StorageAccountNotFound", f"The storage account '{name}' does not exist.")
    else:
        message = "The credentials were not checked. Azure tests them when the request is sent, except with ?skipValidation=true."
        yield unseen("properties.credentials", message)


RULES: tuple[tuple[str, Rule], ...] = (
    (needs.ACCOUNTS, _account),
    (needs.VAULTS, _vault),
    ("Microsoft.ContainerRegistry/registries", _registry),
    ("workspaces", _workspace),
    ("workspaces/computes", _compute),
    ("workspaces/onlineEndpoints", _endpoint),
    ("workspaces/onlineEndpoints/deployments", _deployment),
    ("workspaces/schedules", _schedule),
    ("workspaces/jobs", _job),
    ("workspaces/datastores", _datastore),
    ("workspaces/connections", _connection),
    ("workspaces/outboundRules", _outbound_rule),
    *((f"workspaces/{name}/versions", _asset) for name in ("data", "models", "environments", "codes", "components")),
)
