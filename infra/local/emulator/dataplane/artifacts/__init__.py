"""Files of runs."""
