"""Registries and their assets."""
