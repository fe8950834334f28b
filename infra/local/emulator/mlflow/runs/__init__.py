"""Runs, as MLflow shows and changes them."""
