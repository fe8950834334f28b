"""The ports of the local Azure: the proxy and the servers behind it."""
