"""Logs: what Busway and its plugins log, one line each on stderr."""

from __future__ import annotations

import logging
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from busway_cli._streams import Repeats, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["StderrLog", "logs_on_stderr"]

_RETRIES: Final = "stamina"
"""The library of plugins that try again; what it says stands beside its message, not in it."""
_LOGGERS: Final = ("busway", "asyncio", _RETRIES)
_DELIVERY: Final = "busway.delivery"
_LOST: Final = ("busway.lifecycle", "busway.bus")
"""Whose errors are a handler that did not start or stop, or an event that was not delivered."""


class StderrLog(logging.Handler):
    """Writes warnings and errors to stderr.

    Attributes:
        repeats: what cuts the failures of one handler short.
        lost: how many errors told of a handler that did not start or stop well, or of events that
            were not delivered. No result of a publish tells of those.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        super().__init__(logging.WARNING)
        self.repeats = Repeats()
        self.lost = 0
        self._verbose = verbose

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record: a line, and if verbose its traceback."""
        if record.levelno >= logging.ERROR and record.name in _LOST:
            self.lost += 1
        details = ""
        if self._verbose and record.exc_info:
            details = "".join(traceback.format_exception(record.exc_info[1]))
        if record.name == _DELIVERY and isinstance(record.args, tuple) and record.args:
            self.repeats.tell(f"failures of {record.args[0]}", _message(record), details)
        elif record.name == _RETRIES:
            why = getattr(record, "stamina.caused_by", record.msg)
            self.repeats.tell("tries that failed", f"a try failed, another follows: {why}")
        else:
            tell(_message(record), details)


@contextmanager
def logs_on_stderr(*, verbose: bool = False) -> Iterator[StderrLog]:
    """While it lasts, logs go to stderr; at its end, what was cut short is counted."""
    log = StderrLog(verbose=verbose)
    for name in _LOGGERS:
        logging.getLogger(name).addHandler(log)
    try:
        yield log
    finally:
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(log)
        log.repeats.tell_rest()


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a plugin's arguments that do not fit its format
        return str(record.msg)
