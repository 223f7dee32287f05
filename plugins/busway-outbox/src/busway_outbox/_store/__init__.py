"""The store: rows in SQLite or PostgreSQL, one for each event and handler."""
