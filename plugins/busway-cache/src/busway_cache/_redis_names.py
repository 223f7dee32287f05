"""How keys and tags are written in redis: as bytes, and as the slots that they are hashed in."""

from __future__ import annotations

from hashlib import sha1
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["BATCH", "batches", "encoded", "slot", "slots_of", "text_of"]

BATCH: Final = 500
"""Names that a step takes: it holds the server up."""


def encoded(text: str) -> bytes:
    """Any text as bytes that no other text has: lone surrogates stand for themselves."""
    return text.encode("utf-8", "surrogatepass")


def text_of(name: bytes) -> str:
    """What was encoded; of what was not, something that globs can be compared with."""
    try:
        return name.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return name.decode("utf-8", "surrogateescape")


def slots_of(key: str, tags: Iterable[str]) -> list[str]:
    """The slots of an entry, that of its key first."""
    return [slot(b"key", encoded(key)), *(slot(b"tag", encoded(tag)) for tag in tags)]


def slot(kind: bytes, name: bytes) -> str:
    """One of 65,536 generations; the script DROP computes that of keys in the same way."""
    return sha1(b"%s %s" % (kind, name), usedforsecurity=False).hexdigest()[:4]


def batches(names: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    """So many at a time."""
    return (names[start : start + BATCH] for start in range(0, len(names), BATCH))
