"""A workspace's storage: from URIs to places, and files at places."""
