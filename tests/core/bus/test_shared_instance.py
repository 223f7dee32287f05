"""The shared bus: one, made once, from whatever thread; set, and reset."""

from __future__ import annotations

import inspect
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from busway import BuswayError, Event, EventBus, EventHandler


class Quiet(EventHandler):
    """Does nothing."""

    event_types = ("user.login",)
    name = "quiet"

    def handle(self, event):
        pass


def test_one_instance():
    """`get_instance` returns the same bus each time."""
    assert EventBus.get_instance() is EventBus.get_instance()


def test_one_instance_whatever_the_thread():
    """Threads that ask at the same moment get the same bus."""
    barrier = Barrier(16)

    def ask(_):
        barrier.wait(10)
        return EventBus.get_instance()

    with ThreadPoolExecutor(16) as pool:
        assert len(set(map(id, pool.map(ask, range(16))))) == 1


def test_private_bus_is_another():
    """`EventBus()` makes a private bus."""
    assert EventBus() is not EventBus.get_instance()


def test_set_instance():
    """`set_instance` makes a configured bus the shared one."""
    bus = EventBus(max_depth=5)
    EventBus.set_instance(bus)
    assert EventBus.get_instance() is bus


def test_set_instance_after_another():
    """`set_instance` raises if there is a shared bus already, which stays."""
    shared = EventBus.get_instance()
    with pytest.raises(BuswayError, match="already"):
        EventBus.set_instance(EventBus())
    assert EventBus.get_instance() is shared


def test_set_instance_with_no_bus():
    """`set_instance` of something else raises TypeError, and sets nothing."""
    with pytest.raises(TypeError):
        EventBus.set_instance("bus")
    assert isinstance(EventBus.get_instance(), EventBus)


def test_reset_forgets_the_bus():
    """After `reset` there is a new shared bus."""
    before = EventBus.get_instance()
    EventBus.reset()
    assert EventBus.get_instance() is not before


def test_set_instance_after_reset():
    """After `reset` a bus can be set."""
    EventBus.get_instance()
    EventBus.reset()
    bus = EventBus()
    EventBus.set_instance(bus)
    assert EventBus.get_instance() is bus


async def test_reset_forgets_handlers_and_middleware():
    """`reset` empties the old bus too, for those who hold it."""
    bus = EventBus.get_instance()
    bus.subscribe(Quiet())
    bus.add_middleware(lambda _: None)
    bus.add_interceptor(lambda _, call: call)
    EventBus.reset()
    result = await bus.publish(Event("user.login"))
    assert (bus.handlers, bus.middleware, bus.interceptors) == ((), (), ())
    assert (result.blocked_by, result.outcomes) == (None, ())


def test_reset_without_a_bus():
    """`reset` with nothing to forget does nothing."""
    EventBus.reset()
    EventBus.reset()
    assert EventBus.get_instance().handlers == ()


async def test_reset_of_a_started_bus_warns_with_names():
    """`reset` on a started bus warns with the names of the handlers not stopped."""
    bus = EventBus.get_instance()
    bus.subscribe(Quiet())
    async with bus:
        with pytest.warns(RuntimeWarning, match="the bus was reset with .* not stopped: quiet"):
            EventBus.reset()


async def test_reset_warning_points_at_the_caller():
    """The warning of `reset` shows the line that called it."""
    bus = EventBus.get_instance()
    bus.subscribe(Quiet())
    async with bus:
        with pytest.warns(RuntimeWarning) as caught:
            EventBus.reset()
    assert [one.filename for one in caught] == [__file__]


async def test_reset_forgets_where_warnings_are_errors():
    """`reset` has forgotten everything when its warning, turned into an error, is raised."""
    bus = EventBus.get_instance()
    bus.subscribe(Quiet())
    async with bus:
        with pytest.raises(RuntimeWarning):  # the tests' filter makes it an error
            EventBus.reset()
        assert bus.handlers == ()


async def test_reset_of_a_stopped_bus_is_silent():
    """`reset` on a bus whose handlers were stopped warns of nothing."""
    bus = EventBus.get_instance()
    bus.subscribe(Quiet())
    async with bus:
        pass
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        EventBus.reset()
    assert caught == []


@pytest.mark.parametrize("depth", [1, 32, 100])
def test_max_depth_in_range(depth):
    """`max_depth` may be from 1 to 100."""
    assert isinstance(EventBus(max_depth=depth), EventBus)


@pytest.mark.parametrize(
    "settings",
    [
        {"max_depth": 0},
        {"max_depth": -1},
        {"max_depth": 101},
        {"max_pending": 0},
        {"start_timeout": -1},
        {"stop_timeout": -0.1},
        {"drain_timeout": -1},
    ],
    ids=str,
)
def test_numbers_out_of_range(settings):
    """Numbers out of range raise ValueError when the bus is made."""
    with pytest.raises(ValueError, match=r"must be|negative"):
        EventBus(**settings)


@pytest.mark.parametrize("timeout", ["start_timeout", "stop_timeout", "drain_timeout"])
def test_a_timeout_may_be_zero(timeout):
    """Then nothing is waited for."""
    assert isinstance(EventBus(**{timeout: 0}), EventBus)


def test_default_timeouts():
    """A handler has ten seconds to start and ten to stop, events have thirty to be delivered."""
    parameters = inspect.signature(EventBus).parameters.values()
    assert {one.name: one.default for one in parameters if one.name.endswith("timeout")} == {
        "start_timeout": 10.0,
        "stop_timeout": 10.0,
        "drain_timeout": 30.0,
    }


def test_settings_are_keyword_only():
    """The bus takes no positional arguments."""
    with pytest.raises(TypeError):
        EventBus(True)
