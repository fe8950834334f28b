"""Event Grid: what happens in the local Azure becomes events, and those who subscribed are sent them as Azure sends them."""
