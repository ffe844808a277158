"""The gradient of J from trajectories."""
