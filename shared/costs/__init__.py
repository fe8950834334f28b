"""What compute costs: recorded every quarter of an hour, summed up on request. An estimate, not an invoice."""
