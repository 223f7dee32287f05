"""What was published, in order, with filters and assertions that say what was seen."""

from __future__ import annotations

import reprlib
from itertools import zip_longest
from typing import TYPE_CHECKING

from busway.events import Event, event_type

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CapturedEvents"]


class CapturedEvents(list[Event]):
    """The events that were published on a test's buses, as their handlers see them.

    A list: it can be compared, indexed, counted and cleared like any other. It grows while the
    test runs.

    Ordering: that in which they had passed the middleware, so a cause stands before its effects.

    >>> captured = CapturedEvents([Event("user.created", {"user_id": 7}), Event("audit.log")])
    >>> captured.types
    ['user.created', 'audit.log']
    >>> captured.one("user.created").payload
    {'user_id': 7}
    >>> captured.of("user.created", user_id=8)
    []
    """

    @property
    def types(self) -> list[str]:
        """Their types, as plain strings."""
        return [event.type.value for event in self]

    def of(self, /, *types: str, **payload: object) -> CapturedEvents:
        """Those of certain types, with certain values in their payloads.

        Args:
            types: of one of these; of any if there are none.
            payload: keys that must be there, with these values.

        Raises:
            EventError: if a type is not registered: it would never be found.
        """
        wanted = {event_type(one) for one in types}
        return CapturedEvents(
            event
            for event in self
            if (not wanted or event.type in wanted) and _holds(event, payload)
        )

    def one(self, /, *types: str, **payload: object) -> Event:
        """The only event of certain types, with certain values in its payload: see `of`.

        Raises:
            AssertionError: if there is none, or more than one; it shows all that were captured.
            EventError: if a type is not registered.
        """
        found = self.of(*types, **payload)
        if len(found) == 1:
            return found[0]
        values = (f"{key}={reprlib.repr(value)}" for key, value in payload.items())
        wanted = " ".join([" or ".join(event_type(one).value for one in types), *values]).strip()
        raise AssertionError(
            f"exactly one event is expected{wanted and f': {wanted}'}; {len(found)} of these are "
            f"that:\n{_table(('', event.type.value, _shown(event)) for event in self)}"
        )

    def assert_types(self, /, *types: str) -> None:
        """Check that exactly these were published, in this order; nothing, if none is given.

        Raises:
            AssertionError: if not; it shows the types expected beside those seen.
            EventError: if a type is not registered.
        """
        expected = [event_type(one).value for one in types]
        if self.types == expected:
            return
        rows = [
            (">" if want != seen else "", want, seen)
            for want, seen in zip_longest(expected, self.types, fillvalue="-")
        ]
        raise AssertionError(
            f"other types of event are expected:\n{_table([('', 'expected', 'seen'), *rows])}"
        )


def _holds(event: Event, wanted: dict[str, object]) -> bool:
    return all(key in event.payload and event.payload[key] == one for key, one in wanted.items())


def _shown(event: Event) -> str:
    return reprlib.repr(dict(event.payload))


def _table(rows: Iterable[tuple[str, str, str]]) -> str:
    lines = list(rows) or [("", "nothing was published", "")]
    width = max(len(middle) for _, middle, _ in lines)
    return "\n".join(f"{mark:1} {first:{width}}  {last}".rstrip() for mark, first, last in lines)
