"""Processes that end, fork and die, disks that are full, and servers that go away."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from tests.audit.trail import fork
from tests.outbox.conftest import Durable, bus_with, rows, stopped, until
from tests.outbox.servers import Postgres, missing
from tests.outbox.test_relay import left_behind

from busway import Event
from busway_outbox import Outbox


def created(**payload):
    return Event("user.created", payload)


PROGRAM = """
import asyncio, os, sys
from busway import Event, EventBus
from busway.handlers import EventHandler
from busway_outbox import Outbox

class Durable(EventHandler):
    name = "tests.Durable"
    durable = True
    event_types = ("user.created",)
    async def handle(self, event):
        {handle}

async def main():
    bus, outbox = EventBus(), Outbox(url=sys.argv[1], lease=float(sys.argv[2]), poll=0.02)
    outbox.attach(bus)
    bus.subscribe(Durable())
    {work}

asyncio.run(main())
"""
PUBLISH = 'for n in range(10): await bus.publish(Event("user.created", {"n": n}))'
RELAY = "async with bus: await asyncio.to_thread(sys.stdin.read)"


def publisher(url, handle="pass"):
    code = PROGRAM.format(handle=handle, work=PUBLISH)
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code, url, "0.3"],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_interpreter_s_exit_commits_what_is_on_its_way(url):
    """Nobody has stopped the outbox, or flushed it; nothing is printed."""
    done = publisher(url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert rows(url, "state") == [("done",)] * 10


async def test_what_was_at_work_when_its_process_was_killed_is_done(make, url, durable):
    """By the next process that looks, when the lease has ended."""
    killed = "event.payload['n'] == 3 and os.kill(os.getpid(), 9)"
    assert publisher(url, killed).returncode == -signal.SIGKILL
    async with bus_with(make(), durable):
        await until(url, [("done",)] * 4, "state")
    assert 3 in [one.payload["n"] for one in durable.got]


async def test_two_processes_share_the_rows(url):
    """Each row is at work in one of them."""
    for _ in range(40):
        left_behind(url, created())
    handle = "print(event.id, flush=True); await asyncio.sleep(0.01)"
    code = PROGRAM.format(handle=handle, work=RELAY)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    both = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, url, "60", **pipes)
        for _ in range(2)
    ]
    await until(url, [("done",)] * 40, "state")
    told = [(await one.communicate(b""))[0].split() for one in both]
    assert len(told[0]) + len(told[1]) == 40
    assert len({*told[0], *told[1]}) == 40


async def test_forked_children_have_outboxes_of_their_own(make, url):
    """Their rows are recorded by their own connections, and the parent goes on with his.

    Each is forked while the parent's thread may be in the middle of a transaction: SQLite's locks
    are not inherited, and its memory is.
    """
    outbox, handler = make(), Durable()
    bus = bus_with(outbox, handler)

    async def in_child():
        for _ in range(5):
            assert (await bus.publish(created())).ok
        await outbox.stop()

    async with stopped(outbox):
        for _ in range(5):
            await bus.publish(created())  # the end of it is on its way
            child = fork()
            if child == 0:
                code = 1
                try:
                    asyncio.events._set_running_loop(None)
                    asyncio.run(in_child())
                    code = 0
                finally:
                    os._exit(code)
            for _ in range(5):
                assert (await bus.publish(created())).ok
            _, status = os.waitpid(child, 0)
            assert status == 0
    assert rows(url, "state") == [("done",)] * 55


@contextmanager
def full_disk(size):
    """As a disk on which no file can grow: `RLIMIT_FSIZE`."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


async def test_a_full_disk_runs_no_handler_and_loses_nothing(tmp_path):
    """Publishers are told, and when there is room again it goes on."""
    url = f"sqlite:{tmp_path / 'outbox.db'}"
    outbox, handler = Outbox(url=url, wait_initial=0.01, poll=0.02), Durable()
    well = 0
    async with stopped(outbox):
        bus = bus_with(outbox, handler)
        with full_disk(300_000):
            for _ in range(40):
                well += (await bus.publish(created(filling="x" * 5_000))).ok
                result = await bus.publish(created(filling="x" * 400_000))
                assert "nothing was recorded" in str(result.errors[0])
        assert len(handler.got) == well
        assert (await bus.publish(created(filling="x" * 400_000))).ok
        await outbox.flush()
        assert outbox.health()["error"] == ""
    assert [one[0] for one in rows(url, "state")] == ["done"] * (well + 1)


@pytest.mark.skipif(bool(missing()), reason=missing())
async def test_a_server_that_is_killed_and_started_again_is_gone_on_with(durable):
    """While it is away publishers are told; then what is left is done."""
    with Postgres(fsync=True) as server:
        url = server.database()
        outbox = Outbox(url=url, poll=0.02, wait_initial=0.01, wait_jitter=0.0, lease=0.5)
        failing = Durable(failures=1)
        async with bus_with(outbox, failing) as bus:
            await bus.publish(created())
            await until(url, [("done", 2)], "state, attempts")
            await asyncio.to_thread(server.kill)
            result = await bus.publish(created())
            assert "nothing was recorded or handled" in str(result.errors[0])
            assert outbox.health()["error"]
            await asyncio.to_thread(server.start)
            assert (await bus.publish(created())).ok
            await until(url, [("done", 2), ("done", 1)], "state, attempts")
            left_behind(url, created())
            await until(url, [("done",)] * 3, "state")
        assert outbox.health()["error"] == ""
