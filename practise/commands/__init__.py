"""The command line: stages and other commands, by name."""
