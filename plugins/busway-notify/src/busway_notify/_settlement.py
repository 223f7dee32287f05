"""What became of one notification, over all the channels that it was sent through."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from busway_notify._counts import Counts
    from busway_notify.notification import Draft

__all__ = ["Settlement"]


class Settlement:
    """Counts a notification as sent when the first channel has taken it; as failed if none did.

    If none did, its draft is taken back: its cooldown is undone.

    Args:
        draft: the notification's.
        channels: how many will settle.
        counts: where it is counted.
    """

    def __init__(self, draft: Draft, channels: int, counts: Counts) -> None:
        self._draft = draft
        self._left = channels
        self._is_taken = False
        self._counts = counts
        self._lock = Lock()

    def settle(self, is_taken: bool) -> None:
        """One channel has taken it, or never will."""
        with self._lock:
            is_first = is_taken and not self._is_taken
            self._is_taken |= is_taken
            self._left -= 1
            is_lost = self._left == 0 and not self._is_taken
        if is_first:
            self._counts.add(f"sent_{self._draft.notification.kind}")
        if is_lost:
            self._counts.add(f"failed_{self._draft.notification.kind}")
            self._draft.take_back()
