"""The same work without the bridge: by FastStream alone, and by the native clients.

Each way is a pair of context managers: one gives what sends the payload of a number, the other
what begins to receive, and calls `counted` for each message before it is acknowledged.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager

__all__ = ["FASTSTREAM", "NATIVE"]

_BATCH = 16
_QUIET = logging.getLogger("tests.bridge.peers")
_QUIET.setLevel(logging.WARNING)


def _faststream_redis(url, subject, payload, counted):
    from faststream.redis import RedisBroker, StreamSub

    @asynccontextmanager
    async def out():
        async with RedisBroker(url, logger=_QUIET) as broker:
            yield lambda number: broker.publish(payload(number), stream=subject)

    @asynccontextmanager
    async def come():
        broker = RedisBroker(url, logger=_QUIET)
        client = await broker.connect()
        await client.xgroup_create(subject, "g", id="0", mkstream=True)
        stream = StreamSub(
            subject, group="g", consumer="c", max_records=_BATCH, polling_interval=500
        )

        @broker.subscriber(stream=stream)
        async def handle(message: dict):
            await counted(message)

        yield broker.start
        await broker.stop()

    return out(), come()


def _faststream_nats(url, subject, payload, counted):
    from faststream.nats import JStream, NatsBroker, PullSub
    from nats.js.api import StorageType

    stream = JStream(subject, subjects=[subject], storage=StorageType.FILE)

    @asynccontextmanager
    async def out():
        broker = NatsBroker(url, logger=_QUIET)
        broker.publisher(subject, stream=stream)
        async with broker:
            await broker.start()
            yield lambda number: broker.publish(
                payload(number), subject, stream=subject, timeout=5.0
            )

    @asynccontextmanager
    async def come():
        broker = NatsBroker(url, logger=_QUIET)

        @broker.subscriber(
            subject, stream=stream, durable="g", pull_sub=PullSub(batch_size=_BATCH, timeout=1.0)
        )
        async def handle(message: dict):
            await counted(message)

        yield broker.start
        await broker.stop()

    return out(), come()


def _faststream_rabbit(url, subject, payload, counted):
    from faststream.rabbit import (
        Channel,
        ExchangeType,
        QueueType,
        RabbitBroker,
        RabbitExchange,
        RabbitQueue,
    )

    queue = RabbitQueue(subject, queue_type=QueueType.QUORUM)
    exchange = RabbitExchange(subject, type=ExchangeType.FANOUT, durable=True)

    @asynccontextmanager
    async def out():
        async with RabbitBroker(url, logger=_QUIET) as broker:
            declared = await broker.declare_queue(queue)
            await declared.bind(await broker.declare_exchange(exchange))
            yield lambda number: broker.publish(payload(number), exchange=exchange, persist=True)

    @asynccontextmanager
    async def come():
        broker = RabbitBroker(url, logger=_QUIET, default_channel=Channel(prefetch_count=_BATCH))

        @broker.subscriber(queue, exchange)
        async def handle(message: dict):
            await counted(message)

        yield broker.start
        await broker.stop()

    return out(), come()


def _native_redis(url, subject, payload, counted):
    from redis.asyncio import Redis

    @asynccontextmanager
    async def out():
        async with Redis.from_url(url, protocol=2) as client:
            yield lambda number: client.xadd(subject, {"data": json.dumps(payload(number))})

    @asynccontextmanager
    async def come():
        async with Redis.from_url(url, protocol=2) as client:
            await client.xgroup_create(subject, "g", id="0", mkstream=True)

            async def receive(ended):
                while not ended.is_set():
                    read = await client.xreadgroup(
                        "g", "c", {subject: ">"}, count=_BATCH, block=500
                    )
                    for _, entries in read:
                        for entry, fields in entries:
                            await counted(fields)
                            await client.xack(subject, "g", entry)

            async with _running(receive) as begin:
                yield begin

    return out(), come()


def _native_nats(url, subject, payload, counted):
    import nats

    @asynccontextmanager
    async def out():
        client = await nats.connect(url)
        stream = client.jetstream()
        await stream.add_stream(name=subject, subjects=[subject])
        yield lambda number: stream.publish(subject, json.dumps(payload(number)).encode())
        await client.close()

    @asynccontextmanager
    async def come():
        client = await nats.connect(url)
        pulled = await client.jetstream().pull_subscribe(subject, "g", stream=subject)

        async def receive(ended):
            while not ended.is_set():
                for message in await pulled.fetch(_BATCH, timeout=5):
                    await counted(message)
                    await message.ack()

        async with _running(receive) as begin:
            yield begin
        await client.close()

    return out(), come()


def _native_rabbit(url, subject, payload, counted):
    import aio_pika

    arguments = {"x-queue-type": "quorum"}

    @asynccontextmanager
    async def out():
        async with await aio_pika.connect(url) as client:
            channel = await client.channel()
            await channel.declare_queue(subject, durable=True, arguments=arguments)

            def send(number):
                message = aio_pika.Message(
                    json.dumps(payload(number)).encode(),
                    delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                )
                return channel.default_exchange.publish(message, subject)

            yield send

    @asynccontextmanager
    async def come():
        async with await aio_pika.connect(url) as client:
            channel = await client.channel()
            await channel.set_qos(_BATCH)
            queue = await channel.get_queue(subject)

            async def take(message):
                await counted(message)
                await message.ack()

            yield lambda: queue.consume(take)

    return out(), come()


@asynccontextmanager
async def _running(receive):
    tasks, ended = [], asyncio.Event()

    async def begin():
        tasks.append(asyncio.create_task(receive(ended)))

    yield begin
    ended.set()
    for task in tasks:  # clients that are cancelled may go on
        done, _ = await asyncio.wait([task], timeout=2)
        if not done:
            task.cancel()


FASTSTREAM = {
    "redis": _faststream_redis,
    "nats": _faststream_nats,
    "rabbit": _faststream_rabbit,
}
NATIVE = {"redis": _native_redis, "nats": _native_nats, "rabbit": _native_rabbit}
