"""Looks an app's settings, identity, permissions and storage over, and says what to fix: ``python -m infra.doctor``."""
