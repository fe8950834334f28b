"""Sweeps: how trials are drawn, when they end early, how they run."""
