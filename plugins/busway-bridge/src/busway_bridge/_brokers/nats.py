"""NATS JetStream: a durable stream for each subject that has none, a durable consumer a group."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from faststream.middlewares import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.message import NatsMessage
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy as Acknowledgement
from nats.js.api import ConsumerConfig, DiscardPolicy, Header, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from busway_bridge._brokers.base import GRACE, Broker, Take, cancellations, whole
from busway_bridge.exceptions import BridgeError, BrokerAwayError, TooLargeError

if TYPE_CHECKING:
    from faststream._internal.endpoint.subscriber.mixins import TasksMixin
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

    from busway_bridge._options import Options

__all__ = ["make"]

_PREFETCH: Final = 16
_WAITING: Final = 8_192  # requests that a consumer keeps: those of 512 workers at least
_WINDOW: Final = 120.0  # seconds in which JetStream knows an id again: its own default
_HEADER: Final = 64  # bytes of it, besides names
_NO_TOKEN: Final = re.compile(r"[^A-Za-z0-9_-]")


async def _parse(batch: list[Msg]) -> NatsMessage:
    """The message of a batch of one, without the ids that FastStream would make up."""
    (message,) = batch
    return NatsMessage(raw_message=message, body=message.data, correlation_id=message.reply)


class _Delivery:
    """One delivery of a message of a stream."""

    def __init__(self, message: NatsMessage) -> None:
        self.subject: str = message.raw_message.subject
        self.body: bytes = message.body
        self._message = message

    async def ack(self) -> None:
        await self._message.ack()

    async def retry(self, delay: float) -> None:
        await self._message.nack(delay=delay)

    async def prolong(self) -> None:
        await self._message.raw_message.in_progress()

    async def deliveries(self) -> int:
        return self._message.raw_message.metadata.num_delivered


class _Nats(Broker):
    """JetStream by FastStream."""

    async def open(self) -> None:
        self._streams: dict[str, str] = {}
        self._subscribers: list[TasksMixin] = []
        self._fetched: set[_Delivery] = set()
        self._client = NatsBroker(
            self.options.url,
            logger=self.client_log,
            apply_types=False,
            decoder=whole,
            graceful_timeout=GRACE,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            connect_timeout=2,
        )
        self._connection: Client = await self._client.connect()
        # as many as are sent at once; a place is free again a turn of the loop after its message
        self._js: JetStreamContext = self._connection.jetstream(
            publish_async_max_pending=2 * self.options.buffer
        )
        for subject in self.sends:
            await self._stream(subject)
        for subject in self.options.subjects if self.take else ():
            await self._subscribe(subject)
        await self._client.start()

    async def _stream(self, subject: str) -> str:
        """The stream that keeps a subject: any that has it, or a new one of its own."""
        if subject not in self._streams:
            try:
                name = await self._js.find_stream_name_by_subject(subject)
            except NotFoundError:
                name = _NO_TOKEN.sub("_", subject)
                config = StreamConfig(
                    name=name,
                    subjects=[subject],
                    storage=StorageType.FILE,
                    discard=DiscardPolicy.NEW,  # a full one refuses, it does not forget
                    duplicate_window=_WINDOW,
                )
                await self._js.add_stream(config)
            self._streams[subject] = name
        return self._streams[subject]

    async def _subscribe(self, subject: str) -> None:
        stream = await self._stream(subject)
        durable = _NO_TOKEN.sub("_", f"{self.options.group}-{subject}")
        at_once = max(_PREFETCH, self.options.concurrency)
        config = ConsumerConfig(
            ack_policy=Acknowledgement.EXPLICIT,
            ack_wait=self.options.ack_wait,
            max_deliver=-1,
            max_ack_pending=at_once * 64,
            max_waiting=max(at_once * 64, _WAITING),
        )
        # One that asks for several waits for all of them, or for its time to be up: up to a second
        # when several workers share the consumer. So there are several that ask for one. FastStream
        # would have several at work by `max_workers`, and keep messages where they are not seen
        for _ in range(at_once):
            self._add_subscriber(subject, stream, durable, config)
        with suppress(NotFoundError):  # it is made when the subscriber starts
            made = (await self._js.consumer_info(stream, durable)).config
            if made.ack_policy != Acknowledgement.EXPLICIT:
                raise BridgeError(
                    f"{self.options.via}: the consumer {durable} of the stream {stream} "
                    "acknowledges by itself: delete it, or take another group"
                )

    def _add_subscriber(
        self, subject: str, stream: str, durable: str, config: ConsumerConfig
    ) -> None:
        subscriber = self._client.subscriber(
            subject,
            stream=JStream(stream, declare=False),
            durable=durable,
            config=config,
            pull_sub=PullSub(batch_size=1, timeout=1.0, batch=True),  # else each has a task group
            ack_policy=AckPolicy.MANUAL,
            parser=_parse,
        )
        subscriber(self._on_message)
        self._subscribers.append(cast("TasksMixin", subscriber))

    async def _on_message(self, message: NatsMessage) -> None:
        assert self.take is not None  # noqa: S101 - for the type checker
        delivery = _Delivery(message)
        self._fetched.add(delivery)
        try:
            await self.take(delivery)
        finally:
            self._fetched.discard(delivery)

    async def prolong(self) -> None:
        for one in list(self._fetched):
            await one.prolong()

    async def send(self, subject: str, body: bytes, key: str) -> None:
        stream = self._streams.get(subject) or await self._stream(subject)
        # the server counts the header too, which the client does not, and ends the connection
        most = self._connection.max_payload - len(subject + key + stream) - _HEADER
        if len(body) > most:
            raise TooLargeError(
                f"{self.options.via} takes no message of {len(body)} bytes, as event {key} is: "
                f"{most} at most; raise its max_payload"
            )
        # JetStream forgets what it has of an id within its window: a second try adds nothing. One
        # stream may have several subjects.
        # By FastStream's connection, and not by its publish: that takes a timer and a subscription
        # of its own for each message, and twice as long
        before = cancellations()
        if not self._connection.is_connected:  # what it then refuses would keep its place for ever
            raise BrokerAwayError(f"{self.options.via} cannot be reached: it is away")
        acknowledged = await self._js.publish_async(
            subject, body, stream=stream, headers={Header.MSG_ID: f"{subject} {key}"}
        )
        if cancellations() > before:  # it was swallowed while the connection was full
            acknowledged.cancel()
        await acknowledged

    async def findings(self) -> list[str]:
        found = []
        for subject, stream in self._streams.items():
            config = (await self._js.stream_info(stream)).config
            kept = f"{self.options.via}: the stream {stream} of {subject}"
            if config.storage != StorageType.FILE:
                found.append(f"{kept} is in memory, and lost with the server: make it of files")
            if not config.duplicate_window:
                found.append(f"{kept} has no duplicate window: give it one of 2 minutes")
            limited = any(
                (config.max_age, *(_limit(n) for n in (config.max_msgs, config.max_bytes)))
            )
            if limited and config.discard != DiscardPolicy.NEW:
                found.append(f"{kept} forgets what is old, read or not: lift its limits")
        return found

    def is_receiving(self) -> bool:
        return not self._connection.is_closed and all(one.running for one in self._subscribers)

    async def close(self) -> None:
        if not hasattr(self, "_connection"):
            return
        for one in self._subscribers:
            tasks = list(one.tasks)
            with suppress(NatsError):
                await one.stop()
            if tasks:
                await asyncio.wait(tasks)
        with suppress(NatsError, TimeoutError):  # the last acknowledgements
            await self._connection.flush(1)
        await self._connection.close()  # a drain, which FastStream is for, may take 30 seconds
        with suppress(NatsError):
            await self._client.stop()


def _limit(number: int | None) -> bool:
    return number is not None and number > 0


def make(options: Options, take: Take | None, sends: tuple[str, ...]) -> Broker:
    """A connection to NATS."""
    return _Nats(options, take, sends)
