"""Runs, version 1 of the API: how they start."""
