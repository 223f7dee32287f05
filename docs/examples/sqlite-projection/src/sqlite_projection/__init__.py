"""A read model in SQLite, kept by events: how often each user has logged in."""

from sqlite_projection.handler import LoginCounts
from sqlite_projection.store import LoginStore

__all__ = ["LoginCounts", "LoginStore"]
