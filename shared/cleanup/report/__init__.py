"""What a run reports, and why one resource stays or goes: pages, tables, money."""
