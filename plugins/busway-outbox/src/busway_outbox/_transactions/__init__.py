"""What is written in a caller's own transaction, by his own connection, whatever that is."""
