"""Storage: the accounts, the places that URIs name, the files at them."""
