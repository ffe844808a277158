"""The classic control problems, step for step those of Gymnasium."""
