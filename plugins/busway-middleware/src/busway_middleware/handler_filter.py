"""The filter of handlers: keeps sensitive events from certain handlers."""

from collections.abc import Awaitable, Collection, Mapping

from busway import Event, SkipHandler
from busway.handlers import Call, Handler, handler_name
from busway_middleware._counts import Counts
from busway_middleware._matching import Names
from busway_middleware._settings import names_of

# No `from __future__ import annotations`: the annotations of the constructor are the plugin's
# settings, and are read at runtime.

__all__ = ["FilterInterceptor"]


class FilterInterceptor:
    """An interceptor that keeps events of some types from some handlers.

    For such a handler the outcome of such an event is `skipped`; all others get it. Names may be
    patterns: `analytics.*`, `user.*`. Nothing is exempt: what is kept from whom is named here.

    Threads: its calls may run in several at once.

    Args:
        handlers: names of handlers, as `health()` and the log show them.
        types: types of event.

    Raises:
        TypeError: if a setting is not as described; it names the setting.

    >>> sensitive = FilterInterceptor(handlers=["analytics.*"], types=["user.*"])
    """

    name = "handler-filter"
    enabled_by_default = False

    def __init__(self, *, handlers: Collection[str] = (), types: Collection[str] = ()) -> None:
        self._handlers = {one: Names([one]) for one in names_of("handlers", handlers)}
        self._types = Names(names_of("types", types))
        self._unmatched = dict.fromkeys(self._handlers)
        self._counts = Counts("skipped")

    def __call__(self, handler: Handler, call_next: Call) -> Call:
        """The call of a handler that is named; of any other the one that was given."""
        name = handler_name(handler)
        matching = [one for one, names in self._handlers.items() if names.match(name)]
        if not matching:
            return call_next
        for one in matching:
            self._unmatched.pop(one, None)

        def call(event: Event) -> Awaitable[object]:
            if not self._types.match(event.type):
                return call_next(event)
            return self._skip(name, event)

        return call

    def health(self) -> Mapping[str, int | str]:
        """`skipped`: events that were kept from handlers, in all and by handler.

        `unmatched`: what `handlers` names and no handler is called, a mistyped name say.
        """
        return {**self._counts.read(), "unmatched": ", ".join(tuple(self._unmatched))}

    async def _skip(self, name: str, event: Event) -> None:
        self._counts.add("skipped", f"skipped_{name}")
        raise SkipHandler(f"{event.type} is kept from {name}")
