"""Recipes: several requests of this API as one. They are read, checked, stored, run step by step, and undone."""
