"""Dead letters: what could not be delivered, a JSON object a line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from busway_notify._text import MAX_KEY, one_line
from busway_notify.json_lines import append_line, json_object

if TYPE_CHECKING:
    from pathlib import Path

    from busway_notify._delivery.parcel import Parcel

__all__ = ["DeadLetters"]

_log = logging.getLogger("busway.notify")


class DeadLetters:
    """Where notifications end that reached nobody, or not everybody.

    Each is logged, by kind, key, channel and reason. It is kept whole only in the file.

    Args:
        path: of the file, which only its owner can read; None for no file.

    Attributes:
        count: how many there were.
        unwritten: how many of them could not be written to the file.
    """

    def __init__(self, path: Path | None) -> None:
        self.count = 0
        self.unwritten = 0
        self._path = path
        self._lock = Lock()

    def add(self, channel: str, parcel: Parcel, recipient: str, reason: str) -> None:
        """Keep one.

        Args:
            channel: the name of the channel.
            parcel: what was not delivered.
            recipient: to whom.
            reason: why.
        """
        with self._lock:
            self.count += 1
            self._keep(channel, parcel, recipient, reason)
        _log.error(
            "%s: %s was not delivered through %s, tried %d times: %s",
            parcel.notification.kind,
            one_line(parcel.notification.key, MAX_KEY),
            channel,
            parcel.tries,
            reason,
        )

    def _keep(self, channel: str, parcel: Parcel, recipient: str, reason: str) -> None:
        if self._path is None:
            return
        letter: dict[str, str | int] = {
            **json_object(parcel.notification),
            "recipient": recipient,
            "severity": parcel.notification.severity,
            "idempotency_key": parcel.notification.idempotency_key,
            "channel": channel,
            "reason": reason,
            "tries": parcel.tries,
            "given_up": datetime.now(UTC).isoformat(),
        }
        try:
            append_line(self._path, json.dumps(letter).encode() + b"\n")
        except OSError as error:
            self.unwritten += 1
            _log.error("a dead letter could not be written to %s: %s", self._path, error)
