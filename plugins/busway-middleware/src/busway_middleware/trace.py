"""Trace ids: W3C Trace Context in the metadata of every event."""

import re
import secrets
from collections.abc import Mapping
from typing import Final

from busway import Event, current_event
from busway_middleware._counts import Counts
from busway_middleware._settings import flag_of

# No `from __future__ import annotations`: the annotations of the constructor are the plugin's
# settings, and are read at runtime.

__all__ = ["TraceMiddleware"]

_IDS: Final = r"(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})"
_VALID: Final = re.compile(
    # of a version to come only the first four fields are known, and more may follow
    rf"(?:00-{_IDS}|(?!00|ff)[0-9a-f]{{2}}-{_IDS.replace('P<', 'P<later_')}(?:-[!-~]*)?)"
)
_SAMPLED: Final = 0x01
_RANDOM: Final = 0x02
"""Of a trace id that is random in its last 7 bytes at least (level 2)."""


class TraceMiddleware:
    """Gives every event a `traceparent`, and keeps those that have a valid one.

    An event that a handler publishes belongs to the trace of the event that the handler is
    working on: the same trace id and flags, a new parent id, and its `tracestate`. Any other
    begins a trace. A `traceparent` that is not valid is replaced, and its `tracestate` left out.

    Threads: it may be called from several at once. Ids come from the operating system's random
    source, so that neither a seed nor a fork repeats them.

    Source: W3C Trace Context, levels 1 and 2; the CloudEvents extension Distributed Tracing.

    Args:
        sampled: whether traces that begin here are marked as recorded.

    Raises:
        TypeError: if the setting is no bool.

    >>> event = TraceMiddleware()(Event("user.login"))
    >>> version, trace_id, parent_id, flags = event.metadata["traceparent"].split("-")
    >>> version, len(trace_id), len(parent_id), flags
    ('00', 32, 16, '03')
    """

    name = "trace"
    enabled_by_default = False

    def __init__(self, *, sampled: bool = True) -> None:
        self._flags = _RANDOM | (_SAMPLED if flag_of("sampled", sampled) else 0)
        self._counts = Counts("replaced")

    def __call__(self, event: Event) -> Event:
        """The event with a valid `traceparent`."""
        given = event.metadata.get("traceparent")
        if given is not None:
            if _VALID.fullmatch(given):
                return event
            self._counts.add("replaced")
        kept = {
            key: value
            for key, value in event.metadata.items()
            if key not in ("traceparent", "tracestate")
        }
        return event.replace(metadata={**kept, **self._context()})

    def health(self) -> Mapping[str, int | str]:
        """`replaced`: events whose `traceparent` was not valid."""
        return self._counts.read()

    def _context(self) -> dict[str, str]:
        """That of the event whose handler publishes this one, one step on; else a new one."""
        cause = current_event()
        metadata = {} if cause is None else cause.metadata
        found = _VALID.fullmatch(metadata.get("traceparent", ""))
        if found is None:
            trace_id, flags = f"{secrets.randbits(128) or 1:032x}", self._flags
            return {"traceparent": _written(trace_id, flags)}
        trace_id = found["trace"] or found["later_trace"]
        flags = int(found["flags"] or found["later_flags"], 16) & (_SAMPLED | _RANDOM)
        context = {"traceparent": _written(trace_id, flags)}
        if "tracestate" in metadata:
            context["tracestate"] = metadata["tracestate"]
        return context


def _written(trace_id: str, flags: int) -> str:
    return f"00-{trace_id}-{secrets.randbits(64) or 1:016x}-{flags:02x}"
