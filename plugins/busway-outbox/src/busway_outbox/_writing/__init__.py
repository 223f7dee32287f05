"""The writer: one thread that has the connection, and shares commits among all who wait."""
