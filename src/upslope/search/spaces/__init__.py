"""What is searched: reals, integers, permutations and their products."""
