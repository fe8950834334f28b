"""Role definitions and role assignments as ARM shows them."""
