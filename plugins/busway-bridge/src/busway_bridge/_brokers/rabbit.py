"""RabbitMQ: a durable fanout exchange a subject, a quorum queue for each of its groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from aio_pika import DeliveryMode
from aio_pika.exceptions import DeliveryError
from aiormq import spec
from faststream.middlewares import AckPolicy
from faststream.rabbit import (
    Channel,
    ExchangeType,
    QueueType,
    RabbitBroker,
    RabbitExchange,
    RabbitQueue,
)

from busway_bridge._brokers.base import GRACE, Broker, Take, log, whole

if TYPE_CHECKING:
    from aio_pika import RobustExchange
    from aiormq import Channel as AmqpChannel
    from faststream.rabbit.message import RabbitMessage
    from faststream.rabbit.subscriber.usecase import RabbitSubscriber

    from busway_bridge._options import Options

__all__ = ["make"]

_PREFETCH: Final = 16
_LONGEST_ID: Final = 255  # AMQP's short strings
_COUNT: Final = "x-delivery-count"  # of quorum queues: how often it came back


class _Delivery:
    """One delivery of a message of a queue."""

    def __init__(self, subject: str, message: RabbitMessage, broker: Broker) -> None:
        self.subject = subject
        self._broker = broker
        self.body: bytes = message.body
        self._message = message

    async def ack(self) -> None:
        await self._message.ack()

    async def retry(self, delay: float) -> None:
        """RabbitMQ delivers it again at once: so it is kept for as long as it should wait."""
        await self._broker.pause(delay)
        await self._message.nack(requeue=True)

    async def deliveries(self) -> int:
        return int(str(self._message.headers.get(_COUNT, 0))) + 1


class _Rabbit(Broker):
    """RabbitMQ by FastStream."""

    async def open(self) -> None:
        self._subscribers: list[RabbitSubscriber] = []
        self._exchanges: dict[str, RobustExchange] = {}
        self._client = RabbitBroker(
            self.options.url,
            logger=self.client_log,
            apply_types=False,
            decoder=whole,
            graceful_timeout=GRACE,
            on_close=[self._on_close],
            default_channel=Channel(
                prefetch_count=max(_PREFETCH, self.options.concurrency),
                publisher_confirms=True,
                on_return_raises=True,
            ),
        )
        await self._client.connect()
        for subject in self.sends:
            await self._client.declare_exchange(_exchange(subject))
        for subject in self.options.subjects if self.take else ():
            self._subscribe(subject)
        await self._client.start()

    def _on_close(self, *_: object) -> None:
        """Open another: what aio-pika restores of a lost connection does not always work."""
        self.broken = True

    def _subscribe(self, subject: str) -> None:
        subscriber = self._client.subscriber(
            self._queue(subject), _exchange(subject), ack_policy=AckPolicy.MANUAL
        )

        async def on_message(message: RabbitMessage) -> None:
            assert self.take is not None  # noqa: S101 - for the type checker
            await self.take(_Delivery(subject, message, self))

        subscriber(on_message)
        self._subscribers.append(subscriber)

    async def send(self, subject: str, body: bytes, key: str) -> None:
        try:
            await self._publish(subject, body, key)
        except DeliveryError:
            # an exchange keeps nothing: without a queue it would acknowledge, and forget
            await self._keep(subject)
            await self._publish(subject, body, key)

    async def _publish(self, subject: str, body: bytes, key: str) -> None:
        exchange = self._exchanges.get(subject)
        if exchange is None:
            exchange = await self._client.declare_exchange(_exchange(subject))
            self._exchanges[subject] = exchange
        channel = cast("AmqpChannel", await exchange.channel.get_underlay_channel())
        # By FastStream's connection, and not by its publish: that lets no message go before the
        # one in front of it has left the socket. Here they go together, `buffer` of them at most
        await channel.basic_publish(
            body,
            exchange=subject,
            properties=spec.Basic.Properties(
                content_type="application/cloudevents+json",
                delivery_mode=DeliveryMode.PERSISTENT.value,
                message_id=key if len(key) <= _LONGEST_ID else None,
            ),
            mandatory=True,
            wait=False,  # for the socket; it waits for the broker's confirmation
        )

    async def _keep(self, subject: str) -> None:
        """Declare the group's queue: nobody else has one."""
        queue, exchange = self._queue(subject), _exchange(subject)
        made = await self._client.declare_queue(queue)
        await made.bind(await self._client.declare_exchange(exchange))
        log.warning(
            "%s: nobody receives %s yet; it is kept in the queue %s",
            self.options.via,
            subject,
            queue.name,
        )

    def _queue(self, subject: str) -> RabbitQueue:
        return RabbitQueue(f"{subject}.{self.options.group}", queue_type=QueueType.QUORUM)

    async def findings(self) -> list[str]:
        """None: what is declared is durable, or RabbitMQ refuses to declare it so."""
        return []

    def is_receiving(self) -> bool:
        return not self.broken and all(one.running for one in self._subscribers)

    async def prolong(self) -> None:
        """Nothing: what was fetched is this connection's for as long as that lives."""

    async def close(self) -> None:
        if hasattr(self, "_client"):
            await self._client.stop()


def _exchange(subject: str) -> RabbitExchange:
    return RabbitExchange(subject, type=ExchangeType.FANOUT, durable=True)


def make(options: Options, take: Take | None, sends: tuple[str, ...]) -> Broker:
    """A connection to RabbitMQ."""
    return _Rabbit(options, take, sends)
