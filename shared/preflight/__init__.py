"""What would stop a request, asked before it is sent."""
