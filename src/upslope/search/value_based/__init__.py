"""Methods that learn action values and act greedily on them."""
