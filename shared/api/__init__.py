"""What can be asked of the app by any sender: calls, the routes that take them, and their handlers. Not here: HTTP (functions)."""
