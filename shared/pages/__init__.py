"""The pages: static shells and the OpenAPI document, the same for every reader, and health."""
