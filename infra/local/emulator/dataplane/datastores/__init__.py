"""Datastores, version 1 of the API."""
