"""Tags as a resource."""
