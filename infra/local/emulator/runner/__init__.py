"""Runs jobs of the local Azure as real processes in the one prepared environment."""
