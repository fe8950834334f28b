"""Plain scripts that run as processes of their own; they import nothing of the local Azure."""
