"""Exceptions of the audit trail.

BuswayError
├── BufferFullError    an event was not accepted: `when_full` is `raise`
├── KeyFormatError     a file holds no key of the kind that is expected
└── TrailError         a trail, or a checkpoint of one, cannot be read
    └── SignatureError a checkpoint was not signed as it should be
"""

from __future__ import annotations

from busway.exceptions import BuswayError

__all__ = ["BufferFullError", "KeyFormatError", "SignatureError", "TrailError"]


class BufferFullError(BuswayError):
    """An event was not accepted: the buffer is full, and `when_full` is `raise`.

    Attributes:
        pending: how many events are in the buffer.
    """

    def __init__(self, pending: int, error: str) -> None:
        self.pending = pending
        reason = error or "the disk is slower than the events come"
        super().__init__(
            f"the audit trail did not accept an event: {pending} are waiting for the disk "
            f"({reason}); raise `max_pending`, or set `when_full` to `wait` or `drop`"
        )


class KeyFormatError(BuswayError):
    """A file holds no key of the kind that is expected; the message repeats nothing of it."""


class TrailError(BuswayError):
    """A trail, or a checkpoint, cannot be read: it is none, or what it takes is missing."""


class SignatureError(TrailError):
    """A checkpoint that is not signed, or not by the key that should have signed it."""
