"""The app's API for every sender (HTTP caller, rule, recipe): requests, routes and handlers. Not here: HTTP (functions)."""
