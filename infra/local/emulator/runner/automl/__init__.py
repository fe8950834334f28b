"""One AutoML trial: a package that is copied into a job's folder and runs there; it imports nothing of the local Azure."""
