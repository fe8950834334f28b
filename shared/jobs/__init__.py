"""Jobs and runs as run history knows them: search, logs, metrics."""
