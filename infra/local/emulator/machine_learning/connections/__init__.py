"""Connections of a workspace."""
