"""Circuit breakers: a handler that keeps failing is left alone for a while."""

import logging
from collections.abc import Mapping

from busway import Event
from busway.handlers import Call, Handler
from busway_resilience._circuit import Circuit
from busway_resilience._settings import count_of, seconds_of
from busway_resilience._states import State, States
from busway_resilience.exceptions import CircuitOpenError
from busway_resilience.retry import NO_FAILURES

__all__ = ["CircuitBreakerInterceptor"]

_log = logging.getLogger("busway.resilience")


class CircuitBreakerInterceptor:
    """Stops calling a handler that has failed so many times in a row.

    While its circuit is open, each event is a `CircuitOpenError` at once: a failure, since the
    event was not handled. After `breaker_reset` seconds one call is let through. If it returns,
    the circuit is closed; if it fails, it stays open as long again.

    Every `Exception` is a failure, but for `SkipHandler`, and what tells of the bus alone.
    Cancellation is none.

    Threads: its calls may run in several at once; a handler has one circuit.

    Args:
        breaker_failures: how many failures in a row open it.
        breaker_reset: seconds that it stays open.

    Raises:
        TypeError, ValueError: if a setting is not as described; it names the setting.
    """

    name = "circuit-breaker"
    enabled_by_default = False

    def __init__(self, *, breaker_failures: int = 5, breaker_reset: float = 30.0) -> None:
        failures = count_of("breaker_failures", breaker_failures, least=1)
        reset = seconds_of("breaker_reset", breaker_reset, zero=False)
        self._states = States(lambda handler: _Breaker(handler, failures, reset))

    def __call__(self, handler: Handler, call_next: Call) -> Call:
        """The call of a handler, while its circuit is closed."""
        breaker = self._states.of(handler)
        circuit = breaker.circuit

        async def call(event: Event) -> None:
            ticket, wait = circuit.enter()
            if ticket is None:
                raise CircuitOpenError(breaker.name, wait, breaker.why)
            try:
                await call_next(event)
            except NO_FAILURES:
                circuit.leave(ticket)
                raise
            except Exception as error:
                breaker.fail(ticket, error)
                raise
            except BaseException:
                circuit.leave(ticket)
                raise
            breaker.succeed(ticket)

        return call

    def health(self) -> Mapping[str, int | str]:
        """Of each handler: `circuit_NAME`, its state; `opened_NAME` and `refused_NAME`, counts."""
        told: dict[str, int | str] = {}
        for name, breaker in self._states.named().items():
            told[f"circuit_{name}"] = breaker.circuit.state
            told[f"opened_{name}"] = breaker.circuit.opened
            told[f"refused_{name}"] = breaker.circuit.refused
        return told


class _Breaker(State):
    """The circuit of a handler, and what is told of it.

    Attributes:
        circuit: the circuit.
        why: what opened it, while it is open.
    """

    def __init__(self, handler: Handler, failures: int, reset: float) -> None:
        super().__init__(handler)
        self.circuit = Circuit(failures, reset)
        self._failures = failures
        self._reset = reset
        self._last = ""

    @property
    def why(self) -> str:
        return f"{self._failures} failures in a row, the last of them {self._last}"

    def fail(self, ticket: int, error: Exception) -> None:
        self._last = type(error).__name__  # not what it says: that may be of a payload
        if self.circuit.fail(ticket):
            _log.warning("handler %s is not called for %g s: %s", self.name, self._reset, self.why)

    def succeed(self, ticket: int) -> None:
        if self.circuit.succeed(ticket):
            _log.warning("handler %s is called again: a try of it has succeeded", self.name)
