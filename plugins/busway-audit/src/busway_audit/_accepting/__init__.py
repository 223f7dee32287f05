"""Accepting: from an event to what waits in memory for the disk."""
