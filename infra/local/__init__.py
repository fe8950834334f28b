"""The app on one machine with nothing from Azure: Azurite, a local Azure and a small Functions host."""
