"""Subscriptions, resource groups, providers, and lists over all of them."""
