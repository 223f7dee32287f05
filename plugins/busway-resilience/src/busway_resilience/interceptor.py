"""The plugin: timeouts, retries, concurrency limits, circuits and dead letters, in their order."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import ParamSpec, Protocol

from busway.handlers import Call, Handler, handler_name
from busway_resilience._policy import Policy, attributes_of, changed
from busway_resilience.circuit_breaker import CircuitBreakerInterceptor
from busway_resilience.concurrency import ConcurrencyInterceptor
from busway_resilience.dead_letter import DeadLetterInterceptor
from busway_resilience.retry import RetryInterceptor
from busway_resilience.timeout import TimeoutInterceptor

# No `from __future__ import annotations`: the annotations of the constructor are the plugin's
# settings, and are read at runtime.

__all__ = ["ResilienceInterceptor"]


class _Part(Protocol):
    """One of the interceptors that it is made of."""

    def __call__(self, handler: Handler, call_next: Call) -> Call: ...

    def health(self) -> Mapping[str, int | str]: ...


_P = ParamSpec("_P")


class ResilienceInterceptor:
    """Wraps each handler in what is set for it, in one order.

    From the outside in:

    1. dead letter: sees only what has failed for good;
    2. retries: each try passes all that follows, and waits holding no slot;
    3. concurrency: whoever has waited for a slot then asks the circuit, not before;
    4. circuit breaker: judges each try; an open circuit is not retried;
    5. timeout: of one call of the handler, without the waiting.

    A value comes from the setting of the handler's name; else from an attribute of its class;
    else from the setting for all. A handler for which nothing is on costs nothing.

    Threads: its calls may run in several at once.

    Args:
        timeout: seconds that one call may take; 0 for no limit.
        retries: how many times more a handler that fails is called.
        retry_on: the exceptions after which it is, or their names.
        retry_wait: seconds before the second try.
        retry_max_wait: seconds between two tries at most.
        retry_jitter: seconds that are added to each pause at most.
        max_concurrency: how many events a handler works on at once; 0 for no limit.
        breaker_failures: how many failures in a row open a handler's circuit; 0 for none.
        breaker_reset: seconds that it stays open.
        dead_letter: the file in which events are kept that a handler could not handle.
        handlers: other values for some handlers, by their names.

    Raises:
        TypeError, ValueError: if a setting is not as described; it names the setting.

    >>> patient = ResilienceInterceptor(timeout=5.0, handlers={"shop.Report": {"timeout": 60.0}})
    """

    name = "resilience"
    enabled_by_default = False

    def __init__(
        self,
        *,
        timeout: float | None = None,
        retries: int = 0,
        retry_on: Collection[str | type[Exception]] = (Exception,),
        retry_wait: float = 0.1,
        retry_max_wait: float = 5.0,
        retry_jitter: float = 1.0,
        max_concurrency: int | None = None,
        breaker_failures: int = 0,
        breaker_reset: float = 30.0,
        dead_letter: str | Path | None = None,
        handlers: dict[str, dict[str, object]] | None = None,
    ) -> None:
        values = {
            "timeout": timeout,
            "retries": retries,
            "retry_on": retry_on,
            "retry_wait": retry_wait,
            "retry_max_wait": retry_max_wait,
            "retry_jitter": retry_jitter,
            "max_concurrency": max_concurrency,
            "breaker_failures": breaker_failures,
            "breaker_reset": breaker_reset,
            "dead_letter": dead_letter,
        }
        self._default = changed(Policy(), "", values)
        if not isinstance(handlers, Mapping | None):
            raise TypeError(f"handlers: a table is expected, not {type(handlers).__name__}")
        self._settings = dict(handlers or {})
        for name, one in self._settings.items():
            changed(self._default, f"handlers.{name}.", one)
        self._unmatched = dict.fromkeys(self._settings)
        self._parts: dict[tuple[object, ...], _Part] = {}

    def __call__(self, handler: Handler, call_next: Call) -> Call:
        """The call of a handler, wrapped in what is set for it.

        Raises:
            TypeError: if it is to have a timeout and cannot be interrupted; it says what to do.
            TypeError, ValueError: if an attribute of its class is not as it should be.
        """
        name = handler_name(handler)
        policy = changed(self._default, f"handler {name}: ", attributes_of(handler))
        policy = changed(policy, f"handlers.{name}.", self._settings.get(name, {}))
        call = call_next
        for part in reversed(tuple(self._parts_of(policy))):
            call = part(handler, call)
        self._unmatched.pop(name, None)
        return call

    def health(self) -> Mapping[str, int | str]:
        """What its parts say; and `unmatched`: names in `handlers` that no handler has."""
        told: dict[str, int | str] = {}
        for part in tuple(self._parts.values()):
            for key, value in part.health().items():
                before = told.get(key)
                told[key] = value if before is None else _together(before, value)
        return {**told, "unmatched": ", ".join(tuple(self._unmatched))}

    def _parts_of(self, policy: Policy) -> Iterator[_Part]:
        """Those that a policy wants, the outermost first; handlers of like policies share them."""
        if policy.dead_letter is not None:
            yield self._part(DeadLetterInterceptor, dead_letter=policy.dead_letter)
        if policy.retries:
            yield self._part(
                RetryInterceptor,
                retries=policy.retries,
                retry_on=policy.retry_on,
                retry_wait=policy.retry_wait,
                retry_max_wait=policy.retry_max_wait,
                retry_jitter=policy.retry_jitter,
            )
        if policy.max_concurrency:
            yield self._part(ConcurrencyInterceptor, max_concurrency=policy.max_concurrency)
        if policy.breaker_failures:
            yield self._part(
                CircuitBreakerInterceptor,
                breaker_failures=policy.breaker_failures,
                breaker_reset=policy.breaker_reset,
            )
        if policy.timeout:
            yield self._part(TimeoutInterceptor, timeout=policy.timeout)

    def _part(self, kind: Callable[_P, _Part], *args: _P.args, **settings: _P.kwargs) -> _Part:
        key = (kind, *settings.items())
        return self._parts.get(key) or self._parts.setdefault(key, kind(*args, **settings))


def _together(one: int | str, other: int | str) -> int | str:
    """What handlers of several policies say under one key."""
    if isinstance(one, int) and isinstance(other, int):
        return one + other
    return "; ".join(dict.fromkeys(str(told) for told in (one, other) if told))
