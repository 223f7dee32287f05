"""Ids of events: a stamp that is cheap to draw, and the UUIDv7 that it stands for."""

from __future__ import annotations

import os
import time
from itertools import count
from typing import Final, TypeAlias

__all__ = ["Stamp", "format_id", "new_stamp"]

Stamp: TypeAlias = tuple[int, int, int]
"""Nanoseconds since the epoch, a sequence number, the process's random bits."""

_TICK_BITS: Final = 12  # of a millisecond, 244 ns each: RFC 9562, section 6.2, method 3
_SEQUENCE_BITS: Final = 26
_RANDOM_BITS: Final = 36
_sequence = count()
_random = 0
_latest = 0


def _draw_random() -> None:
    global _random  # noqa: PLW0603 - one prefix a process: drawn at import and after fork
    _random = int.from_bytes(os.urandom(8)) >> (64 - _RANDOM_BITS)


_draw_random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_draw_random)


def new_stamp() -> Stamp:
    """Time, sequence number and the process's random bits: all that an id is made of."""
    global _latest  # noqa: PLW0603 - a clock that is set back must not set ids back
    now = time.time_ns()
    if now < _latest:
        now = _latest
    else:
        _latest = now
    return now, next(_sequence), _random


def format_id(stamp: Stamp) -> str:
    """A UUIDv7 whose order is that of creation within the process.

    Ticks and sequence number are added up as one number, so that a sequence that outgrows its
    bits carries into the time instead of starting again.

    Source: RFC 9562, sections 5.7 and 6.2.
    """
    nanoseconds, sequence, random = stamp
    ticks = (nanoseconds << _TICK_BITS) // 1_000_000
    ordered = (ticks << _SEQUENCE_BITS) + sequence
    high = ordered >> _SEQUENCE_BITS
    low = ((ordered & ((1 << _SEQUENCE_BITS) - 1)) << _RANDOM_BITS) | random
    milliseconds, fraction = high >> _TICK_BITS, high & ((1 << _TICK_BITS) - 1)
    variant = 0x8000 | (low >> 48)
    return (
        f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7{fraction:03x}"
        f"-{variant:04x}-{low & 0xFFFFFFFFFFFF:012x}"
    )
