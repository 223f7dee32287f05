"""The brokers: one module a kind, each imported when a URL names it."""
