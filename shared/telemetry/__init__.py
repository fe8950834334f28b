"""What the app says of itself: trace context, structured log lines, measurements; below every other layer."""
