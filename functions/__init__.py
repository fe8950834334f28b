"""The blueprints: one per trigger family, each thin."""
