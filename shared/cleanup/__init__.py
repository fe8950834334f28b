"""Stale models and idle compute: found, judged, removed."""
