"""Expiry: what was made with a deadline is ended when that comes, if it is still the one that was made."""
