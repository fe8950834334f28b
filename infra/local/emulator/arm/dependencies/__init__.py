"""What a workspace stands on: storage accounts, vaults, container registries, and other neighbours."""
