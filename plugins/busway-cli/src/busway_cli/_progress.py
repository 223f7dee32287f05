"""Progress: a bar on stderr, if that is a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress

__all__ = ["ProgressBar"]

_INTERVAL: Final = 0.1  # seconds: a terminal shows no more


class ProgressBar:
    """How many events, how many a second, and by the bytes of a file how long it still takes.

    Args:
        size: bytes to read; None if that is not known.
        shown: whether there is a bar at all.
    """

    def __init__(self, size: int | None, *, shown: bool) -> None:
        self._progress = _make_progress() if shown else None
        self._size = size
        self._bytes = self._events = 0
        self._began = self._updated = time.monotonic()

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
            self._task = self._progress.add_task("", total=self._size, events=0, rate=0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._update(time.monotonic())
            self._progress.stop()

    def advance(self, size: int) -> None:
        """One more line was read.

        Args:
            size: its bytes.
        """
        if self._progress is None:
            return
        self._bytes += size
        self._events += 1
        now = time.monotonic()
        if now - self._updated >= _INTERVAL:
            self._update(now)

    def _update(self, now: float) -> None:
        if self._progress is None:
            return
        self._updated = now
        self._progress.update(
            self._task,
            completed=self._bytes,
            events=self._events,
            rate=self._events / max(now - self._began, 0.001),
        )


def _make_progress() -> Progress:
    # imported here: most runs are watched by nobody
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[events]:,} events  {task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        # what plugins print on a stdout that is no terminal must stay there
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )
