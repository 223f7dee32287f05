"""Redis Streams: a stream a subject, a consumer group, idle entries claimed by a subscriber."""

from __future__ import annotations

import asyncio
import json
import math
import os
import secrets
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypedDict, cast

from faststream.middlewares import AckPolicy
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.parser import MessageFormat
from redis.exceptions import RedisError, ResponseError

from busway_bridge._brokers.base import GRACE, Broker, Take, whole
from busway_bridge._brokers.batches import Batches, Item
from busway_bridge.exceptions import BridgeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import TypeAlias

    from faststream._internal.endpoint.subscriber.mixins import TasksMixin
    from faststream.message import StreamMessage
    from faststream.redis.message import RedisStreamMessage
    from redis.asyncio import Redis

    from busway_bridge._options import Options

    _Read: TypeAlias = Sequence[tuple[bytes, Sequence[tuple[bytes, object]]]]
    _Parse: TypeAlias = Callable[[dict[str, object]], Awaitable[StreamMessage[object]]]

__all__ = ["make"]

_FIELD: Final = b"__data__"
_PREFETCH: Final = 16
_ONCE: Final = 5.0  # seconds that it may take to connect, or to answer
_LATE: Final = 5 / 6  # of `ack_wait`: what is older may be claimed while it is prolonged
_POLL: Final = 500  # milliseconds that a read blocks
_KEEPALIVE: Final = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)  # a peer that is gone without a word is noticed in half a minute
}


class _Pending(TypedDict):
    """An entry that was delivered, and not acknowledged."""

    message_id: bytes
    time_since_delivered: int  # milliseconds


class _Plain(MessageFormat):
    """The message as it is: FastStream's own format would hide it from other clients."""

    @classmethod
    async def encode(cls, *, message: bytes, **_: object) -> bytes:  # type: ignore[override]
        return message

    @classmethod
    def parse(cls, data: bytes) -> tuple[bytes, dict[str, object]]:
        return data, {}


async def _parse(message: dict[str, object], parse: _Parse) -> StreamMessage[object]:
    """As FastStream does it, which fails on an entry of others that has no field of its own."""
    fields = cast("dict[bytes, bytes]", message["data"])
    if not fields.get(_FIELD):
        told = {_text(name): _text(value) for name, value in fields.items()}
        message = {**message, "data": {_FIELD: json.dumps(told).encode()}}
    return await parse(message)


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


class _Entry:
    """One delivery of an entry of a stream."""

    def __init__(self, message: RedisStreamMessage, broker: _Redis) -> None:
        self.subject: str = message.raw_message["channel"]
        self.body: bytes = message.body
        self._message = message
        self._broker = broker

    async def ack(self) -> None:
        await self._message.ack()

    async def retry(self, delay: float) -> None:
        self._broker.held.discard((self.subject, *self._message.raw_message["message_ids"]))
        idle = max(self._broker.options.ack_wait - delay, 0)
        await self._broker.age(self.subject, self._message.raw_message["message_ids"], idle)

    async def deliveries(self) -> int:
        return await self._message.get_delivery_count()


class _Redis(Broker):
    """Redis by FastStream."""

    async def open(self) -> None:
        options = self.options
        self._consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._client = RedisBroker(
            options.url,
            logger=self.client_log,
            apply_types=False,
            decoder=whole,
            message_format=_Plain,
            graceful_timeout=GRACE,
            socket_connect_timeout=_ONCE,
            socket_timeout=_ONCE,
            socket_keepalive=True,
            socket_keepalive_options=_KEEPALIVE,
        )
        self._subscribers: list[TasksMixin] = []
        self._batches = Batches(self._flush)
        self.held: set[tuple[object, ...]] = set()
        self._redis: Redis = await self._client.connect()
        self._refuse_other_replies()
        self._hold_what_is_read()
        await self._redis.ping()
        for subject in options.subjects if self.take else ():
            await self._subscribe(subject)
        await self._client.start()

    async def _subscribe(self, subject: str) -> None:
        options = self.options
        try:  # FastStream's own would begin at the end: what was sent before is for the group, too
            await self._redis.xgroup_create(subject, options.group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        wait = math.ceil(options.ack_wait * 1000)
        group, consumer = options.group, self._consumer
        fresh = StreamSub(
            subject,
            group=group,
            consumer=consumer,
            max_records=_PREFETCH,
            polling_interval=_POLL,
        )
        # Redis delivers what nobody acknowledged to nobody, unless somebody claims it
        idle = StreamSub(
            subject,
            group=group,
            consumer=consumer,
            min_idle_time=wait,
            polling_interval=max(min(wait // 4, 1_000), 10),
        )
        for stream, workers in ((fresh, options.concurrency), (idle, 1)):
            subscriber = self._client.subscriber(
                stream=stream, parser=_parse, ack_policy=AckPolicy.MANUAL, max_workers=workers
            )
            subscriber(self._on_entry)
            self._subscribers.append(subscriber)

    async def _on_entry(self, message: RedisStreamMessage) -> None:
        assert self.take is not None  # noqa: S101 - for the type checker
        raw = message.raw_message
        entry = (raw["channel"], *raw["message_ids"])
        self.held.add(entry)
        try:
            await self.take(_Entry(message, self))
        finally:
            self.held.discard(entry)

    def _refuse_other_replies(self) -> None:
        """Those in which FastStream, and this, would find no entry."""
        asked = self._redis.connection_pool.connection_kwargs
        if asked.get("decode_responses") or str(asked.get("protocol") or 2) != "2":
            raise BridgeError(
                f"{self.options.via}: leave `protocol` and `decode_responses` out of the URL: "
                "entries are read as bytes, by RESP2"
            )

    def _hold_what_is_read(self) -> None:
        """Note what has arrived: of a reply that was lost, only Redis knows that it was given."""
        read = self._redis.response_callbacks["XREADGROUP"]

        def hold(response: object, **options: object) -> _Read:
            streams = cast("_Read", read(response, **options))
            for name, entries in streams:
                self.held.update((name.decode(), entry) for entry, _ in entries)
            return streams

        self._redis.set_response_callback("XREADGROUP", hold)

    async def prolong(self) -> None:
        """Make young again what is held here, and still this consumer's."""
        oldest = self.options.ack_wait * _LATE * 1000
        for subject in self.options.subjects:
            pending = await self._pending(subject)
            ids = [
                one["message_id"]
                for one in pending
                if (subject, one["message_id"]) in self.held
                and one["time_since_delivered"] < oldest  # else it may be another's by now
            ]
            if ids:
                await self.age(subject, ids, 0)

    async def send(self, subject: str, body: bytes, key: str) -> None:
        await self._batches.send((subject, body, key))

    async def _flush(self, items: Sequence[Item]) -> Sequence[object]:
        """One round trip, and one sync of the disk, for all."""
        maxlen = self.options.maxlen or None
        pipeline = self._redis.pipeline(transaction=False)
        for subject, body, key in items:
            await self._client.publish(
                body, stream=subject, maxlen=maxlen, correlation_id=key, pipeline=pipeline
            )
        results: Sequence[object] = await pipeline.execute(raise_on_error=False)
        return results

    async def age(self, subject: str, ids: Sequence[bytes | str | int], idle: float) -> None:
        """Let entries look idle for so many seconds: it is how long they wait to be claimed."""
        await self._redis.xclaim(
            subject,
            self.options.group,
            self._consumer,
            0,
            [*ids],
            idle=int(idle * 1000),
            justid=True,
        )

    async def findings(self) -> list[str]:
        try:
            told = await self._redis.config_get("appendonly", "appendfsync", "maxmemory-policy")
        except ResponseError:
            return [f"{self.options.via} does not tell its settings: see to `appendonly` yourself"]
        found = []
        if told.get("appendonly") != "yes":
            found.append("keeps no append-only file, and loses all when it ends: `appendonly yes`")
        elif told.get("appendfsync") != "always":
            found.append(
                "acknowledges events before they are on disk, and may lose the last second or two: "
                "`appendfsync always`"
            )
        if str(told.get("maxmemory-policy")).startswith("allkeys"):
            found.append("may evict streams when memory is short: `maxmemory-policy noeviction`")
        if self.options.maxlen:
            found.append("is told to forget the oldest events, read or not: leave out `maxlen`")
        return [f"{self.options.via} {one}" for one in found]

    def is_receiving(self) -> bool:
        return all(one.running for one in self._subscribers)

    async def close(self) -> None:
        tasks = [task for one in self._subscribers for task in one.tasks]
        for one in self._subscribers:
            await one.stop()
        if tasks:
            await asyncio.wait(tasks)
        await self._batches.close()
        if self.take:
            with suppress(RedisError, OSError):
                await self._leave()
        await self._client.stop()

    async def _pending(self, subject: str) -> Sequence[_Pending]:
        """What this consumer has fetched, and not settled."""
        most = 64 * max(_PREFETCH, self.options.concurrency)
        pending: object = await self._redis.xpending_range(
            subject, self.options.group, "-", "+", most, self._consumer
        )
        return cast("Sequence[_Pending]", pending)

    async def _leave(self) -> None:
        """Hand over what was fetched and not handled; a consumer without any is forgotten."""
        for subject in self.options.subjects:
            group = self.options.group
            pending = await self._pending(subject)
            if pending:
                ids = [one["message_id"] for one in pending]
                await self.age(subject, ids, self.options.ack_wait)
            else:
                await self._redis.xgroup_delconsumer(subject, group, self._consumer)


def make(options: Options, take: Take | None, sends: tuple[str, ...]) -> Broker:
    """A connection to Redis."""
    return _Redis(options, take, sends)
