"""Azure Monitor's metrics."""
