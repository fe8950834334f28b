"""When an operation under way is looked at."""
