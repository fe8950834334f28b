"""The control routes: how tests and the demo steer the local Azure. Nothing of this exists in Azure."""
