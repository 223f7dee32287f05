"""What becomes of an attempt: done, failed and to be tried again, or dead."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from busway.exceptions import SkipHandler
from busway_outbox._store import statements
from busway_outbox._store.operations import Settle, release

if TYPE_CHECKING:
    from busway_outbox._backoff import Backoff
    from busway_outbox._store.rows import Lease
    from busway_outbox._writing.writer import Writer

__all__ = ["Ledger"]

_log = logging.getLogger("busway.outbox")
_LONGEST: Final = 1_000
"""Characters of an error that are kept."""


class Ledger:
    """Tells the writer how attempts ended; each once, whoever tells it first.

    Args:
        writer: what commits it, by and by: nobody waits for it. If the process dies before, the
            attempt is made again.
        backoff: when a failed one is made again.
        max_attempts: after how many it is given up.
        keeps_done: whether rows that are done are kept.

    Attributes:
        done: how many ended well, in this process.
        failed: how many did not.
    """

    def __init__(
        self, writer: Writer, backoff: Backoff, max_attempts: int, *, keeps_done: bool
    ) -> None:
        self.done = 0
        self.failed = 0
        self._writer = writer
        self._backoff = backoff
        self._max_attempts = max_attempts
        self._done = statements.DONE if keeps_done else statements.FORGET

    def well(self, lease: Lease) -> None:
        """It was handled, or is not to be."""
        if lease.settled:
            return
        self.done += 1
        self._settle(lease, Settle(lease.seq, self._done))

    def ended(self, lease: Lease, error: BaseException) -> None:
        """It raised: `SkipHandler` is an end like any other, all else is tried again."""
        if lease.settled:
            return
        if isinstance(error, SkipHandler):
            self.well(lease)
            return
        self.failed += 1
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if self.is_used_up(lease):
            self.bury(lease, text)
        else:
            self._fail(lease, text)

    def is_used_up(self, lease: Lease) -> bool:
        """Whether there is no attempt after this one."""
        return lease.attempts >= self._max_attempts

    def is_beyond(self, lease: Lease) -> bool:
        """Whether this one is too many: each of those before has ended with its process."""
        return lease.attempts > self._max_attempts

    def bury(self, lease: Lease, why: str) -> None:
        """Give it up; `busway outbox retry` brings it back."""
        _log.error(
            "%s on %s is dead after %d attempts: busway outbox list --state dead shows why, and "
            "busway outbox retry brings it back",
            lease.handler,
            lease.event_id,
            lease.attempts,
        )
        parameters = (_clean(why), lease.seq, self._writer.owner)
        self._settle(lease, Settle(lease.seq, statements.DEAD, parameters))

    def give_back(self, lease: Lease, seconds: float = 0.0) -> None:
        """Nothing was tried; another may take it after so many seconds."""
        self._settle(lease, release(lease, self._writer.owner, seconds))

    def _fail(self, lease: Lease, why: str) -> None:
        seconds = self._backoff.seconds(lease.attempts)
        parameters = (seconds, _clean(why), lease.seq, self._writer.owner)
        self._settle(lease, Settle(lease.seq, statements.FAILED, parameters))

    def _settle(self, lease: Lease, settle: Settle) -> None:
        lease.settled = True
        self._writer.settle(settle)


def _clean(text: str) -> str:
    """A text that any database takes."""
    return text[:_LONGEST].replace("\0", "\\0").encode("utf-8", "replace").decode()
