"""Work that survives: rows, blobs and queues, and what stands on them."""
