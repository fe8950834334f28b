"""What compute costs: looked at each quarter of an hour, summed up on request. An estimate, no bill."""
