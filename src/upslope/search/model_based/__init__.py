"""Methods that learn a model of the environment and plan in it."""
