"""Event-based hooks: what happened in Azure, and the rules that say what follows from it."""
