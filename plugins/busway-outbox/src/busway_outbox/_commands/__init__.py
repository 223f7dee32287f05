"""The commands of `busway outbox`."""
