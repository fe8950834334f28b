"""What Microsoft's own descriptions say of each operation, distilled, and the check of requests and answers against it."""
