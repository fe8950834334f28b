"""Api-versions that the app asks Azure with, wherever it does: an upgrade is one line here.

Not here: what can be provisioned, kind by kind (catalog.kinds), what `az ml` sends (catalog.yaml.api_versions).
"""

ML = "2025-12-01"
EVENT_GRID_TOPICS = "2018-01-01"
STORAGE_DATA = "2021-08-06"  # the header x-ms-version of blob requests
ML_FRONT_END = "2021-10-01-dataplanepreview"  # SAS for a datastore's blobs
STORAGE_TABLES = "2020-12-06"  # the newest that azure-data-tables speaks, the first of tables with tokens
SUBSCRIPTIONS = "2022-12-01"  # and their locations
RESOURCES = "2022-09-01"  # resource groups and providers
METRICS = "2023-10-01"
LOCKS = "2020-05-01"
AUTHORIZATION = "2022-04-01"
