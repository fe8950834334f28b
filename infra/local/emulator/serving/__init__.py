"""Serves online deployments with Microsoft's own inference server, and answers for the scoring hosts."""
