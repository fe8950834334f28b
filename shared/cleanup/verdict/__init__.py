"""What the facts mean for one resource under one policy."""
