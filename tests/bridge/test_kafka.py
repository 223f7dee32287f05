"""Kafka, by FastStream's test broker alone: no live one is at hand."""

from __future__ import annotations

import asyncio

import pytest
from faststream.kafka import TestKafkaBroker

from busway import Event
from busway_bridge import decode, encode
from busway_bridge._brokers.kafka import make
from busway_bridge._options import from_url

URL = "kafka://user:s3cret@one:9092,two:9092?subject=orders"


async def test_what_is_sent_is_taken_and_acknowledged():
    """As a CloudEvent, with its content type."""
    taken = []

    async def take(message):
        taken.append((message.subject, message.body, await message.deliveries()))
        await message.ack()

    broker = make(from_url(URL), take, ())
    event = Event("user.login", {"n": 1})
    async with TestKafkaBroker(broker.client):
        await broker.send("orders", encode(event), event.id)
        assert broker.is_receiving()
    ((subject, body, deliveries),) = taken
    assert (subject, decode(body), deliveries) == ("orders", event, 1)


async def test_what_failed_is_gone_back_to():
    """After a while, or at once when it is to be closed."""
    gone_back = []

    async def take(message):
        message._message.nack = _note(gone_back)
        await message.retry(60.0)

    broker = make(from_url(URL), take, ())
    async with TestKafkaBroker(broker.client):
        sending = asyncio.create_task(broker.send("orders", b"{}", "1"))
        await asyncio.sleep(0)
        broker.closing.set()
        await sending
    assert gone_back == [True]


def _note(noted):
    async def nack():
        noted.append(True)

    return nack


def test_it_waits_for_all_replicas_and_commits_by_hand():
    """What the promises need."""
    broker = make(from_url(URL), _note([]), ())
    (subscriber,) = broker.client.subscribers
    assert subscriber.group_id == "busway"
    assert subscriber.ack_policy.value == "manual"
    assert broker.client.specification.url == ["one:9092", "two:9092"]


@pytest.mark.parametrize("offsets", [[5, 5, 6], [5, 6, 6]])
async def test_deliveries_are_counted_by_offset(offsets):
    """Of one process; Kafka itself does not count."""
    from types import SimpleNamespace

    from busway_bridge._brokers.kafka import _Delivery

    broker = SimpleNamespace(tries={})
    counts = []
    for offset in offsets:
        record = SimpleNamespace(topic="orders", partition=0, offset=offset)
        message = SimpleNamespace(raw_message=record, body=b"")
        counts.append(await _Delivery(message, broker).deliveries())
    assert counts == [1, 2 if offsets[1] == 5 else 1, 1 if offsets[1] == 5 else 2]
