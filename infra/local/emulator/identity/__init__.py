"""Entra ID as far as clients see it: token endpoints, discovery, the managed-identity endpoint, and tokens themselves."""
