"""What can be asked of the app, whoever asks: calls, the routes that take them, and their handlers. Not here: HTTP (functions)."""
