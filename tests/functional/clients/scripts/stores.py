"""MLClient makes a feature store with an entity and a feature set, and a hub with a project."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    DataColumn,
    FeatureSet,
    FeatureSetSpecification,
    FeatureStore,
    FeatureStoreEntity,
    Hub,
    Project,
)
from azure.identity import DefaultAzureCredential

credential, where = DefaultAzureCredential(), (os.environ["SUBSCRIPTION"], os.environ["GROUP"])
client, location = MLClient(credential, *where), os.environ["LOCATION"]
NAME = os.environ["WORKSPACE"]

store = client.feature_stores.begin_create(FeatureStore(name=f"fs{NAME}", location=location)).result()
inside = MLClient(credential, *where, store.name)
entity = FeatureStoreEntity(name="account", version="1", index_columns=[DataColumn(name="accountID", type="string")])
inside.feature_store_entities.begin_create_or_update(entity).result()
Path("spec").mkdir()
Path("spec/FeatureSetSpec.yaml").write_text(
    """
$schema: http://azureml/sdk-2-0/FeatureSetSpec.json
source:
  type: parquet
  path: azureml://datastores/workspaceblobstore/paths/transactions/*.parquet
  timestamp_column: {name: timestamp}
features:
  - {name: spent_7d, type: double}
  - {name: count_7d, type: long}
index_columns:
  - {name: accountID, type: string}
"""
)
features = FeatureSet(
    name="transactions", version="1", entities=["azureml:account:1"], specification=FeatureSetSpecification(path="spec")
)
made = inside.feature_sets.begin_create_or_update(features).result()
known = [one.name for one in inside.feature_sets.list_features("transactions", "1")]
window = {
    "feature_window_start_time": datetime(2026, 1, 1, tzinfo=UTC),
    "feature_window_end_time": datetime(2026, 1, 2, tzinfo=UTC),
}
backfill = inside.feature_sets.begin_backfill(name="transactions", version="1", data_status=["None"], **window).result()

# The hub lies in another group: of one that it finds, azure-ai-ml 1.35.2 copies the access as "PublicNetworkAccessType.ENABLED",
# which the allowed values of its own template refuse.
beside = MLClient(credential, os.environ["SUBSCRIPTION"], os.environ["OTHER_GROUP"])
hub = beside.workspaces.begin_create(Hub(name=f"hub{NAME}", location=location)).result()
project = client.workspaces.begin_create(Project(name=f"pro{NAME}", location=location, hub_id=hub.id)).result()
kinds = {kind: [one.name for one in client.workspaces.list(filtered_kinds=[kind])] for kind in ("project", "featurestore")}
client.workspaces.begin_delete(project.name, delete_dependent_resources=False).result()
Path(os.environ["ANSWER"]).write_text(
    json.dumps(
        {
            "store": store.name == f"fs{NAME}",
            "entities": [one.name for one in inside.feature_store_entities.list()],
            "set": made.entities,
            "features": known,
            "backfill": backfill.job_ids,
            "kinds": kinds,
            "hub": project.hub_id == hub.id,
        }
    )
)
