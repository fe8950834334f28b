"""Jobs and runs in run history: search, logs, metrics."""
