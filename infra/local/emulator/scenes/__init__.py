"""What can be put into the local Azure before it is used, and by the thousand."""
