"""Hyperparameter tuning, version 1 of the API."""
