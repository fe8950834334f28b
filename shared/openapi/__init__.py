"""The app's own description as OpenAPI 3.1, written from the table and from the routes; built when it is asked for."""
