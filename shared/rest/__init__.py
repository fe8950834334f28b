"""The one REST and token module."""
