"""Kinds that are kept and answered and do nothing here."""
