"""Where the services of a region are."""
