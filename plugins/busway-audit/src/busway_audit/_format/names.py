"""The names of a trail's files, by slot and number."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["aside_name", "head_name", "lock_name", "parse_aside", "parse_segment", "segment_name"]

_SEGMENT: Final = re.compile(r"audit-(?:w([1-9][0-9]*)-)?([0-9]{6,})\.jsonl")
_ASIDE: Final = re.compile(r"(audit-.*)\.torn-[1-9][0-9]*")


def segment_name(slot: int, number: int) -> str:
    """`audit-000001.jsonl` for the first slot, `audit-w2-000001.jsonl` for the second."""
    return f"{_stem(slot)}-{number:06}.jsonl"


def parse_segment(name: str) -> tuple[int, int] | None:
    """The slot and the number of a segment; None if it is the name of none."""
    found = _SEGMENT.fullmatch(name)
    if found is None:
        return None
    slot, number = int(found[1] or 1), int(found[2])
    return (slot, number) if segment_name(slot, number) == name else None


def lock_name(slot: int) -> str:
    """`audit.lock`, `audit-w2.lock`: held by who writes the slot."""
    return f"{_stem(slot)}.lock"


def head_name(slot: int) -> str:
    """`audit.head`, `audit-w2.head`: where the end of a sealed slot is."""
    return f"{_stem(slot)}.head"


def aside_name(segment: str, attempt: int) -> str:
    """`audit-000001.torn-1`: where what was cut off a segment is kept."""
    return f"{segment.removesuffix('.jsonl')}.torn-{attempt}"


def parse_aside(name: str) -> tuple[int, int] | None:
    """The slot and the number of the segment of which a file was cut off; None if of none."""
    found = _ASIDE.fullmatch(name)
    return None if found is None else parse_segment(f"{found[1]}.jsonl")


def _stem(slot: int) -> str:
    return "audit" if slot == 1 else f"audit-w{slot}"
