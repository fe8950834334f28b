"""Web services, version 1 of the API."""
