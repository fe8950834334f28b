"""Files that come with a request, on their way to Azure."""
