"""The account that the app keeps its records in, in the services' own protocols: rows and messages."""
