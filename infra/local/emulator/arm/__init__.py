"""Azure Resource Manager: the gateway's own checks, subscriptions, groups, providers, and the four dependency types."""
