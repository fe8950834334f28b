"""Expiry: a resource that was created with an end time is ended at that time, if it is still the same resource."""
