"""The Azure clouds: their hosts, token audiences, and the list of hosts a bearer token may go to.

Sources: the cloud endpoints that azure-cli and azure-identity publish, and "Configure inbound and outbound network
traffic" of the Azure Machine Learning documentation for the ML host suffixes. Not here: sending anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.rest import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One cloud. `token_suffixes` are the only hosts, besides ARM's, that see a token of ours for ARM or Azure ML."""

    name: str
    arm: str
    authority: str
    ml_audience: str
    token_suffixes: tuple[str, ...]
    inference_suffix: str
    storage_suffix: str
    event_grid: str
    portal: str
    studio: str

    @property
    def arm_scope(self) -> str:
        """Scope of the token for ARM, e.g. `https://management.azure.com/.default`."""
        return f"{self.arm}/.default"

    @property
    def event_grid_suffix(self) -> str:
        """Where Event Grid's topics are, e.g. `.eventgrid.azure.net`; a token for `event_grid` opens nothing else."""
        return f".{self.event_grid.removeprefix('https://')}"

    @property
    def ml_scope(self) -> str:
        """Scope of the token for the Azure ML data plane, e.g. `https://ml.azure.com/.default`."""
        return f"{self.ml_audience}/.default"


PUBLIC = Cloud(
    name="AzureCloud",
    arm="https://management.azure.com",
    authority="https://login.microsoftonline.com",
    ml_audience="https://ml.azure.com",
    token_suffixes=(".api.azureml.ms", ".experiments.azureml.net", ".modelmanagement.azureml.net", ".management.azure.com"),
    inference_suffix=".inference.ml.azure.com",
    storage_suffix=".core.windows.net",
    event_grid="https://eventgrid.azure.net",
    portal="https://portal.azure.com",
    studio="https://ml.azure.com",
)
US_GOVERNMENT = Cloud(
    name="AzureUSGovernment",
    arm="https://management.usgovcloudapi.net",
    authority="https://login.microsoftonline.us",
    ml_audience="https://ml.azure.us",
    token_suffixes=(
        ".api.ml.azure.us",
        ".experiments.ml.azure.us",
        ".modelmanagement.ml.azure.us",
        ".management.usgovcloudapi.net",
    ),
    inference_suffix=".inference.ml.azure.us",
    storage_suffix=".core.usgovcloudapi.net",
    event_grid="https://eventgrid.azure.us",
    portal="https://portal.azure.us",
    studio="https://ml.azure.us",
)
CHINA = Cloud(
    name="AzureChinaCloud",
    arm="https://management.chinacloudapi.cn",
    authority="https://login.chinacloudapi.cn",
    ml_audience="https://ml.azure.cn",
    token_suffixes=(".api.ml.azure.cn", ".experiments.ml.azure.cn", ".modelmanagement.ml.azure.cn", ".management.chinacloudapi.cn"),
    inference_suffix=".inference.ml.azure.cn",
    storage_suffix=".core.chinacloudapi.cn",
    event_grid="https://eventgrid.azure.cn",
    portal="https://portal.azure.cn",
    studio="https://studio.ml.azure.cn",
)
STORAGE_SCOPE = "https://storage.azure.com/.default"  # of every cloud; a token for it opens nothing but storage
CLOUDS = {cloud.name.lower(): cloud for cloud in (PUBLIC, US_GOVERNMENT, CHINA)}


# Only a plain DNS name, on the default port, is ever trusted. Parsers disagree about anything else: to urllib.parse
# `https://a.example\.api.azureml.ms` is a host of azureml.ms, to urllib3 it is a.example.
_PLAIN_HTTPS = re.compile(r"https://([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+)(?::443)?(?=[/?#]|\Z)", re.IGNORECASE | re.ASCII)


def scope_for(cloud: Cloud, url: str) -> str:
    """Return the token scope for `url`, or refuse it.

    Raises:
        BadRequestError: code `HostNotAllowed`, when the URL's host may not see a token of ours.
    """
    host = _https_host(url)
    arm_host = cloud.arm.removeprefix("https://")
    if host == arm_host or host.endswith(f".{arm_host}"):
        return cloud.arm_scope
    if host.endswith(cloud.token_suffixes):
        return cloud.ml_scope
    if host.endswith(cloud.event_grid_suffix):
        return f"{cloud.event_grid}/.default"
    shown = url.partition("?")[0].rpartition("@")[2][:100]
    raise errors.BadRequestError(
        "HostNotAllowed", f"{shown!a} is not on a host of {cloud.name} that may be sent a token.", status=502
    )


def is_storage(cloud: Cloud, url: str) -> bool:
    """Return whether `url` is an https address of this cloud's blob storage: it takes a SAS, or a token for storage alone."""
    return _https_host(url).endswith(f".blob{cloud.storage_suffix}")


def is_inference(cloud: Cloud, url: str) -> bool:
    """Return whether `url` is an https address, on the usual port, of an endpoint that may be sent an Entra ID token."""
    return _https_host(url).endswith(cloud.inference_suffix)


def _https_host(url: str) -> str:
    """Return the lower-cased host of a plain https URL, '' for anything else or anything doubtful."""
    found = _PLAIN_HTTPS.match(url)
    return found[1].lower() if found else ""
