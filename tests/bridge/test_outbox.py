"""Together with busway-outbox: an event that goes out is recorded until the broker has it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import subprocess
import sys

import pytest
from tests.bridge.servers import KINDS

from busway import Event, EventBus
from busway_bridge import BridgeHandler, BrokerTransport
from busway_outbox import Outbox

PUBLISHER = """
import asyncio, sys
from busway import Event, EventBus
from busway_bridge import BridgeHandler
from busway_outbox import Outbox

async def main(url, subject, database, numbers):
    bus = EventBus()
    Outbox(url=database, lease=1.0, wait_initial=0.1, wait_jitter=0.0).attach(bus)
    bus.subscribe(BridgeHandler(url=url, out={"*": subject}, origin="sender", timeout=60.0))
    async with bus:
        await asyncio.gather(
            *(bus.publish(Event("user.login", {"n": n})) for n in range(int(numbers))),
            asyncio.Event().wait(),
        )

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(params=list(KINDS))
def mortal(request, tmp_path):
    """A server of one's own, not started."""
    server = KINDS[request.param](tmp_path)
    yield server
    server.kill()


@pytest.fixture
def database(tmp_path):
    return tmp_path / "outbox.db"


@pytest.fixture
def publisher(mortal, subject, database):
    """Starts a process that publishes some events and goes on until it is killed."""
    processes = []

    def start(numbers):
        command = [sys.executable, "-c", PUBLISHER, mortal.url, subject, f"sqlite:{database}"]
        processes.append(subprocess.Popen([*command, str(numbers)], stderr=subprocess.DEVNULL))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def states(database):
    """The states of the rows, and how many are in each."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT state, count(*) FROM busway_outbox GROUP BY state")
        return dict(rows.fetchall())


async def until(reached):
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(sqlite3.Error):  # the other process may be making it
                if reached():
                    return
            await asyncio.sleep(0.05)


async def test_what_was_recorded_goes_out_after_a_kill(mortal, publisher, subject, database):
    """The broker is away, the process is killed while its events wait; the next one sends them."""
    first = publisher(20)
    await until(lambda: sum(states(database).values()) == 20)
    assert "done" not in states(database)
    first.kill()
    first.wait()
    await asyncio.to_thread(mortal.start)
    seen = set()

    async def handle(event):
        seen.add(event.payload["n"])
        return True

    receiver = BrokerTransport(f"{mortal.url}?subject={subject}", handle=handle)
    await receiver.start()
    publisher(0)
    await until(lambda: states(database) == {"done": 20})
    await until(lambda: len(seen) == 20)
    await receiver.stop()


async def test_a_row_is_done_when_the_broker_has_acknowledged(mortal, subject, database):
    """And no sooner: one that hangs has not, and what was given up is tried again."""
    await asyncio.to_thread(mortal.start)
    bus = EventBus()
    Outbox(url=f"sqlite:{database}", wait_initial=0.1, wait_jitter=0.0).attach(bus)
    bus.subscribe(BridgeHandler(url=mortal.url, out={"*": subject}, timeout=1.0))
    async with bus:
        (await bus.publish(Event("user.login"))).raise_for_errors()
        await until(lambda: states(database) == {"done": 1})
        mortal.signal(signal.SIGSTOP)
        try:
            assert not (await bus.publish(Event("user.login"))).ok
            assert states(database)["done"] == 1
        finally:
            mortal.signal(signal.SIGCONT)
        await until(lambda: states(database) == {"done": 2})


async def test_an_event_that_came_in_is_no_row_that_waits(servers, subject, database, inbox):
    """It is not for the bridge: nothing is sent again, and nothing is left."""
    server = servers("redis")
    bus = EventBus()
    Outbox(url=f"sqlite:{database}").attach(bus)
    bus.subscribe(inbox)
    bridge = BridgeHandler(url=server.url, out={"*": subject}, subjects=[subject], origin="here")
    bus.subscribe(bridge)
    async with bus:
        transport = BrokerTransport(f"{server.url}?subject={subject}&origin=there")
        await transport.start()
        await transport.send(Event("user.login", {"n": 1}))
        await transport.stop()
        await inbox.count(1)
    assert bridge.health()["sent"] == 0
    assert set(states(database)) <= {"done"}
