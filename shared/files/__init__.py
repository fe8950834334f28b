"""Files of a request: reading, uploading and registering them."""
