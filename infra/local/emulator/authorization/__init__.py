"""Azure RBAC of the local Azure: roles, assignments and deny assignments, checked on every request."""
