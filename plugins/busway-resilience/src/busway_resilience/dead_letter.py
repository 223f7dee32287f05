"""Dead letters: events that a handler could not handle are kept in a file."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from busway import Event, EventError, SkipHandler
from busway.handlers import Call, Handler, handler_name
from busway_resilience import _letters
from busway_resilience._lines import append
from busway_resilience._settings import path_of

__all__ = ["DeadLetter", "DeadLetterInterceptor", "read_dead_letters"]

_log = logging.getLogger("busway.resilience")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a handler could not handle.

    Attributes:
        event: the event as the handler was given it; payload values that JSON lacks have become
            what the README says.
        handler: the handler's name.
        error: the type and message of its error.
        time: when that was, ISO 8601.
    """

    event: Event
    handler: str
    error: str
    time: str


class DeadLetterInterceptor:
    """Keeps the events that handlers fail on, one JSON object a line, in a file of mode 0600.

    It is written when the handler has failed for good, before `publish` returns. A line is the
    event as `busway run` reads it, with the handler, its error and the time in its metadata:
    `deadletterhandler`, `deadlettererror`, `deadlettertime`. Whatever `Exception` a handler raises
    is kept, and raised as it is; `SkipHandler` and cancellation are not.

    If the file cannot be written, that is logged and counted, and the handler's error is raised
    all the same.

    Threads: its calls may run in several at once, and several processes may share the file.

    Args:
        dead_letter: the file; `~` is the home directory, and a relative one is meant from where
            the process is now.

    Raises:
        TypeError, ValueError: if that is no path.
    """

    name = "dead-letter"
    enabled_by_default = False

    def __init__(self, *, dead_letter: str | Path) -> None:
        path = path_of("dead_letter", dead_letter)
        if path is None:
            raise ValueError("dead_letter: the path of a file is expected")
        self._path = path
        self._lock = Lock()
        self._kept = 0
        self._lost = 0
        self._error = ""

    def __call__(self, handler: Handler, call_next: Call) -> Call:
        """The call of a handler, its failures kept."""
        name = handler_name(handler)

        async def call(event: Event) -> None:
            try:
                await call_next(event)
            except SkipHandler:
                raise
            except Exception as error:
                self._keep(event, name, error)
                raise

        return call

    def health(self) -> Mapping[str, int | str]:
        """`dead_letters`: events that were kept; `lost_dead_letters`: that could not be.

        `dead_letter_error`: why the last of those could not, empty while the file can be written.
        """
        with self._lock:
            return {
                "dead_letters": self._kept,
                "lost_dead_letters": self._lost,
                "dead_letter_error": self._error,
            }

    def _keep(self, event: Event, name: str, error: Exception) -> None:
        try:
            append(self._path, _letters.encode(event, name, error))
        except Exception as reason:  # noqa: BLE001 - the handler's error is not to be hidden by it
            self._count(lost=1, error=f"{type(reason).__name__}: {reason}")
            _log.error(
                "%s %s, on which handler %s has failed, could not be kept in %s: %s: %s",
                event.type,
                event.id,
                name,
                self._path,
                type(reason).__name__,
                reason,
            )
        else:
            self._count(kept=1)

    def _count(self, *, kept: int = 0, lost: int = 0, error: str = "") -> None:
        with self._lock:
            self._kept += kept
            self._lost += lost
            self._error = error


def read_dead_letters(path: str | Path) -> Iterator[DeadLetter]:
    """The dead letters of a file, in the order in which they were written.

    To hand one to its handler again, and to no other:
    `await bus.deliver(letter.event, handler)`.

    Raises:
        OSError: if the file cannot be read.
        EventError: if a line is no event, of a type that is not registered say; it names the line.
    """
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                event, told = _letters.decode(line)
            except (ValueError, RecursionError, EventError) as error:
                raise EventError(f"line {number} of {path} is no dead letter: {error}") from error
            yield DeadLetter(event, *(told[key] for key in _letters.KEYS))
