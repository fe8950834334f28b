"""Secrets of a workspace's vault."""
