"""The host names of the three clouds that the local Azure answers for, as regular expressions over whole host names."""

import re

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"

LOGIN = r"login\.(?:microsoftonline\.com|microsoftonline\.us|windows\.net|partner\.microsoftonline\.cn|chinacloudapi\.cn)"
ARM = r"management\.(?:azure\.com|usgovcloudapi\.net|chinacloudapi\.cn)"
# {region}.api.azureml.ms and its twins: run history, execution, artifacts, model management, discovery.
ML_API = rf"{_LABEL}\.(?:api\.azureml\.ms|api\.ml\.azure\.(?:us|cn))"
EXPERIMENTS = rf"{_LABEL}\.experiments\.(?:azureml\.net|ml\.azure\.(?:us|cn)|azureml\.us)"
MODEL_MANAGEMENT = rf"{_LABEL}\.modelmanagement\.(?:azureml\.net|ml\.azure\.(?:us|cn)|azureml\.us)"
# {endpoint}.{region}.inference.ml.azure.com
INFERENCE = rf"{_LABEL}\.{_LABEL}\.inference\.ml\.azure\.(?:com|us|cn)"
# ACCOUNT.{service}.core.windows.net; the groups are the account and the service.
STORAGE = r"([a-z0-9]{3,24})\.(blob|queue|table|file|dfs)\.core\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)"
# TOPIC.REGION-1.eventgrid.azure.net
EVENT_GRID = rf"{_LABEL}\.{_LABEL}\.eventgrid\.azure\.(?:net|us|cn)"

ARM_AUDIENCES = (
    "https://management.azure.com",
    "https://management.core.windows.net",
    "https://management.usgovcloudapi.net",
    "https://management.core.usgovcloudapi.net",
    "https://management.chinacloudapi.cn",
    "https://management.core.chinacloudapi.cn",
)
ML_AUDIENCES = ("https://ml.azure.com", "https://ml.azure.us", "https://ml.azure.cn")

_STORAGE = re.compile(STORAGE)


def storage_service(host: str) -> tuple[str, str] | None:
    """Account and service (`blob`, `queue`, …) of a storage host name; None for any other host."""
    match = _STORAGE.fullmatch(host.lower())
    return (match[1], match[2]) if match else None


def sibling(arm_host: str, which: str) -> str:
    """The name of another host of the same cloud.

    Args:
        arm_host: the ARM host that was asked.
        which: `storage` (suffix), `ml_api`, `experiments` or `inference` (suffix behind the region).
    """
    public = {
        "storage": "core.windows.net",
        "ml_api": "api.azureml.ms",
        "experiments": "experiments.azureml.net",
        "inference": "inference.ml.azure.com",
    }
    if arm_host.endswith(".net"):
        return {
            "storage": "core.usgovcloudapi.net",
            "ml_api": "api.ml.azure.us",
            "experiments": "api.ml.azure.us",
            "inference": "inference.ml.azure.us",
        }[which]
    if arm_host.endswith(".cn"):
        return {
            "storage": "core.chinacloudapi.cn",
            "ml_api": "api.ml.azure.cn",
            "experiments": "api.ml.azure.cn",
            "inference": "inference.ml.azure.cn",
        }[which]
    return public[which]
