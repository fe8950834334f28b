"""Azure ML's data plane: discovery, execution, run history, artifacts, metrics, models, services, datastores."""
