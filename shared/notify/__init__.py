"""Notifications: what others receive when something ends, and how it reaches them."""
