"""Kafka: a topic a subject, a consumer group, offsets committed after the outcome.

Run against FastStream's test broker alone, so far: no live one was at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from faststream.kafka import KafkaBroker
from faststream.middlewares import AckPolicy
from faststream.security import BaseSecurity, SASLPlaintext

from busway_bridge._brokers.base import GRACE, Broker, Take, whole

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord  # type: ignore[import-untyped]
    from faststream._internal.endpoint.subscriber import SubscriberUsecase
    from faststream.kafka.message import KafkaMessage

    from busway_bridge._options import Options

__all__ = ["make"]


class _Delivery:
    """One delivery of a record."""

    def __init__(self, message: KafkaMessage, broker: _Kafka) -> None:
        record = cast("ConsumerRecord[bytes, bytes]", message.raw_message)
        self.subject: str = record.topic
        self.body: bytes = message.body
        self._message = message
        self._broker = broker
        place = (record.topic, record.partition)
        offset, before = broker.tries.get(place, (-1, 0))
        self._tries = before + 1 if offset == record.offset else 1
        broker.tries[place] = (record.offset, self._tries)

    async def ack(self) -> None:
        await self._message.ack()

    async def retry(self, delay: float) -> None:
        """Go back to it: the records behind it wait, as their offsets cannot be committed first."""
        await self._broker.pause(delay)
        await self._message.nack()

    async def deliveries(self) -> int:
        """Those of this process: Kafka does not count."""
        return self._tries


class _Kafka(Broker):
    """Kafka by FastStream; records of one partition are handled one after another."""

    def __init__(self, options: Options, take: Take | None, sends: tuple[str, ...]) -> None:
        super().__init__(options, take, sends)
        parts = urlsplit(options.url)
        self.tries: dict[tuple[str, int], tuple[int, int]] = {}
        self._subscribers: list[SubscriberUsecase[object]] = []
        self.client = KafkaBroker(
            parts.netloc.rpartition("@")[2].split(","),
            logger=self.client_log,
            apply_types=False,
            decoder=whole,
            graceful_timeout=GRACE,
            acks="all",
            enable_idempotence=True,
            security=_security(parts.username, parts.password),
        )
        for subject in options.subjects if take else ():
            subscriber = self.client.subscriber(
                subject,
                group_id=options.group,
                auto_offset_reset="earliest",
                ack_policy=AckPolicy.MANUAL,
            )
            subscriber(self._on_record)
            self._subscribers.append(cast("SubscriberUsecase[object]", subscriber))

    async def open(self) -> None:
        await self.client.start()

    async def _on_record(self, message: KafkaMessage) -> None:
        assert self.take is not None  # noqa: S101 - for the type checker
        await self.take(_Delivery(message, self))

    async def send(self, subject: str, body: bytes, key: str) -> None:
        await self.client.publish(
            body,
            subject,
            headers={"content-type": "application/cloudevents+json"},
            correlation_id=key,
        )

    async def findings(self) -> list[str]:
        """None: Kafka does not tell a client what a topic's `min.insync.replicas` is."""
        return []

    def is_receiving(self) -> bool:
        return all(one.running for one in self._subscribers)

    async def prolong(self) -> None:
        """Nothing: a partition is this consumer's, who tells that it lives by himself."""

    async def close(self) -> None:
        await self.client.stop()


def _security(user: str | None, password: str | None) -> BaseSecurity | None:
    return None if user is None else SASLPlaintext(username=user, password=password or "")


def make(options: Options, take: Take | None, sends: tuple[str, ...]) -> Broker:
    """A connection to Kafka."""
    return _Kafka(options, take, sends)
