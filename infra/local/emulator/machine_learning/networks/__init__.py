"""A workspace's managed network."""
