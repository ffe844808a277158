"""Environments with finitely many states: mazes, corridors, random MDPs."""
