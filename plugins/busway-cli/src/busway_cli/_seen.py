"""Events seen before: how many of each type a file holds."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from busway.events import event_types
from busway_cli._streams import Refusal, tell

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["count_types"]


class _Record(msgspec.Struct):
    """What is read of an event."""

    type: str


def count_types(lines: Iterable[bytes]) -> Counter[str]:
    """Count events by their type; lines that tell no type are counted on stderr.

    Raises:
        Refusal: if they cannot be read.
    """
    decoder = msgspec.json.Decoder(_Record)
    seen: Counter[str] = Counter()
    bad = 0
    try:
        for number, line in enumerate(lines):
            text = line.removeprefix(BOM_UTF8) if number == 0 else line
            if not text.strip():
                continue
            try:
                seen[decoder.decode(text).type] += 1
            except (msgspec.MsgspecError, ValueError, RecursionError):
                bad += 1
    except OSError as error:
        raise Refusal(f"the events seen cannot be read: {error.strerror}") from None
    _tell_odd(bad, sorted(set(seen) - set(event_types())))
    return seen


def _tell_odd(bad: int, unknown: list[str]) -> None:
    if bad:
        tell(f"{bad} lines of the events seen are no events")
    if unknown:
        tell(f"seen, and brought by no installed plugin: {', '.join(unknown)}")
