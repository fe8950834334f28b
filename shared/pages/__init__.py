"""The pages: static shells and the OpenAPI document, the same for everybody, and health."""
