"""The `upslope` command: words to a configuration, a run to what the terminal shows."""
