"""The fixtures. All are sync, so they work whatever runs the async tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from busway_testing._bus import WatchedBus
from busway_testing._record import Record
from busway_testing._shared import functions_under_on_event, standing_in
from busway_testing.muting import Mute
from busway_testing.settling import Settle
from busway_testing.settling import settle as settle_family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from busway.bus import EventBus
    from busway.events import Event
    from busway_testing.captured import CapturedEvents

__all__ = ["bus", "captured_events", "mute", "settle", "shared_bus"]

_RECORD: Final = pytest.StashKey[Record]()
_BUSES: Final = ("bus", "shared_bus")


@pytest.fixture
def bus(request: pytest.FixtureRequest) -> Iterator[EventBus]:
    """A bus of the test's own, as `EventBus()` makes it, not started.

    Its options are given by indirect parametrization:
    `@pytest.mark.parametrize("bus", [{"report_failures": True}], indirect=True)`.

    It is closed after the test; if handlers were started and not stopped, that warns.
    """
    made = _make(request)
    yield made
    _let_go(made, request)


@pytest.fixture
def shared_bus(request: pytest.FixtureRequest) -> Iterator[EventBus]:
    """A new shared bus, for code that calls `EventBus.get_instance()`. Options as for `bus`.

    It has the handlers of all `@on_event` functions in modules that are imported, and nothing
    else. After the test it is reset, and the shared bus is what it was before.
    """
    made = _make(request)
    with standing_in(made) as before:
        known = list(functions_under_on_event())
        earlier = [] if before is None else [one for one in before.handlers if one in known]
        for handler in (*earlier, *known):
            made.subscribe(handler)
        yield made
        _let_go(made, request)


@pytest.fixture
def captured_events(request: pytest.FixtureRequest) -> CapturedEvents:
    """The events published on the test's buses, as handlers see them: what passed the middleware.

    Those that a middleware stops are not in it; those that are muted, or that nobody wants, are.
    """
    return _record(request).captured


@pytest.fixture
def mute(request: pytest.FixtureRequest) -> type[Mute]:
    """Keep events from handlers: to none goes what is published inside a `with` of this."""
    _record(request)
    return Mute


@pytest.fixture
def settle(request: pytest.FixtureRequest) -> Settle:
    """Wait for an event and all its descendants, and raise their failures: see `Settle`."""
    record = _record(request)

    async def settle(event: Event, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - the brake
        await settle_family(record, event, timeout)

    return settle


def _make(request: pytest.FixtureRequest) -> WatchedBus:
    return WatchedBus(_shared_record(request), **getattr(request, "param", {}))


def _let_go(made: WatchedBus, request: pytest.FixtureRequest) -> None:
    """The test is over: what is known of it goes, as pytest keeps its node to the end."""
    if _RECORD in request.node.stash:
        del request.node.stash[_RECORD]
    made.let_go()


def _record(request: pytest.FixtureRequest) -> Record:
    """The test's record, for a fixture that is of use only if there is a bus to watch."""
    if not set(_BUSES) & set(request.fixturenames):
        pytest.fail(
            f"{request.fixturename} watches the buses of the fixtures, and this test has none: "
            "it needs the fixture `bus` or `shared_bus` too",
            pytrace=False,
        )
    return _shared_record(request)


def _shared_record(request: pytest.FixtureRequest) -> Record:
    """One for all fixtures of a test."""
    stash: pytest.Stash = request.node.stash
    return stash.setdefault(_RECORD, Record())
