"""Preflight: checks a request against Azure before it is sent."""
