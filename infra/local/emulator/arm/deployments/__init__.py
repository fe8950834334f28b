"""Template deployments."""
