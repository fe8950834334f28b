"""What Azure says about resources: lists, runs, metrics, locks, references."""
