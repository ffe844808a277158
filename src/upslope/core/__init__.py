"""Floor 0: distributions, networks, tree arithmetic, checks."""
