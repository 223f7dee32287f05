"""What every handler promises."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from busway.handlers import handler_name
from busway_testing._cancelling import answer_to_cancellation
from busway_testing._comparing import Kept
from busway_testing._handling import (
    awkward_events,
    call_method,
    deliver,
    handling,
    live_twice_over,
    publish_among_others,
)
from busway_testing._leaks import Left, warnings_of_leaks
from busway_testing._running import fail, run
from busway_testing.conformance import Conformance

if TYPE_CHECKING:
    from busway.events import Event
    from busway_testing._installed import Installed

__all__ = ["HandlerConformance"]


class HandlerConformance(Conformance):
    """The tests of a plugin that brings a handler, by `busway.handlers` or by hooks.

    `event` should be one that it can handle; without one, it gets the first of its `event_types`
    with an empty payload. It is built anew for each test.
    """

    group: ClassVar[str] = "busway.handlers"

    def test_handles_without_start(self, installed: Installed) -> None:
        """A bus need not be started."""
        for handler in installed.handlers():
            outcome = run(deliver(handler, installed.event_for(handler)))
            if outcome.errors:
                fail(
                    f"{handler_name(handler)} failed on {_shown(installed.event_for(handler))}, on "
                    "a bus that was not started. If it needs what `start` prepares, prepare it "
                    "when it is first needed; if it cannot handle this event, give this class an "
                    "`event` that it can",
                    outcome.errors[0],
                )

    def test_handle_lets_cancellation_through(self, installed: Installed) -> None:
        """Whatever it waits for: cancelled there, it cleans up and ends by CancelledError."""
        for place, handler in enumerate(installed.handlers()):
            attempt = partial(handling, installed, place)
            told = asyncio.run(answer_to_cancellation(attempt))
            if told is not None:
                fail(f"handle() of {handler_name(handler)}: {told}")

    def test_handle_leaves_the_event_alone(self, installed: Installed) -> None:
        """Others see the same event."""
        for handler in installed.handlers():
            event = installed.event_for(handler)
            kept = Kept(event)
            run(deliver(handler, event))
            if kept.changes():
                fail(
                    f"{handler_name(handler)} changed {', '.join(kept.changes())} of the event, "
                    "which others see too: work on a copy"
                )

    def test_failure_reaches_nobody_else(self, installed: Installed) -> None:
        """Events it cannot handle stop no other handler, and leave no trace at the publisher."""
        for handler in installed.handlers():
            for event in awkward_events(handler, installed.author_event()):
                told = run(publish_among_others(handler, event))
                if told:
                    fail(
                        f"given {_shown(event)}, {handler_name(handler)} {told}. Whatever an event "
                        "holds, raise an Exception: that is the handler's own outcome"
                    )

    def test_start_and_stop_leave_nothing(self, installed: Installed) -> None:
        """Called twice, they leave no thread, no task, no open file and no warning behind."""
        live_twice_over(installed)  # what is made once a process is made now
        with warnings_of_leaks() as told:
            before = Left()
            handlers, tasks = live_twice_over(installed)
            told += [*tasks, *before.told()]
            del handlers
        if told:
            fail(
                f"after start(), start(), an event, stop() and stop(), there is left: "
                f"{', '.join(told)}. stop() is to end and await what start() and handle() began, "
                "and a second start() is to begin nothing"
            )

    def test_stop_without_start(self, installed: Installed) -> None:
        """Whoever only published may stop it, too."""
        for handler in installed.handlers():
            try:
                run(call_method(handler, "stop"))
            except Exception as error:  # noqa: BLE001 - of the plugin
                fail(
                    f"stop() of {handler_name(handler)} raised, before start() was called: let "
                    "what start() sets up have a value from __init__ on",
                    error,
                )

    def test_health_is_counts_and_states(self, installed: Installed) -> None:
        """By name, before and after an event."""
        for handler in installed.handlers():
            ask = getattr(handler, "health", None)
            for event in (None, installed.event_for(handler)):
                if event is not None:
                    run(deliver(handler, event))
                told: object = ask() if callable(ask) else {}
                if not _is_health(told):
                    fail(
                        f"health() of {handler_name(handler)} returned {told!r}: a mapping of str "
                        "to int or str is expected"
                    )


def _is_health(told: object) -> bool:
    return isinstance(told, Mapping) and all(
        isinstance(key, str) and isinstance(value, int | str) for key, value in told.items()
    )


def _shown(event: Event) -> str:
    return f"{event.type} {dict(event.payload)!r}"
