"""A broker that goes away: senders wait, what it kept arrives, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress

import pytest
from tests.bridge.servers import KINDS, Redis

from busway import Event, EventBus
from busway_bridge import BridgeError, BridgeHandler, BrokerAwayError, BrokerTransport

AWAY = "redis://127.0.0.1:1"


@pytest.fixture(params=list(KINDS))
def mortal(request, tmp_path):
    """A server of one's own, to be killed."""
    server = KINDS[request.param](tmp_path)
    server.start()
    yield server
    server.kill()


async def test_nothing_is_lost_when_the_broker_is_killed(mortal, subject, inbox):
    """Events that are being sent then wait, and all arrive when it is back."""
    sender, receiver = EventBus(), EventBus()
    out = BridgeHandler(url=mortal.url, out={"*": subject}, origin="a", timeout=120.0)
    sender.subscribe(out)
    receiver.subscribe(inbox)
    receiver.subscribe(BridgeHandler(url=mortal.url, subjects=[subject], origin="b", ack_wait=2.0))

    killed = asyncio.Event()

    async def send(first):
        for n in range(first, 200, 4):
            if n >= 100:
                await killed.wait()
            (await sender.publish(Event("user.login", {"n": n}))).raise_for_errors()

    async with sender, receiver:
        sending = asyncio.gather(*map(send, range(4)))
        await inbox.count(50)
        if mortal.forgets_for:  # there is nothing to wait for but time
            await asyncio.sleep(mortal.forgets_for)
        killing = asyncio.to_thread(mortal.kill)
        killed.set()
        await killing
        await asyncio.to_thread(mortal.start)
        await sending
        async with asyncio.timeout(120):
            while len(set(inbox.numbers)) < 200:
                await asyncio.sleep(0.05)
    assert set(inbox.numbers) == set(range(200))
    assert out.health()["sent"] == 200


async def test_an_event_that_is_not_acknowledged_fails_loudly():
    """Within the time that it is given; the outcome says so, without secrets."""
    bus = EventBus()
    bus.subscribe(BridgeHandler(url="redis://u:s3cret@127.0.0.1:1", out={"*": "s"}, timeout=0.3))
    result = await bus.publish(Event("user.login"))
    (error,) = result.errors
    assert isinstance(error, BridgeError)
    assert "redis://127.0.0.1:1 has not acknowledged event" in str(error)
    assert "s3cret" not in str(error)


async def test_a_broker_that_hangs_is_a_failure_in_time(mortal, subject):
    """However much is waiting to be written to it; when it goes on, so do the senders."""
    bus = EventBus()
    bus.subscribe(BridgeHandler(url=mortal.url, out={"*": subject}, timeout=1.0))
    async with bus:
        (await bus.publish(Event("user.login"))).raise_for_errors()
        mortal.signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(30):
                for _ in range(2):
                    events = [Event("user.login", {"x": "x" * 30_000}) for _ in range(200)]
                    results = await bus.publish_many(events)
                    assert not any(result.ok for result in results)
        finally:
            mortal.signal(signal.SIGCONT)
        async with asyncio.timeout(60):
            while not (await bus.publish(Event("user.login"))).ok:
                pass


async def test_no_more_wait_than_the_buffer_holds():
    """The others wait for a place, and fail in time as well."""
    bus = EventBus()
    bus.subscribe(BridgeHandler(url=AWAY, out={"*": "s"}, timeout=0.3, buffer=2))
    results = await bus.publish_many([Event("user.login") for _ in range(5)])
    told = sorted(str(result.errors[0]).partition(": ")[2] for result in results)
    assert told[2:] == ["it is too slow"] * 3
    assert all(one.startswith("BrokerAwayError") for one in told[:2])


