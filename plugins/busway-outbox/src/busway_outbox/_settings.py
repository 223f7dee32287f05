"""The settings, checked: each refusal names the setting and tells what would do."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import isfinite

__all__ = ["flag_of", "number_of", "patterns_of", "seconds_of", "url_of"]

_SCHEMES = "sqlite:PATH and postgresql://USER@HOST/DATABASE"


def url_of(value: object) -> str:
    """The URL of a database that there is a store for.

    Raises:
        TypeError: if it is no str.
        ValueError: if it is of another kind. The value is not shown: it may hold a password.
    """
    if not isinstance(value, str):
        raise TypeError(f"url: a str is expected, not {type(value).__name__}")
    scheme, _, rest = value.partition(":")
    if scheme not in ("sqlite", "postgresql", "postgres") or not rest or rest == ":memory:":
        raise ValueError(f"url: a database on a disk is expected; there are {_SCHEMES}")
    return value


def patterns_of(value: object) -> tuple[str, ...]:
    """The patterns of handlers' names.

    Raises:
        TypeError: if it is no collection of str.
    """
    if isinstance(value, str) or not isinstance(value, Collection | Iterable):
        raise TypeError(f"durable: a list of handlers' names is expected, not {value!r}")
    for one in (patterns := tuple(value)):
        if not isinstance(one, str):
            raise TypeError(f"durable: each name is a str, not {type(one).__name__}")
    return patterns


def number_of(name: str, value: object) -> int:
    """A whole number from 1 on.

    Raises:
        TypeError: if it is none.
        ValueError: if it is too small.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: an int is expected, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name}: must be at least 1, not {value}")
    return value


def seconds_of(name: str, value: object, *, least: float = 0.0) -> float:
    """A time in seconds.

    Raises:
        TypeError: if it is no number.
        ValueError: if it is too short, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}: a number is expected, not {type(value).__name__}")
    if not isfinite(value) or value < least:
        raise ValueError(f"{name}: must be at least {least:g} seconds, not {value}")
    return float(value)


def flag_of(name: str, value: object) -> bool:
    """True or false.

    Raises:
        TypeError: if it is neither.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name}: a bool is expected, not {type(value).__name__}")
    return value
