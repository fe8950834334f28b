"""Api-versions of Azure's other services that the app asks: an upgrade is one line here.

Not here: Azure ML's own and what can be provisioned (kinds), what `az ml` sends (yaml.api_versions).
"""

EVENT_GRID_TOPICS = "2018-01-01"
STORAGE_DATA = "2021-08-06"  # the header x-ms-version of blob requests
ML_FRONT_END = "2021-10-01-dataplanepreview"  # SAS for a datastore's blobs
RESOURCES = "2022-09-01"  # resource groups and providers
METRICS = "2023-10-01"
LOCKS = "2020-05-01"
DEPENDENCIES = {  # of a workspace: the lists that the clean-up reads
    "Microsoft.Storage/storageAccounts": "2023-05-01",
    "Microsoft.KeyVault/vaults": "2023-07-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.ContainerRegistry/registries": "2023-07-01",
}
