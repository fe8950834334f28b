"""The data service, and the outputs of jobs that become assets."""
