"""Retries: a handler that has failed is called again."""

from collections.abc import Collection, Mapping
from typing import Final

import stamina

from busway import BusClosedError, Event, PublishDepthError, SkipHandler
from busway.handlers import Call, Handler
from busway_resilience._settings import count_of, errors_of, seconds_of
from busway_resilience._states import CountingState, States
from busway_resilience.exceptions import CircuitOpenError

__all__ = ["NO_FAILURES", "RetryInterceptor"]

NO_FAILURES: Final = (SkipHandler, CircuitOpenError, BusClosedError, PublishDepthError)
"""What says nothing of a handler, and would be raised again if it were tried again at once."""


class RetryInterceptor:
    """Calls a handler again when it has failed, after a pause.

    The pauses grow: `retry_wait`, twice that, four times, up to `retry_max_wait`, each with up to
    `retry_jitter` more at random, so that many do not come back at once. The publisher waits. When
    all tries have failed, the last error is the outcome.

    `SkipHandler`, cancellation, an open circuit, and a bus that is closed or nested too deep are
    never retried.

    Cancellation: ends a pause or a try at once, and passes.

    Args:
        retries: how many times more a handler is called.
        retry_on: the exceptions after which it is, or their names; an `ExceptionGroup` if all in
            it are such.
        retry_wait: seconds before the second try.
        retry_max_wait: seconds between two tries at most.
        retry_jitter: seconds that are added to each pause at most.

    Raises:
        TypeError, ValueError: if a setting is not as described; it names the setting.
    """

    name = "retry"
    enabled_by_default = False

    def __init__(
        self,
        *,
        retries: int,
        retry_on: Collection[str | type[Exception]] = (Exception,),
        retry_wait: float = 0.1,
        retry_max_wait: float = 5.0,
        retry_jitter: float = 1.0,
    ) -> None:
        self._tries = count_of("retries", retries, least=1) + 1
        self._on = errors_of("retry_on", retry_on)
        self._wait = seconds_of("retry_wait", retry_wait)
        self._max_wait = seconds_of("retry_max_wait", retry_max_wait)
        self._jitter = seconds_of("retry_jitter", retry_jitter)
        self._states = States(CountingState)

    def __call__(self, handler: Handler, call_next: Call) -> Call:
        """The call of a handler, repeated."""
        state = self._states.of(handler)

        async def call(event: Event) -> None:
            try:
                await call_next(event)
            except Exception as error:
                if not self._is_worth_it(error):
                    raise
                await self._again(call_next, event, error, state)

        return call

    def health(self) -> Mapping[str, int | str]:
        """`retries_NAME`: calls of a handler after the first, of those that had some."""
        states = self._states.named().items()
        return {f"retries_{name}": state.count for name, state in states if state.count}

    async def _again(
        self, call_next: Call, event: Event, first: Exception, state: CountingState
    ) -> None:
        """All tries but the first, which is stamina's first: so only who fails pays for it."""
        # not stamina's decorator: its hooks are given the arguments, and log them
        async for attempt in stamina.retry_context(
            self._is_worth_it,
            attempts=self._tries,
            timeout=None,
            wait_initial=self._wait,
            wait_max=self._max_wait,
            wait_jitter=self._jitter,
        ):
            with attempt:
                if attempt.num == 1:
                    raise first
                state.add()
                await call_next(event)

    def _is_worth_it(self, error: BaseException) -> bool:
        if isinstance(error, BaseExceptionGroup):
            return all(map(self._is_worth_it, error.exceptions))
        return isinstance(error, self._on) and not isinstance(error, NO_FAILURES)
