"""The commands below `busway audit`."""
