"""Methods that search with a population."""
