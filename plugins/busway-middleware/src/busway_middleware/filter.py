"""Filters: which events are let on the bus, by type, source or predicate."""

from collections.abc import Callable, Collection, Mapping

from busway.events import Event
from busway_middleware._counts import Counts
from busway_middleware._exempt import exempt_of
from busway_middleware._matching import Names
from busway_middleware._settings import names_of, predicate_of

# No `from __future__ import annotations`: the annotations of the constructor are the plugin's
# settings, and are read at runtime.

__all__ = ["FilterMiddleware"]


class FilterMiddleware:
    """Stops events that are denied, or are not among those allowed.

    An event passes if each `allow…` that is given has it and no `deny…` does: to deny wins. Names
    may be patterns: `user.*`.

    The types of `exempt` pass whatever else is said of them, except for a type that `deny_types`
    has by its very name while `exempt` is left at its default.

    Threads: it may be called from several at once, if the predicates may.

    Args:
        allow_types: the types that may pass; all if None, none if empty.
        deny_types: the types that may not.
        allow_sources: the sources that may pass; all if None, none if empty.
        deny_sources: the sources that may not.
        allow: a predicate of the events that may pass; given in code. What it raises stops the
            event, and is the publisher's `MiddlewareError`.
        deny: a predicate of those that may not; likewise.
        exempt: types that always pass; those that make caches forget if None.

    Raises:
        TypeError: if a setting is not as described; it names the setting.
        ValueError: if `deny_types` and an `exempt` that is given have a type in common.

    >>> no_robots = FilterMiddleware(deny_sources=["robot"])
    >>> no_robots(Event("user.login", source="robot")) is None
    True
    >>> no_robots(Event("user.login", source="web")).source
    'web'
    """

    name = "filter"
    enabled_by_default = False

    def __init__(
        self,
        *,
        allow_types: list[str] | None = None,
        deny_types: Collection[str] = (),
        allow_sources: list[str] | None = None,
        deny_sources: Collection[str] = (),
        allow: Callable[[Event], bool] | None = None,
        deny: Callable[[Event], bool] | None = None,
        exempt: list[str] | None = None,
    ) -> None:
        denied = names_of("deny_types", deny_types)
        self._exempt = exempt_of(exempt, "deny_types", denied)
        self._types = _Sieve("allow_types", allow_types, denied)
        self._sources = _Sieve(
            "allow_sources", allow_sources, names_of("deny_sources", deny_sources)
        )
        self._allow = predicate_of("allow", allow)
        self._deny = predicate_of("deny", deny)
        self._counts = Counts("stopped")

    def __call__(self, event: Event) -> Event | None:
        """The event, or None if it may not pass."""
        if self._exempt.match(event.type) or self._passes(event):
            return event
        self._counts.add("stopped", f"stopped_{event.type}")
        return None

    def health(self) -> Mapping[str, int | str]:
        """`stopped`: events that did not pass, in all and by type, `stopped_user.login`."""
        return self._counts.read()

    def _passes(self, event: Event) -> bool:
        return (
            self._types.passes(event.type)
            and self._sources.passes(event.source)
            and (self._allow is None or bool(self._allow(event)))
            and (self._deny is None or not self._deny(event))
        )


class _Sieve:
    """Names that are allowed, and names that are denied."""

    def __init__(self, setting: str, allowed: object, denied: Collection[str]) -> None:
        self._allowed = None if allowed is None else Names(names_of(setting, allowed))
        self._denied = Names(denied)

    def passes(self, name: str) -> bool:
        return (self._allowed is None or self._allowed.match(name)) and not self._denied.match(name)
