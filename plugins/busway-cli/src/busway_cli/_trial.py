"""A trial: the handlers of a bus are started and stopped again, as a run would."""

from __future__ import annotations

import asyncio
import logging
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from busway.handlers import handler_name
from busway.settings import Configuration
from busway_cli._streams import Refusal, describe

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from busway import EventBus
    from busway.plugins import PluginRow
    from busway_cli._logs import StderrLog

__all__ = ["Trial", "told_by_the_answer"]

_TOLD: Final = ("busway.plugins", "busway.lifecycle")
"""Whose errors are a plugin that is broken, or a handler that did not start."""


class Trial:
    """Starts the handlers of a bus and stops them again, to see who does not start."""

    def __init__(self, bus: EventBus, log: StderrLog) -> None:
        self._bus = bus
        self._log = log
        self._reasons: dict[int, str] = {}
        self._tracebacks: dict[str, str] = {}

    def run(self) -> None:
        """Do it.

        Raises:
            Refusal: if a handler ends the process.
        """
        try:
            asyncio.run(self._run())
        except SystemExit as error:  # the loop lets it through
            frame = traceback.extract_tb(error.__traceback__)[-1]
            raise Refusal(
                f"a handler ended the trial: {describe(error)}, from {frame.filename}, "
                f"line {frame.lineno}"
            ) from None

    def failure(self, row: PluginRow) -> tuple[str, str]:
        """Why handlers of a plugin did not start, and the traceback; empty if they did."""
        refused = [one for one in row.provided if id(one) in self._reasons]
        lines = [line.strip() for one in refused for line in self._reasons[id(one)].splitlines()]
        reason = f"start: {' / '.join(filter(None, lines))}" if refused else ""
        trace = "".join(self._tracebacks.get(handler_name(one), "") for one in refused)
        section = Configuration().section(row.name)
        section.values()  # that it knows the secrets
        return section.scrub(reason), section.scrub(trace)

    async def _run(self) -> None:
        try:
            with told_by_the_answer(self._log, self._tracebacks):
                await self._bus.start()
            self._reasons = {id(handler): reason for handler, reason in self._bus.refused}
        finally:
            await self._bus.stop()


@contextmanager
def told_by_the_answer(
    log: StderrLog, tracebacks: MutableMapping[str, str] | None = None
) -> Iterator[None]:
    """While it lasts, what the rows of the answer tell is not told on stderr too.

    Args:
        log: what writes to stderr.
        tracebacks: where to put those of handlers that did not start, by their names.
    """

    def is_news(record: logging.LogRecord) -> bool:
        if record.name not in _TOLD or record.levelno < logging.ERROR:
            return True
        if tracebacks is not None and record.exc_info and isinstance(record.args, tuple):
            trace = traceback.format_exception(record.exc_info[1])
            tracebacks[str(record.args[0])] = "".join(trace)
        return False

    log.addFilter(is_news)
    try:
        yield
    finally:
        log.removeFilter(is_news)
