"""What a contender does for its handlers and its publisher, found out by running it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.benchmarks.contenders import Contender, Handler
from tests.benchmarks.timing import once

__all__ = ["Character", "characterize"]

_PATIENCE: Final = 0.5
_TURNS: Final = 2_000
"""Seconds, and turns of the loop, until handlers that wait for one another are found sequential:
on a busy machine the seconds pass without a turn, and a peer may wait for a timer."""
_TOLD: Final = {
    "returned": "",
    "raised": "raises the first failure",
    "logged": "failures only logged",
    "loop": "failures to the loop's handler",
    "lost": "failures lost",
}


@dataclass(frozen=True, slots=True)
class Character:
    """What the tables say of a contender.

    Attributes:
        concurrent: whether handlers that wait for one another end; None where they are sync.
        isolated: whether a handler that raises keeps no other from running to its end before
            the publisher goes on.
        failures: how they become known: "returned", "raised", "logged", by the "loop"'s
            exception handler, or "lost".
    """

    concurrent: bool | None
    isolated: bool
    failures: str

    @property
    def lacks(self) -> str:
        """What Busway does and this does not, for a column."""
        lacks = (
            "sequential" if self.concurrent is False else "",
            "" if self.isolated else "not isolated",
            _TOLD[self.failures],
        )
        return ", ".join(filter(None, lacks))


async def characterize(contender: Contender, *, sync: bool) -> Character:
    """Find out, on the running loop."""
    with _overheard() as heard:
        concurrent = None if sync else await _is_concurrent(contender)
        isolated, known = await _fail(contender, sync=sync)
    if not known and heard.by_loop:
        known = "loop"
    if not known and (heard.records or heard.printed.getvalue()):
        known = "logged"
    return Character(concurrent, isolated, known or "lost")


async def _is_concurrent(contender: Contender) -> bool:
    """Whether two handlers that wait for each other end."""
    here, there = asyncio.Event(), asyncio.Event()

    def handler(mine: asyncio.Event, other: asyncio.Event) -> Handler:
        async def handle(
            event: object = None, signal: object = None, sender: object = None
        ) -> None:
            mine.set()
            await other.wait()

        return handle

    async with contender.open([handler(here, there), handler(there, here)]) as publish:
        published = asyncio.ensure_future(publish())
        seconds = asyncio.create_task(asyncio.sleep(_PATIENCE))
        turns = 0
        while not published.done() and not (seconds.done() and turns > _TURNS):
            await asyncio.sleep(0)
            turns += 1
        seconds.cancel()
        if published.done():
            await published  # for what it may have raised
            return True
        published.cancel()
        await asyncio.wait({published, seconds})
        return False


async def _fail(contender: Contender, *, sync: bool) -> tuple[bool, str]:
    """Whichever of three handlers runs first fails: do the others end, and who is told?"""
    begun: list[int] = []
    ended: list[int] = []
    error = ValueError("on purpose")
    make = _failing_sync if sync else _failing
    handlers = [make(place, begun, ended, error) for place in range(3)]
    async with contender.open(handlers) as publish:
        known = ""
        try:
            returned = await once(publish, awaited=contender.awaited)
            if any(one is error for one in contender.failures(returned)):
                known = "returned"
        except ValueError:
            known = "raised"
        isolated = len(set(ended)) == 2
        for _ in range(20):  # let what was left running end
            await asyncio.sleep(0)
    return isolated, known


def _failing(place: int, begun: list[int], ended: list[int], error: Exception) -> Handler:
    async def handle(event: object = None, signal: object = None, sender: object = None) -> None:
        begun.append(place)
        if begun[0] == place:
            raise error
        for _ in range(3):
            await asyncio.sleep(0)
        ended.append(place)

    return handle


def _failing_sync(place: int, begun: list[int], ended: list[int], error: Exception) -> Handler:
    def handle(event: object = None, signal: object = None, sender: object = None) -> None:
        begun.append(place)
        if begun[0] == place:
            raise error
        ended.append(place)

    return handle


class _Heard(logging.Handler):
    """What was logged, printed, or told to the loop."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []
        self.printed = io.StringIO()
        self.by_loop: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextlib.contextmanager
def _overheard() -> Iterator[_Heard]:
    """Hear it, in the place of whoever else would."""
    heard, loop = _Heard(), asyncio.get_running_loop()
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    before = [(logger, logger.handlers) for logger in (logging.root, *loggers)]
    loop.set_exception_handler(lambda _, context: heard.by_loop.append(context))
    try:
        for logger, _ in before:
            logger.handlers = []
        logging.root.handlers = [heard]
        with (
            contextlib.redirect_stdout(heard.printed),
            contextlib.redirect_stderr(heard.printed),
        ):
            yield heard
    finally:
        for logger, handlers in before:
            logger.handlers = handlers
        loop.set_exception_handler(None)
