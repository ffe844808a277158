"""MuZero: search in a model that is learnt for the search."""
