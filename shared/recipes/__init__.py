"""Recipes: several of the app's own requests as one. What is read, checked, kept, run step by step, and taken back."""
