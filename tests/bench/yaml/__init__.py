"""How long a YAML takes to become a body, here and in the official SDK."""
