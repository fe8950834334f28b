"""Jobs as ARM takes and shows them; a module for each type of job."""
