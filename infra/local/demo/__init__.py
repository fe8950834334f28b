"""The demo: the main job of the app from provisioning to clean-up, as a caller of its HTTP API would do it."""
