"""The table of kinds: the product itself; the rest is plumbing for it."""
