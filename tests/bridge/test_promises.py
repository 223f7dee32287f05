"""What a broker promises is looked at when the bus starts, and when somebody asks."""

from __future__ import annotations

import asyncio
import base64
import json
import logging

import pytest
from tests.bridge.servers import Redis

from busway import Event, EventBus, EventHandler
from busway_bridge import (
    BridgeError,
    BridgeHandler,
    BrokerTransport,
    TooLargeError,
    encode,
)


class Lazy(Redis):
    """Redis as it is configured by Debian, almost."""

    sync = "everysec"


@pytest.fixture
def lazy(tmp_path):
    server = Lazy(tmp_path)
    server.start()
    yield server
    server.kill()


async def test_a_redis_that_syncs_late_is_told_of(lazy, caplog):
    """At start, in the log; the remedy with it."""
    bus = EventBus()
    bus.subscribe(BridgeHandler(url=lazy.url, out={"*": "s"}))
    caplog.set_level(logging.WARNING, "busway.bridge")
    async with bus:
        assert "`appendfsync always`" in caplog.text


async def test_the_doctor_is_told_as_well(lazy):
    """From within a loop, too."""
    (finding,) = BridgeHandler(url=lazy.url, out={"*": "s"}).busway_diagnose()
    assert "`appendfsync always`" in finding


def test_the_doctor_is_told_that_a_broker_is_away():
    """Without a secret."""
    bridge = BridgeHandler(url="nats://u:s3cret@127.0.0.1:1", out={"*": "s"})
    (finding,) = bridge.busway_diagnose()
    assert "nats://127.0.0.1:1 cannot be reached" in finding
    assert "s3cret" not in finding


async def test_what_keeps_its_promises_has_nothing_to_tell(server, subject):
    """As the tests' servers do."""
    transport = BrokerTransport(f"{server.url}?subject={subject}")
    assert await transport.start() == []
    await transport.stop()


async def test_a_stream_in_memory_is_told_of(servers, subject):
    """And one that forgets, and one that knows no duplicates."""
    import nats
    from nats.js.api import StorageType, StreamConfig

    server = servers("nats")
    client = await nats.connect(server.url)
    await client.jetstream().add_stream(
        StreamConfig(name=subject, subjects=[subject], storage=StorageType.MEMORY, max_msgs=10)
    )
    await client.close()
    transport = BrokerTransport(f"{server.url}?subject={subject}")
    told = await transport.start()
    await transport.stop()
    assert [one.partition(subject + " ")[2].partition(subject + " ")[2] for one in told] == [
        "is in memory, and lost with the server: make it of files",
        "forgets what is old, read or not: lift its limits",
    ]


async def test_a_consumer_that_acknowledges_by_itself_is_refused(servers, subject):
    """It would lose what fails."""
    import nats
    from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig

    server = servers("nats")
    client = await nats.connect(server.url)
    manager = client.jetstream()
    await manager.add_stream(StreamConfig(name=subject, subjects=[subject]))
    await manager.add_consumer(
        subject, ConsumerConfig(durable_name=f"busway-{subject}", ack_policy=AckPolicy.NONE)
    )
    await client.close()

    async def handle(event):
        return True

    transport = BrokerTransport(f"{server.url}?subject={subject}", handle=handle)
    with pytest.raises(BridgeError, match="acknowledges by itself"):
        await transport.start()
    await transport.stop()


async def test_a_second_try_adds_nothing_to_a_stream(servers, subject):
    """JetStream knows the event by its id."""
    import nats

    server = servers("nats")
    transport = BrokerTransport(f"{server.url}?subject={subject}")
    await transport.start()
    event = Event("user.login")
    await transport.send(event)
    await transport.send(event)
    await transport.stop()
    client = await nats.connect(server.url)
    assert (await client.jetstream().stream_info(subject)).state.messages == 1
    await client.close()


async def test_a_redis_consumer_that_ended_well_is_forgotten(redis, subject, inbox):
    """So they do not add up with every start."""
    from redis.asyncio import Redis as Client

    bus = EventBus()
    bus.subscribe(inbox)
    bus.subscribe(BridgeHandler(url=redis.url, subjects=[subject]))
    async with bus:
        pass
    async with Client.from_url(redis.url) as client:
        assert await client.xinfo_consumers(subject, "busway") == []


