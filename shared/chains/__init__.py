"""Chains: one step after another that asks this app's API, of a rule or of a recipe."""
