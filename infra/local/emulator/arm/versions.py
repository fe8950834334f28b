"""Resource types and the api-versions that each of them answers to, as ARM lists them in its refusals.

A table of dates is out of date the day it is written: a later version than the newest one here is taken, too (`takes`).
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Enough of each provider's real list; a version that is not here is refused with the list.
_RESOURCES = (
    "2013-03-01", "2014-01-01", "2014-04-01-preview", "2014-04-01", "2015-01-01", "2015-11-01", "2016-02-01", "2016-06-01",
    "2016-07-01", "2016-09-01", "2017-03-01", "2017-05-01", "2017-05-10", "2017-06-01", "2017-08-01", "2018-01-01", "2018-02-01",
    "2018-05-01", "2018-06-01", "2018-07-01", "2018-08-01", "2018-09-01", "2018-11-01", "2019-03-01", "2019-04-01", "2019-05-01",
    "2019-05-10", "2019-06-01", "2019-07-01", "2019-08-01", "2019-09-01", "2019-10-01", "2019-11-01", "2020-01-01", "2020-06-01",
    "2020-08-01", "2020-10-01", "2021-01-01", "2021-04-01", "2022-01-01", "2022-04-01", "2022-09-01", "2022-12-01", "2023-07-01",
    "2024-03-01", "2024-07-01", "2024-11-01", "2025-03-01", "2025-04-01",
)  # fmt: skip
_ML_VERSIONS = (
    "2019-11-01", "2020-01-01", "2020-02-02", "2020-03-01", "2020-04-01", "2020-06-01", "2020-08-01", "2020-09-01-preview",
    "2021-01-01", "2021-03-01-preview", "2021-04-01", "2021-07-01", "2021-10-01",
    "2022-01-01-preview", "2022-02-01-preview", "2022-05-01", "2022-06-01-preview", "2022-10-01", "2022-10-01-preview",
    "2022-12-01-preview", "2023-02-01-preview", "2023-04-01", "2023-04-01-preview", "2023-06-01-preview",
    "2023-08-01-preview", "2023-10-01", "2024-01-01-preview", "2024-04-01", "2024-04-01-preview", "2024-07-01-preview",
    "2024-10-01", "2024-10-01-preview", "2025-01-01-preview", "2025-04-01-preview", "2025-06-01", "2025-07-01-preview",
    "2025-09-01", "2025-10-01-preview", "2025-12-01",
)  # fmt: skip
_V2 = tuple(version for version in _ML_VERSIONS if version >= "2021-03")  # what v1 never knew: jobs, assets, endpoints
_STORAGE = (
    "2016-12-01", "2018-07-01", "2019-04-01", "2019-06-01", "2021-04-01", "2021-09-01", "2022-09-01", "2022-05-01", "2023-01-01",
    "2023-04-01", "2023-05-01", "2024-01-01", "2025-01-01",
)  # fmt: skip
_KEY_VAULT = ("2015-06-01", "2019-09-01", "2021-10-01", "2022-07-01", "2023-02-01", "2023-07-01", "2024-11-01")
_CONTAINER_REGISTRY = ("2019-05-01", "2021-09-01", "2022-12-01", "2023-07-01", "2025-04-01")
_EVENT_GRID = (
    "2020-06-01", "2021-06-01-preview", "2021-10-15-preview", "2021-12-01", "2022-06-15", "2023-12-15-preview",
    "2024-06-01-preview", "2025-02-15",
)  # fmt: skip
_ML = "microsoft.machinelearningservices"

# Each region with its geography's group and its name for people.
REGIONS = {
    "eastus": ("US", "East US"),
    "eastus2": ("US", "East US 2"),
    "westus2": ("US", "West US 2"),
    "centralus": ("US", "Central US"),
    "northeurope": ("Europe", "North Europe"),
    "westeurope": ("Europe", "West Europe"),
    "uksouth": ("Europe", "UK South"),
    "francecentral": ("Europe", "France Central"),
    "germanywestcentral": ("Europe", "Germany West Central"),
    "switzerlandnorth": ("Europe", "Switzerland North"),
    "japaneast": ("Asia Pacific", "Japan East"),
    "southeastasia": ("Asia Pacific", "Southeast Asia"),
    "australiaeast": ("Asia Pacific", "Australia East"),
    "canadacentral": ("Canada", "Canada Central"),
    "usgovvirginia": ("US", "USGov Virginia"),
    "chinanorth3": ("China", "China North 3"),
    "eastus2euap": ("US", "East US 2 EUAP"),
}
LOCATIONS = tuple(REGIONS)

# Namespace and type, lower case → versions, oldest first.
TYPES: dict[str, tuple[str, ...]] = {
    "microsoft.resources/resources": _RESOURCES,
    "microsoft.resources/tags": tuple(version for version in _RESOURCES if version >= "2019-10-01"),
    **{f"microsoft.storage/{kind}": _STORAGE for kind in ("storageaccounts", "locations", "checknameavailability")},
    **{f"microsoft.keyvault/{kind}": _KEY_VAULT for kind in ("vaults", "locations", "deletedvaults", "managedhsms")},
    **{f"microsoft.keyvault/{kind}": _KEY_VAULT for kind in ("deletedmanagedhsms", "checknameavailability")},
    "microsoft.insights/components": ("2015-05-01", "2018-05-01-preview", "2020-02-02-preview", "2020-02-02"),
    **{f"microsoft.containerregistry/{kind}": _CONTAINER_REGISTRY for kind in ("registries", "checknameavailability")},
    "microsoft.resources/deployments": _RESOURCES,
    "microsoft.managedidentity/userassignedidentities": ("2018-11-30", "2023-01-31", "2024-11-30"),
    "microsoft.operationalinsights/workspaces": ("2015-03-20", "2020-08-01", "2021-12-01-preview", "2022-10-01", "2023-09-01"),
    "microsoft.network/virtualnetworks": ("2019-09-01", "2020-06-01", "2021-05-01", "2023-09-01", "2024-05-01"),
    "microsoft.network/privateendpoints": ("2020-06-01", "2021-05-01", "2023-09-01", "2024-05-01"),
    "microsoft.documentdb/databaseaccounts": ("2021-04-15", "2023-04-15", "2024-05-15"),
    "microsoft.search/searchservices": ("2020-08-01", "2022-09-01", "2023-11-01", "2025-05-01"),
    "microsoft.containerservice/managedclusters": ("2021-05-01", "2023-09-01", "2024-09-01"),
    "microsoft.compute/virtualmachines": ("2021-07-01", "2023-09-01", "2024-07-01"),
    "microsoft.insights/metrics": ("2018-01-01", "2019-07-01", "2021-05-01", "2023-10-01", "2024-02-01"),
    "microsoft.insights/metricdefinitions": ("2018-01-01", "2021-05-01", "2023-10-01", "2024-02-01"),
    "microsoft.authorization/locks": ("2015-01-01", "2016-09-01", "2017-04-01", "2020-05-01"),
    "microsoft.authorization/denyassignments": ("2018-07-01-preview", "2022-04-01"),
    "microsoft.authorization/permissions": ("2015-07-01", "2018-07-01", "2022-04-01"),
    "microsoft.authorization/roleassignments": ("2020-04-01-preview", "2022-04-01"),
    "microsoft.authorization/roledefinitions": ("2018-01-01-preview", "2022-04-01", "2022-05-01-preview"),
    **{
        f"microsoft.eventgrid/{kind}": _EVENT_GRID
        for kind in ("eventsubscriptions", "systemtopics", "topics", "topictypes", "locations", "eventtypes")
    },
    f"{_ML}/operations": _ML_VERSIONS,
    f"{_ML}/locations": _ML_VERSIONS,
    f"{_ML}/workspaces": _ML_VERSIONS,
    f"{_ML}/workspaces/computes": _ML_VERSIONS,
    f"{_ML}/workspaces/connections": _ML_VERSIONS[1:],
    f"{_ML}/workspaces/privateendpointconnections": _ML_VERSIONS[1:],
    f"{_ML}/registries": _V2,
    **{
        f"{_ML}/{home}/{name}{end}": _V2
        for home in ("workspaces", "registries")
        for name in ("models", "environments", "codes", "data", "components")
        for end in ("", "/versions")
    },
    **{
        f"{_ML}/workspaces/{name}": _V2
        for name in (
            "datastores", "jobs", "schedules", "onlineendpoints", "onlineendpoints/deployments", "batchendpoints",
            "batchendpoints/deployments", "outboundrules", "capabilityhosts", "featuresets", "featuresets/versions",
            "featurestoreentities", "featurestoreentities/versions",
            "serverlessendpoints", "marketplacesubscriptions",
        )
    },
}  # fmt: skip

# Namespace in lower case → as ARM writes it.
NAMESPACES = {
    name.lower(): name
    for name in (
        "Microsoft.Resources", "Microsoft.Storage", "Microsoft.KeyVault", "Microsoft.Insights", "Microsoft.ContainerRegistry",
        "Microsoft.MachineLearningServices", "Microsoft.EventGrid", "Microsoft.OperationalInsights", "Microsoft.Compute",
        "Microsoft.Network", "Microsoft.ManagedIdentity", "Microsoft.Authorization", "Microsoft.DocumentDB", "Microsoft.Search",
        "Microsoft.ContainerService", "Microsoft.Notebooks", "Microsoft.Cdn", "Microsoft.PolicyInsights",
    )
}  # fmt: skip


# Each provider that has types lists its operations, in the versions of its first type.
TYPES |= {
    f"{namespace}/operations": next(found for name, found in TYPES.items() if name.startswith(f"{namespace}/"))
    for namespace in {name.partition("/")[0] for name in TYPES}
    if f"{namespace}/operations" not in TYPES
}
_WELL_FORMED = re.compile(r"(\d{4}-\d\d-\d\d)(?:-[a-z]+)?")


def takes(supported: Iterable[str], version: str) -> bool:
    """Whether a type that lists `supported` answers to a version: one of them, or a well-formed one of a later day."""
    known = set(supported)
    day, newest = _day(version), max(found for one in known if (found := _day(one)))
    return version in known or (day is not None and day > newest)


def _day(version: str) -> date | None:
    match = _WELL_FORMED.fullmatch(version)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None