async def test_an_event_that_is_too_large_for_the_broker_fails_at_once(servers, subject):
    """NATS takes a megabyte, header and all; those behind it are sent."""
    server = servers("nats")
    transport = BrokerTransport(f"{server.url}?subject={subject}")
    await transport.start()
    least = len(encode(Event("user.login", {"x": ""}), "x" * 100))
    for size in (2**21, 2**20 - 1, 2**20 - least):
        with pytest.raises(TooLargeError, match="raise its max_payload"):
            await transport.send(Event("user.login", {"x": "x" * size}))
    await transport.send(Event("user.login", {"x": "x" * (2**20 - 1000)}))
    await transport.stop()


async def test_a_large_message_that_is_no_event_is_a_dead_letter_in_part(servers, subject):
    """Its dead letter would be larger than NATS takes, and it would come again for ever."""
    import nats

    server = servers("nats")
    seen = asyncio.Event()

    async def handle(event):
        seen.set()
        return True

    transport = BrokerTransport(f"{server.url}?subject={subject}", handle=handle)
    await transport.start()
    await transport._send(subject, b"\xff" * 1_000_000, "1")
    await transport.send(Event("user.login"))
    async with asyncio.timeout(30):
        await seen.wait()
    await transport.stop()
    client = await nats.connect(server.url)
    subscription = await client.jetstream().subscribe(f"{subject}.dead", ordered_consumer=True)
    told = json.loads((await subscription.next_msg(timeout=30)).data)["data"]
    await client.close()
    assert "of its 1000000 bytes, these are the first 10000" in told["reason"]
    assert base64.b64decode(told["body_base64"]) == b"\xff" * 10_000


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("kind", ["redis", "nats"])
async def test_what_waits_for_its_turn_is_nobody_else_s(servers, subject, inbox, kind, concurrency):
    """As long as the worker lives that has fetched it, however long its handlers take."""
    go_on, begun = asyncio.Event(), asyncio.Event()
    slow, settings = [], {"url": servers(kind).url, "subjects": [subject], "ack_wait": 0.5}

    class Slow(EventHandler):
        event_types = ("user.login",)

        async def handle(self, event):
            begun.set()
            await go_on.wait()
            slow.append(event.payload["n"])

    sender, first, second = EventBus(), EventBus(), EventBus()
    sender.subscribe(BridgeHandler(url=settings["url"], out={"*": subject}, origin="a"))
    first.subscribe(Slow())
    first.subscribe(BridgeHandler(**settings, origin="b", concurrency=concurrency))
    second.subscribe(inbox)
    second.subscribe(BridgeHandler(**settings, origin="b"))
    async with sender:
        for n in range(8):
            (await sender.publish(Event("user.login", {"n": n}))).raise_for_errors()
    async with first:
        await begun.wait()  # it has fetched them all
        async with second:
            await asyncio.sleep(2.0)  # four times `ack_wait`: there is nothing to wait for but time
            go_on.set()
            async with asyncio.timeout(30):
                while len(slow) < 8:
                    await asyncio.sleep(0.01)
    assert sorted(slow) == list(range(8))
    assert inbox.events == []


@pytest.mark.parametrize("option", ["protocol=3", "decode_responses=true"])
async def test_a_redis_that_would_answer_otherwise_is_refused(redis, option):
    """Nothing would be received, and nothing said."""
    transport = BrokerTransport(f"{redis.url}?{option}")
    with pytest.raises(BridgeError, match="leave `protocol` and `decode_responses` out"):
        await transport.start()
    await transport.stop()


async def test_a_reply_of_redis_that_was_lost_is_handled(redis, subject, inbox):
    """By the very worker that it was for: Redis has given it the entry, and it has not got it."""
    import redis.asyncio as native

    bus = EventBus()
    bus.subscribe(inbox)
    bus.subscribe(BridgeHandler(url=redis.url, subjects=[subject], ack_wait=0.5))
    client = native.Redis.from_url(redis.url)
    async with client, bus:
        await client.xadd(subject, {"__data__": encode(Event("user.login", {"n": 0}))})
        await inbox.count(1)  # it has begun to read
        (consumer,) = await client.xinfo_consumers(subject, "busway")
        async with client.pipeline(transaction=True) as both:  # before the worker can read it
            both.xadd(subject, {"__data__": encode(Event("user.login", {"n": 1}))})
            both.xreadgroup("busway", consumer["name"], {subject: ">"})
            await both.execute()
        await inbox.count(2)
    assert inbox.numbers == [0, 1]
