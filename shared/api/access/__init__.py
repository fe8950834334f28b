"""Access: identify the caller, authorize the request, audit it, and ask for a second person's approval."""
