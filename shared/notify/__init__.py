"""Notifications: the events that receivers get when something ends, and their delivery."""
