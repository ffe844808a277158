"""The `upslope` command: a command line to a configuration, a run to what the terminal shows."""
