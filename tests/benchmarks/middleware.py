"""What each middleware and interceptor costs a publish: `python -m tests.benchmarks.middleware`.

All in one run, in turns: a publish of one new event to one handler that does not suspend, with it
and without. Times are of the processor, so that what else the machine does counts little. A figure
is the median of the rounds; what is added is the median of the differences to the publish without,
of the same round.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Final

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from busway import Event, EventBus, EventHandler
from busway_middleware import (
    FilterInterceptor,
    FilterMiddleware,
    LoggingMiddleware,
    RateLimitMiddleware,
    RedactionMiddleware,
    TraceMiddleware,
)
from busway_resilience import (
    CircuitBreakerInterceptor,
    ConcurrencyInterceptor,
    DeadLetterInterceptor,
    ResilienceInterceptor,
    RetryInterceptor,
    TimeoutInterceptor,
)

__all__ = ["main"]

ROUNDS: Final = 40
PUBLISHES: Final = 1_000
KEYS: Final = 10_000
BARE: Final = "without"
VALID: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Nothing(EventHandler):
    """A handler that returns."""

    name = "nothing"
    event_types = ("user.login",)

    async def handle(self, event: Event) -> None:
        pass


def bus_with(*, middleware: object = None, interceptor: object = None) -> EventBus:
    bus = EventBus()
    bus.subscribe(Nothing())
    if middleware is not None:
        bus.add_middleware(middleware)
    if interceptor is not None:
        bus.add_interceptor(interceptor)
    return bus


def limits_alone() -> Callable[[Event], Event | None]:
    """A rate limit on the storage that `limits` brings, as one would write it by hand."""
    limiter, rate = MovingWindowRateLimiter(MemoryStorage()), parse("10000000/minute")
    return lambda event: event if limiter.hit(rate, event.payload["ip_address"]) else None


def rate_limit(**settings: object) -> RateLimitMiddleware:
    return RateLimitMiddleware(rate="1000000/second", per="key", key="ip_address", **settings)


def logging_to_nowhere() -> LoggingMiddleware:
    """A logger whose records are made, and shown nowhere."""
    logger = logging.getLogger("bench.shown")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return LoggingMiddleware(logger="bench.shown")


def contenders(folder: Path) -> dict[str, EventBus]:
    """Buses by what they have."""
    some = {"timeout": 5.0, "retries": 3, "max_concurrency": 100, "breaker_failures": 5}
    letters = folder / "dead.jsonl"
    middleware = {
        "a function that returns the event": lambda event: event,
        "trace: creates": TraceMiddleware(),
        "filter: two lists": FilterMiddleware(allow_types=["user.*"], deny_sources=["robot"]),
        "ratelimit: per key": rate_limit(),
        "peer: limits' own storage": limits_alone(),
        "logging: below the level": LoggingMiddleware(level="DEBUG"),
        "logging: a record": logging_to_nowhere(),
        "redact: nothing to hide": RedactionMiddleware(redact=["api_key"]),
        "redact: one value": RedactionMiddleware(redact=["session"]),
        "redact: one value, keyed hash": RedactionMiddleware(
            redact=["session"], redact_key="ab" * 32
        ),
    }
    interceptors = {
        "handler-filter: another handler": FilterInterceptor(handlers=["x"], types=["*"]),
        "handler-filter: another type": FilterInterceptor(handlers=["*"], types=["x"]),
        "timeout": TimeoutInterceptor(timeout=5.0),
        "retries": RetryInterceptor(retries=3),
        "concurrency": ConcurrencyInterceptor(max_concurrency=100),
        "circuit breaker": CircuitBreakerInterceptor(),
        "dead letter": DeadLetterInterceptor(dead_letter=letters),
        "resilience: nothing on": ResilienceInterceptor(),
        "resilience: all on": ResilienceInterceptor(**some, dead_letter=letters),
    }
    return {
        BARE: bus_with(),
        **{name: bus_with(middleware=one) for name, one in middleware.items()},
        **{name: bus_with(interceptor=one) for name, one in interceptors.items()},
    }


def new_events() -> list[Event]:
    payload = {"user_id": 7, "ip_address": "192.0.2.7", "session": "5e55", "agent": ["curl", "8"]}
    return [Event("user.login", payload, source="web") for _ in range(PUBLISHES)]


async def seconds(bus: EventBus) -> float:
    """What the publishes take, each of an event that was made before."""
    events = new_events()
    began = process_time()
    for event in events:
        result = await bus.publish(event)
    spent = process_time() - began
    assert result.ok
    return spent


async def measure(buses: dict[str, EventBus]) -> dict[str, list[float]]:
    """Microseconds a publish, by round; the first round is not counted."""
    found: dict[str, list[float]] = {name: [] for name in buses}
    for _ in range(ROUNDS + 1):
        for name, bus in buses.items():
            found[name].append(await seconds(bus) / PUBLISHES * 1e6)
        gc.collect()
    return {name: times[1:] for name, times in found.items()}


def megabytes(events: int) -> float:
    """What a rate limit holds that has seen as many keys as it remembers, so often each."""
    limit = RateLimitMiddleware(rate="100/hour", per="key", key="ip_address")
    tracemalloc.start()
    for number in range(KEYS):
        event = Event("user.login", {"ip_address": f"10.0.{number >> 8}.{number & 255}"})
        for _ in range(events):
            limit(event)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / 1e6


def main() -> None:
    with TemporaryDirectory() as folder:
        gc.disable()  # it is run between the rounds
        try:
            found = asyncio.run(measure(contenders(Path(folder))))
        finally:
            gc.enable()
    print(f"Python {sys.version.split()[0]}, {ROUNDS} rounds of {PUBLISHES} publishes\n")
    print("| with | µs a publish | added |\n|---|---|---|")
    for name, times in found.items():
        added = median(with_ - less for with_, less in zip(times, found[BARE], strict=True))
        print(f"| {name} | {median(times):.1f} | {'' if name == BARE else f'{added:+.1f}'} |")
    few, many = megabytes(1), megabytes(100)
    print(f"\nratelimit, {KEYS} keys: {few:.0f} MB with one event each, {many:.0f} MB with 100")


if __name__ == "__main__":
    main()
