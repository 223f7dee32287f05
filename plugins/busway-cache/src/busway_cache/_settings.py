"""Checks of settings, each naming the setting that is wrong."""

from __future__ import annotations

from math import inf

__all__ = ["lifetime", "seconds", "whole_number"]


def seconds(name: str, value: object) -> float:
    """A length of time.

    Raises:
        ValueError: if it is no number of seconds, more than 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < inf:
        raise ValueError(f"{name}: a number of seconds, more than 0, is expected, not {value!r}")
    return float(value)


def lifetime(value: object) -> float | None:
    """The setting `ttl`: a length of time, or None for no limit.

    Raises:
        ValueError: if it is neither.
    """
    return None if value is None else seconds("ttl", value)


def whole_number(name: str, value: object, *, most: int) -> int:
    """A count.

    Raises:
        ValueError: if it is no int from 1 to `most`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{name}: a whole number from 1 to {most} is expected, not {value!r}")
    return value
