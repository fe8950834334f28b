"""Online endpoints beyond their resource: parking, waking, scoring."""
