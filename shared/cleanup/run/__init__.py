"""A run of the clean-up from survey to report."""
