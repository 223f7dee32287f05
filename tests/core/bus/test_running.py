"""running(): the same on a loop in a thread of its own, for sync applications."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading

import pytest

from busway import ANY, BusClosedError, BuswayError, Event, EventBus, EventHandler


class Staged(EventHandler):
    """Notes its stages, and the threads they run in."""

    event_types = (ANY,)

    def __init__(self, error=None):
        self.notes = []
        self.threads = set()
        self.error = error

    def note(self, stage):
        self.notes.append(stage)
        self.threads.add(threading.current_thread())

    async def start(self, bus):
        self.note("start")
        if self.error is not None:
            raise self.error

    async def handle(self, event):
        await asyncio.sleep(0)
        self.note("handle")

    async def stop(self):
        self.note("stop")


def test_stages_run_in_one_other_thread(bus):
    """Handlers are started, handle and are stopped in one thread, not the caller's."""
    handler = Staged()
    bus.subscribe(handler)
    with bus.running():
        result = bus.publish_threadsafe(Event("user.login")).result(10)
    assert (result.ok, handler.notes) == (True, ["start", "handle", "stop"])
    assert len(handler.threads) == 1
    assert threading.current_thread() not in handler.threads


def test_gives_the_bus(bus):
    """`with bus.running() as same` gives the bus."""
    with bus.running() as same:
        assert same is bus


def test_thread_ends(bus):
    """Afterwards its thread has ended."""
    before = set(threading.enumerate())
    with bus.running():
        assert len(set(threading.enumerate()) - before) == 1
    assert set(threading.enumerate()) == before


def test_delivers_before_it_ends(bus):
    """What was sent inside is delivered before it ends."""
    handler = Staged()
    bus.subscribe(handler)
    with bus.running():
        for _ in range(10):
            bus.publish_threadsafe(Event("user.login"))
    assert handler.notes == ["start", *["handle"] * 10, "stop"]


def test_bus_is_closed_afterwards(bus):
    """Afterwards the bus is closed."""
    with bus.running():
        pass
    with pytest.raises(BusClosedError):
        bus.publish_threadsafe(Event("user.login"))


def test_can_be_run_again(bus):
    """A bus that ran may run again."""
    handler = Staged()
    bus.subscribe(handler)
    for _ in range(2):
        with bus.running():
            bus.publish_threadsafe(Event("user.login")).result(10)
    assert handler.notes == ["start", "handle", "stop"] * 2


def test_exception_in_the_block(bus):
    """An exception in the block passes; the bus is stopped all the same."""
    handler = Staged()
    bus.subscribe(handler)
    with pytest.raises(ZeroDivisionError), bus.running():
        1 / 0  # noqa: B018 - it raises
    assert handler.notes == ["start", "stop"]


@pytest.mark.parametrize("error", [ValueError("no port"), SystemExit("no port")], ids=repr)
def test_handler_that_does_not_start(bus, logged, error):
    """A handler whose start raises is left out and reported; the bus runs."""
    handler, other = Staged(error), Staged()
    bus.subscribe(handler)
    bus.subscribe(other)
    with bus.running():
        bus.publish_threadsafe(Event("user.login")).result(10)
        assert ["no port" in str(told) for told in bus.health().values()] == [False, True]
    assert (handler.notes, other.notes) == (["start"], ["start", "handle", "stop"])
    assert len(logged()) == 1


def test_start_that_interrupts(bus):
    """What takes the loop down while the bus is entered is raised in the caller's thread."""
    before = set(threading.enumerate())
    bus.subscribe(Staged(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt), bus.running():
        pytest.fail("it must not be entered")
    assert set(threading.enumerate()) == before


def test_running_twice(bus):
    """A running bus may not be run again."""
    with bus.running():
        with pytest.raises(BuswayError, match="running"), bus.running():
            pytest.fail("it must not be entered")
        assert bus.publish_threadsafe(Event("user.login")).result(10).ok


def test_entering_a_bus_that_runs(bus):
    """A running bus may not be entered on another loop."""

    async def enter():
        async with bus:
            pytest.fail("it must not be entered")

    with bus.running():
        with pytest.raises(BuswayError, match="running"):
            asyncio.run(enter())
        assert bus.publish_threadsafe(Event("user.login")).result(10).ok


def test_publish_on_a_loop_of_ones_own(bus):
    """The bus belongs to no loop: a caller may publish on its own meanwhile."""
    handler = Staged()
    bus.subscribe(handler)
    with bus.running():
        result = asyncio.run(bus.publish(Event("user.login")))
    assert (result.ok, handler.notes) == (True, ["start", "handle", "stop"])
    assert threading.current_thread() in handler.threads


def test_drain_timeout():
    """What is late is cancelled, as when a bus is left."""
    bus, ended = EventBus(drain_timeout=0.01), []

    class Late(Staged):
        async def handle(self, event):
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(event)

    bus.subscribe(Late())
    with bus.running():
        future = bus.publish_threadsafe(Event("user.login"))
    assert [one.status for one in future.result(0).outcomes] == ["cancelled"]
    assert len(ended) == 1


INTERRUPTED = """
import asyncio, signal, sys, threading, time
from busway import ANY, EventBus, EventHandler

class Slow(EventHandler):
    event_types = [ANY]
    async def handle(self, event): ...
    async def start(self, bus):
        await asyncio.sleep(float(sys.argv[1]))
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        await asyncio.sleep(float(sys.argv[1]))
    async def stop(self):
        print("stopped", flush=True)

bus = EventBus()
bus.subscribe(Slow())
for _ in range(5):
    try:
        with bus.running():
            time.sleep(0.2)  # where a late interrupt comes
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to threads")
@pytest.mark.parametrize("seconds", [0, 0.01], ids=["as the thread begins", "later"])
def test_interrupt_while_it_starts(seconds):
    """Ctrl-C while the bus starts stops what was started, and leaves; it does not hang."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(seconds)],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    assert set(done.stdout.split("\n")) <= {"stopped", "interrupted", ""}, done.stderr
    assert (done.stdout.count("interrupted"), done.returncode) == (5, 0)
