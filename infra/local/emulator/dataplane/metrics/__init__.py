"""Metrics that runs logged."""
