"""What an interceptor keeps of each handler, as long as the handler is subscribed."""

from __future__ import annotations

from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakValueDictionary

from busway.handlers import handler_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from busway.handlers import Handler

__all__ = ["CountingState", "State", "States"]


class State:
    """What is kept of one handler.

    Attributes:
        handler: the handler; held, so that no other can have its identity.
        name: its name.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.name = handler_name(handler)


class CountingState(State):
    """How often something has happened to a handler, in whatever thread.

    Attributes:
        count: how often.
    """

    def __init__(self, handler: Handler) -> None:
        super().__init__(handler)
        self.count = 0
        self._lock = Lock()

    def add(self) -> None:
        """Once more."""
        with self._lock:
            self.count += 1


_S = TypeVar("_S", bound=State)


class States(Generic[_S]):
    """The states of handlers, which are held by the calls that use them.

    A bus composes a handler's call anew whenever an interceptor comes or goes, and lets go of the
    old one afterwards: so a state lasts until the handler is unsubscribed, and no longer.

    Args:
        make: makes the state of a handler.
    """

    def __init__(self, make: Callable[[Handler], _S]) -> None:
        self._make = make
        self._states: WeakValueDictionary[int, _S] = WeakValueDictionary()
        self._lock = Lock()

    def of(self, handler: Handler) -> _S:
        """The handler's state."""
        with self._lock:
            state = self._states.get(id(handler))
            if state is None:
                state = self._states[id(handler)] = self._make(handler)
            return state

    def named(self) -> dict[str, _S]:
        """All of them, by the handlers' names; of one name, the later are told apart."""
        with self._lock:
            states = list(self._states.values())
        found: dict[str, _S] = {}
        for state in states:
            names = (state.name if n == 1 else f"{state.name}#{n}" for n in count(1))
            found[next(name for name in names if name not in found)] = state
        return found
