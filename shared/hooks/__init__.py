"""Event-based hooks: events from Azure, and the rules that react to them."""
