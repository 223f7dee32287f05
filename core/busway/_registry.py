"""The handlers of a bus: who wants what, in the order of subscription."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from itertools import count
from threading import RLock
from typing import TYPE_CHECKING, Literal

from busway._debug import MutationFinder
from busway._names import name_of
from busway.events import event_type
from busway.handlers import ANY, UNHEARD, AnyType, Snapshot, Subscription
from busway.middleware import intercept

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from enum import StrEnum

    from busway.events import Event
    from busway.handlers import Call, Handler
    from busway.middleware import Interceptor

__all__ = ["Registry"]


class Registry:
    """Subscriptions by handler and by type.

    Writers hold a lock. Readers of a snapshot do not: they take a snapshot that is never changed,
    built by the first that asks after a change, so that n subscriptions cost n steps.

    Attributes:
        snapshots: by type, those that were asked for since the last change.
    """

    def __init__(self, *, debug: bool) -> None:
        self._finder = MutationFinder() if debug else None
        self._lock = RLock()
        self._order = count()
        self._interceptors: tuple[Interceptor, ...] = ()
        self._by_handler: dict[int, Subscription] = {}
        self._by_type: dict[StrEnum | AnyType, dict[int, Subscription]] = {}
        self.snapshots: dict[StrEnum, Snapshot] = {}

    def snapshot(self, type_: StrEnum) -> Snapshot:
        """The subscriptions that an event of this type reaches, at this moment, in order."""
        found = self.snapshots.get(type_)
        return self._build_snapshot(type_) if found is None else found

    def find(self, handler: Handler) -> Subscription | None:
        """What is kept of a handler that is subscribed."""
        return self._by_handler.get(id(handler))

    def all(self) -> list[Subscription]:
        """All subscriptions, in order."""
        with self._lock:
            return sorted(self._by_handler.values(), key=lambda one: one.order)

    def add(self, handler: Handler) -> bool:
        """Subscribe a handler; False if it was subscribed already."""
        return self.find(handler) is None and self._add(handler, _read_types(handler))

    def restore(self, before: Subscription) -> None:
        """Subscribe a handler as it was: with the types of then, in its place."""
        now = self.find(before.handler)
        if now is None or (now.types, now.order) != (before.types, before.order):
            self.remove(before.handler)
            self._add(before.handler, before.types, before.order)

    def remove(self, handler: Handler) -> bool:
        """Unsubscribe a handler; False if it was not subscribed."""
        with self._lock:
            subscription = self._by_handler.pop(id(handler), None)
            if subscription is None:
                return False
            for type_ in subscription.types:
                del self._by_type[type_][subscription.order]
                self._forget_snapshots(type_)
            return True

    def clear(self) -> None:
        """Unsubscribe all handlers and drop all interceptors."""
        with self._lock:
            self._interceptors = ()
            self._by_handler.clear()
            self._by_type.clear()
            self.snapshots.clear()

    def compile(
        self, handler: Handler, types: Sequence[StrEnum | Literal[AnyType.ANY]] = ()
    ) -> Subscription:
        """A subscription whose call is adapted, checked in debug mode, and intercepted.

        Raises:
            TypeError: if the handler has no `handle` that can be called with an event.
        """
        return self._compile(handler, types, self._interceptors)

    def intercept_by(
        self, change: Callable[[tuple[Interceptor, ...]], tuple[Interceptor, ...]]
    ) -> bool:
        """Compose all handlers anew; if an interceptor refuses one, nothing is changed.

        What composes is the application's code, and runs without the lock; if the bus changed
        meanwhile it is done again.

        Args:
            change: from the interceptors that there are to those that there shall be.

        Returns:
            Whether there is a change.
        """
        while True:
            before, known = self._interceptors, self.all()
            wanted = change(before)
            if wanted == before:
                return False
            renewed = [self._compile(one.handler, one.types, wanted) for one in known]
            with self._lock:
                if self._interceptors is not before or self.all() != known:
                    continue
                self._interceptors = wanted
                for old, new in zip(known, renewed, strict=True):
                    new.order = old.order
                    self._put(new)
                return True

    @property
    def interceptors(self) -> tuple[Interceptor, ...]:
        """The interceptors, the outermost first."""
        return self._interceptors

    def _add(
        self,
        handler: Handler,
        types: Sequence[StrEnum | Literal[AnyType.ANY]],
        order: int | None = None,
    ) -> bool:
        while True:
            interceptors = self._interceptors
            subscription = self._compile(handler, types, interceptors)
            with self._lock:
                if id(handler) in self._by_handler:
                    return False
                if self._interceptors is interceptors:  # else one came meanwhile
                    subscription.order = next(self._order) if order is None else order
                    self._put(subscription)
                    return True

    def _compile(
        self,
        handler: Handler,
        types: Sequence[StrEnum | Literal[AnyType.ANY]],
        interceptors: tuple[Interceptor, ...],
    ) -> Subscription:
        call = _adapt(handler)
        if self._finder is not None:
            call = self._finder.watch(handler, call)
        return Subscription(handler, types, intercept(handler, call, interceptors))

    def _put(self, subscription: Subscription) -> None:
        self._by_handler[id(subscription.handler)] = subscription
        for type_ in subscription.types:
            self._by_type.setdefault(type_, {})[subscription.order] = subscription
            self._forget_snapshots(type_)

    def _forget_snapshots(self, type_: StrEnum | AnyType) -> None:
        if isinstance(type_, AnyType):
            self.snapshots.clear()
        else:
            self.snapshots.pop(type_, None)

    def _build_snapshot(self, type_: StrEnum) -> Snapshot:
        with self._lock:
            exact, any_ = self._by_type.get(type_, {}), self._by_type.get(ANY, {})
            # two runs that are sorted already: one pass
            merged = sorted([*exact.items(), *any_.items()], key=lambda item: item[0])
            built = Snapshot(one for _, one in merged) if merged else UNHEARD
            self.snapshots[type_] = built
            return built


def _read_types(handler: Handler) -> tuple[StrEnum | Literal[AnyType.ANY], ...]:
    wanted: object = getattr(handler, "event_types", None)
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        raise TypeError(
            f"event_types of {name_of(type(handler))} must be a list of event types or [ANY], "
            f"not {wanted!r}"
        )
    types: dict[StrEnum | Literal[AnyType.ANY], None] = {}
    for one in wanted:
        types[ANY if one is ANY else event_type(one)] = None
    if not types:
        raise TypeError(f"event_types of {name_of(type(handler))} is empty: it would hear nothing")
    return (ANY,) if ANY in types else tuple(types)


def _adapt(handler: Handler) -> Call:
    """The handler's `handle` as an async callable, decided once: the lanes ask nothing."""
    if isinstance(handler, type):
        raise TypeError(f"an instance of {name_of(handler)} is expected, not the class")
    handle: Callable[[Event], Awaitable[object]] | None = getattr(handler, "handle", None)
    if not callable(handle):
        raise TypeError(f"{name_of(type(handler))} has no method handle(event)")
    if inspect.isgeneratorfunction(handle) or inspect.isasyncgenfunction(handle):
        raise TypeError(f"{name_of(type(handler))}.handle is a generator: its body would never run")
    if inspect.iscoroutinefunction(handle):
        return handle

    async def call(event: Event) -> None:
        result: object = handle(event)
        if result is not None and inspect.isawaitable(result):
            await result

    return call
