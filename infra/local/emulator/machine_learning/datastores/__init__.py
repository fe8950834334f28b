"""Datastores as ARM shows them."""
