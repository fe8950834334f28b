"""Who sends a request, whether they may, what is left of it, and whose approval it needs."""
