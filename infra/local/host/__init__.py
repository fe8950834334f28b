"""A small Azure Functions host for one machine, around Microsoft's own Python worker library."""
