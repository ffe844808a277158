"""Reads run folders and never runs anything. Empty so far: `Run.plot` draws the curves."""
