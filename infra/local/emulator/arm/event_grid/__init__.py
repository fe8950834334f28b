"""Event Grid as ARM shows it: topics, event subscriptions, topic types."""
