"""The commands: one module for each, and one for each group of subcommands."""
