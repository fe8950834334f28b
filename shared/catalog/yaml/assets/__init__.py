"""YAML of assets: environments, models, data, components, features."""
