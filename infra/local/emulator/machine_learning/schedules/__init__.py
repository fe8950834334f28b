"""Schedules, and when they fire."""