async def test_a_bus_starts_though_its_broker_is_away(tmp_path, subject, inbox, caplog):
    """It says so, and what is sent and received begins when the broker comes."""
    server = Redis(tmp_path)
    bus = EventBus()
    bridge = BridgeHandler(
        url=server.url, out={"user.*": subject}, subjects=[subject], origin="here"
    )
    bus.subscribe(bridge)
    bus.subscribe(inbox)
    caplog.set_level(logging.WARNING, "busway.bridge")
    try:
        async with bus:
            assert "cannot be reached" in caplog.text
            publishing = asyncio.create_task(bus.publish(Event("user.login", {"n": 1})))
            await asyncio.to_thread(server.start)
            assert (await publishing).ok
            transport = BrokerTransport(f"{server.url}?subject={subject}&origin=there")
            await transport.start()
            await transport.send(Event("user.login", {"n": 2}))
            await transport.stop()
            await inbox.count(2)
    finally:
        server.kill()


async def test_a_stream_that_is_gone_is_made_anew(redis, subject, inbox):
    """FastStream gives up on it; the bridge begins again."""
    from redis.asyncio import Redis as Client

    bus = EventBus()
    bus.subscribe(inbox)
    bus.subscribe(BridgeHandler(url=redis.url, subjects=[subject], origin="here"))
    async with bus, Client.from_url(redis.url) as client:
        await client.delete(subject)
        async with asyncio.timeout(60):
            while not inbox.events:
                transport = BrokerTransport(f"{redis.url}?subject={subject}&origin=there")
                await transport.start()
                await transport.send(Event("user.login", {"n": 1}))
                await transport.stop()
                await asyncio.sleep(0.5)


async def test_a_transport_says_that_its_broker_is_away():
    """At once, for whoever asked."""
    transport = BrokerTransport(AWAY)
    with pytest.raises(BrokerAwayError, match=r"redis://127\.0\.0\.1:1 cannot be reached"):
        await transport.start()
    await transport.stop()


async def test_a_start_that_is_cancelled_leaves_nothing(redis, subject, inbox):
    """At whatever it is: no connection, and nobody who receives."""
    from redis.asyncio import Redis as Client

    bus, steps, done = EventBus(), 1, False
    bus.subscribe(inbox)
    tasks = asyncio.all_tasks()
    async with Client.from_url(redis.url) as client:
        others = len(await client.client_list())
        while not done:
            bridge = BridgeHandler(url=redis.url, out={"*": subject}, subjects=[subject])
            starting = asyncio.create_task(bridge.start(bus))
            for _ in range(steps):
                await asyncio.sleep(0)
            starting.cancel()
            await asyncio.wait([starting])
            done = not starting.cancelled()
            if done:
                await bridge.stop()
            assert asyncio.all_tasks() == tasks
            async with asyncio.timeout(30):
                while len(await client.client_list()) > others:
                    await asyncio.sleep(0.01)
            steps += 1 + steps // 3


async def test_it_stops_though_a_client_swallows_the_cancellation(redis, subject, monkeypatch):
    """As redis-py does on Python 3.11, when the answer comes just then."""
    from busway_bridge._brokers.redis import _Redis

    prolonging = asyncio.Event()

    async def prolong(broker):
        prolonging.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    monkeypatch.setattr(_Redis, "prolong", prolong)
    bridge = BridgeHandler(url=redis.url, subjects=[subject], ack_wait=0.1)
    await bridge.start(EventBus())
    async with asyncio.timeout(30):
        await prolonging.wait()
        await bridge.stop()


async def test_nats_is_sent_to_again_however_much_it_refused(tmp_path, subject):
    """While it is away its client refuses what it has no room for, without giving up its place."""
    server = KINDS["nats"](tmp_path)
    server.start()
    transport = BrokerTransport(f"{server.url}?subject={subject}&timeout=3&buffer=1000")
    text = "x" * 20_000

    async def refused(n):
        with pytest.raises(BridgeError):
            await transport.send(Event("user.login", {"n": n, "text": text}))

    try:
        await transport.start()
        server.kill()
        await refused(0)  # by the end of it, its client has noticed
        await asyncio.gather(*map(refused, range(1000)))
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(60):
            while True:
                with suppress(BridgeError):  # until its client has found it again
                    await transport.send(Event("user.login"))
                    break
    finally:
        await transport.stop()
        server.kill()
