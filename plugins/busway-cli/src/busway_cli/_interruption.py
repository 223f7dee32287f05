"""Interruption: what SIGINT and SIGTERM do to a run."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

__all__ = ["Interruption"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While entered, the first signal asks to stop, the second cancels, the third interrupts.

    The third is a `KeyboardInterrupt` wherever the program is: it frees a handler that blocks the
    loop. So it is Python that calls `_on_signal`, between any two steps of the program;
    `loop.add_signal_handler` would call it when the loop comes round, and handlers that never
    suspend would hold up all three. The loop's part is to wake: a signal that comes just before
    it sleeps, or to another thread, is met by Python only when something ends that sleep.

    To be made in the task that the second one cancels, and entered in its loop.

    Args:
        ask: called by the first one at once, between any two steps of the program.

    Attributes:
        over: set by the first one when the loop comes round.
        signal: the first one; None until there is one.
        hurried: whether there was a second.
        task: what the second one cancels.
    """

    def __init__(self, ask: Callable[[], object]) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        self.over = asyncio.Event()
        self.signal: signal.Signals | None = None
        self.hurried = False
        self.task: asyncio.Task[object] = task
        self._ask = ask

    def __enter__(self) -> Self:
        self._before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number in _SIGNALS:
            self.task.get_loop().add_signal_handler(number, _wake)
            signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            self.task.get_loop().remove_signal_handler(number)
            signal.signal(number, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        loop = self.task.get_loop()
        if self.signal is None:
            self.signal = signal.Signals(number)
            self._ask()
            loop.call_soon_threadsafe(self.over.set)
        elif not self.hurried:
            self.hurried = True
            loop.call_soon_threadsafe(self.task.cancel)
        else:
            raise KeyboardInterrupt


def _wake() -> None:
    """Called when a signal has ended the loop's sleep, which is all that it is to do."""
