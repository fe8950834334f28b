"""YAML of workspaces and of what stands in them."""
