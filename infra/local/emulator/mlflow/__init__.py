"""MLflow's tracking server and model registry of a workspace: another view of run history's runs and of ARM's models."""
