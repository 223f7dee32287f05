"""Logging: one record for every event that passes, with fields for structured logs."""

import logging
from collections.abc import Mapping

from busway.events import Event
from busway_middleware._matching import Names
from busway_middleware._settings import flag_of, level_of, text_of

# No `from __future__ import annotations`: the annotations of the constructor are the plugin's
# settings, and are read at runtime.

__all__ = ["LoggingMiddleware"]


class LoggingMiddleware:
    """Logs every event, as it is where this stands among the middleware.

    The message is its type and id; `extra` has `event_id`, `event_type`, `event_source`,
    `event_timestamp`, `event_correlation_id`, `event_causation_id` and `event_traceparent`. What a
    payload holds is logged if that is asked for, and not otherwise.

    Threads: it may be called from several at once.

    Args:
        logger: the name of the logger.
        level: the level of the records.
        levels: another one for some types, which may be patterns; the first that fits counts.
        payload: whether `extra` has the payload too, as `event_payload`.

    Raises:
        TypeError: if a setting is not as described; it names the setting.
        ValueError: if there is no such level.

    >>> quiet = LoggingMiddleware(level="DEBUG", levels={"user.login_failed": "WARNING"})
    """

    name = "logging"
    enabled_by_default = False

    def __init__(
        self,
        *,
        logger: str = "busway.events",
        level: str = "INFO",
        levels: dict[str, str] | None = None,
        payload: bool = False,
    ) -> None:
        self._logger = logging.getLogger(text_of("logger", logger))
        self._level = level_of("level", level)
        if not isinstance(levels, Mapping | None):
            raise TypeError(f"levels: a table is expected, not {type(levels).__name__}")
        self._levels = [
            (Names([name]), level_of(f"levels.{name}", one)) for name, one in (levels or {}).items()
        ]
        self._payload = flag_of("payload", payload)
        self._known: dict[str, int] = {}  # types are few, and registered

    def __call__(self, event: Event) -> Event:
        """The event as it is, logged."""
        level = self._known.get(event.type) or self._find_level(event.type)
        if self._logger.isEnabledFor(level):
            self._logger.log(
                level, "%s %s", event.type.value, _line(event.id), extra=self._fields(event)
            )
        return event

    def _find_level(self, type_: str) -> int:
        found = (level for names, level in self._levels if names.match(type_))
        return self._known.setdefault(type_, next(found, self._level))

    def _fields(self, event: Event) -> dict[str, object]:
        """Under names that no attribute of a LogRecord has."""
        fields: dict[str, object] = {
            "event_id": event.id,
            "event_type": event.type.value,
            "event_source": event.source,
            "event_timestamp": event.timestamp.isoformat(),
            "event_correlation_id": event.correlation_id,
            "event_causation_id": event.causation_id,
            "event_traceparent": event.metadata.get("traceparent"),
        }
        if self._payload:
            fields["event_payload"] = event.payload
        return fields


def _line(text: str) -> str:
    """An id on one line, whoever gave it."""
    return text if text.isprintable() else repr(text)
