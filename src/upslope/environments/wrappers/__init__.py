"""Environments around environments: the state in view, and physics drawn anew in each episode."""
