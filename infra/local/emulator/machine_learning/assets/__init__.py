"""Assets of a workspace: models, environments, code, data, components."""
