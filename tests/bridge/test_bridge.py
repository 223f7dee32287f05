"""Over live brokers: events arrive, once, in order; failures come again; loops end."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import threading

import pytest

from busway import Event, EventBus
from busway_bridge import BridgeEvent, BridgeHandler, BrokerTransport, encode


async def test_events_arrive_in_order(sender, make_receiver, inbox):
    """As they were, but for where they come from."""
    async with sender, make_receiver(inbox):
        sent = [Event("user.login", {"n": n}, correlation_id="c") for n in range(50)]
        for event in sent:
            (await sender.publish(event)).raise_for_errors()
        await inbox.count(50)
    assert inbox.numbers == list(range(50))
    assert inbox.events[0].metadata["origin"] == "sender"
    assert [one.replace(metadata={}) for one in inbox.events] == sent


async def test_what_was_sent_before_anybody_received_arrives(sender, make_receiver, inbox):
    """The broker keeps it for the group."""
    async with sender:
        (await sender.publish(Event("user.login", {"n": 1}))).raise_for_errors()
    async with make_receiver(inbox):
        await inbox.count(1)


async def test_an_event_that_fails_comes_again(sender, make_receiver, make_inbox):
    """It is acknowledged when its handlers ended well, and no sooner."""
    inbox = make_inbox(failures=2)
    async with sender, make_receiver(inbox) as receiver:
        await sender.publish(Event("user.login", {"n": 1}))
        await inbox.count(1)
    assert inbox.tries == 3
    told = list(receiver.health().values())[-1]
    assert (told["in_failed"], told["in_handled"], told["in_duplicates"]) == (2, 1, 0)


async def test_a_retry_is_not_put_off_while_the_worker_lives(sender, make_receiver, make_inbox):
    """What it keeps for itself, `ack_wait` after `ack_wait`, is what it has not tried."""
    inbox = make_inbox(failures=1)
    async with sender, make_receiver(inbox, retry_delay=0.9, ack_wait=1.2):
        await sender.publish(Event("user.login", {"n": 1}))
        await inbox.count(1)


async def test_the_next_one_gets_what_was_not_acknowledged(sender, make_receiver, make_inbox):
    """When the first has gone."""
    first, second = make_inbox(failures=1), make_inbox()
    async with sender:
        async with make_receiver(first, retry_delay=1.0):
            await sender.publish(Event("user.login", {"n": 1}))
            await first.until(lambda: first.tries)
        async with make_receiver(second):
            await second.count(1)


async def test_what_always_fails_is_a_dead_letter(
    server, sender, make_receiver, subject, make_inbox
):
    """With the reason, where nobody receives; what is behind it goes on."""
    failing = make_inbox(failures=10**6)
    async with sender, make_receiver(failing, max_deliveries=2) as receiver:
        event = Event("user.login", {"n": 1})
        await sender.publish(event)
        async with asyncio.timeout(60):
            while not list(receiver.health().values())[-1]["in_dead_letters"]:
                await asyncio.sleep(0.05)
    assert failing.tries == 2
    assert (await _raw(server, f"{subject}.dead"))["data"]["reason"] == (
        f"event {event.id} failed in 2 deliveries"
    )


async def test_a_message_that_is_no_event_is_a_dead_letter(server, make_receiver, subject, inbox):
    """At once; events behind it arrive."""
    async with make_receiver(inbox) as receiver:
        transport = BrokerTransport(f"{server.url}?subject={subject}")
        await transport.start()
        await transport._send(subject, b"\xffnonsense", "1")
        await transport.send(Event("user.login", {"n": 1}))
        await transport.stop()
        await inbox.count(1)
        told = list(receiver.health().values())[-1]
    assert (told["in_rejected"], told["in_dead_letters"]) == (1, 1)
    assert (await _raw(server, f"{subject}.dead"))["data"] == {
        "reason": "no CloudEvent: UnicodeDecodeError",
        "subject": subject,
        "body_base64": "/25vbnNlbnNl",
    }


async def test_a_dead_letter_is_an_event_for_who_receives_it(
    server, make_receiver, subject, inbox, make_inbox
):
    """What a bus observes of `SUBJECT.dead`, notifications say."""
    watching = EventBus()
    watching.subscribe(inbox)
    watching.subscribe(BridgeHandler(url=server.url, subjects=[f"{subject}.dead"], origin="ops"))
    async with watching, make_receiver(make_inbox()):
        transport = BrokerTransport(f"{server.url}?subject={subject}")
        await transport.start()
        await transport._send(subject, b"nonsense", "1")
        await transport.stop()
        await inbox.count(1)
    (letter,) = inbox.events
    assert letter.type is BridgeEvent.DEAD_LETTER
    assert letter.payload["body"] == "nonsense"


@pytest.mark.parametrize("fields", [{"a": "b"}, {b"\xff": b"\xff"}, {"__data__": ""}])
async def test_an_entry_of_redis_without_a_message_is_a_dead_letter(redis, subject, inbox, fields):
    """Whatever a stranger has put into the stream: it does not come again for ever."""
    from redis.asyncio import Redis

    bus = EventBus()
    bus.subscribe(inbox)
    bridge = BridgeHandler(url=redis.url, subjects=[subject], ack_wait=0.2, retry_delay=0.1)
    bus.subscribe(bridge)
    async with bus, Redis.from_url(redis.url) as client:
        await client.xadd(subject, fields)
        async with asyncio.timeout(30):
            while (await client.xpending(subject, "busway"))["pending"] or not await client.xlen(
                f"{subject}.dead"
            ):
                await asyncio.sleep(0.05)
    assert bridge.health()["in_dead_letters"] == 1


async def test_a_duplicate_is_handled_once(server, make_receiver, subject, inbox):
    """It is known by its id and source, and counted."""
    event = Event("user.login", {"n": 1})
    async with make_receiver(inbox) as receiver:
        transport = BrokerTransport(f"{server.url}?subject={subject}")
        await transport.start()
        for key in ("1", "2"):  # the broker, too, may know duplicates, by the key
            await transport._send(subject, encode(event), key)
        await transport.send(Event("user.login", {"n": 2}))
        await transport.stop()
        await inbox.count(2)
        told = list(receiver.health().values())[-1]
    assert inbox.numbers == [1, 2]
    assert told["in_duplicates"] == 1


async def test_events_of_one_id_and_two_sources_are_two(sender, make_receiver, inbox):
    """An id is unique within its source only: no broker may take the second for a duplicate."""
    async with sender, make_receiver(inbox):
        for source in ("shop", "warehouse"):
            event = Event("user.login", {"n": source}, id="1", source=source)
            (await sender.publish(event)).raise_for_errors()
        await inbox.count(2)
    assert inbox.numbers == ["shop", "warehouse"]


@pytest.mark.parametrize(
    "id_", ["x" * 300, "1\r\nX: y", "\ud800"], ids=["long", "lines", "no text"]
)
async def test_any_id_travels(sender, make_receiver, inbox, id_):
    """Whatever a broker's own header for it can hold."""
    async with sender, make_receiver(inbox):
        (await sender.publish(Event("user.login", {"n": 1}, id=id_))).raise_for_errors()
        await inbox.count(1)
    assert inbox.events[0].id == id_


async def test_one_stream_may_have_two_subjects(servers, subject, inbox):
    """An event that goes to both is no duplicate of itself."""
    import nats

    server = servers("nats")
    client = await nats.connect(server.url)
    await client.jetstream().add_stream(name=subject, subjects=[f"{subject}.*"])
    await client.close()
    transport = BrokerTransport(f"{server.url}?subject={subject}.a,{subject}.b")
    await transport.start()
    await transport.send(Event("user.login", {"n": 1}))
    await transport.stop()
    bus = EventBus()
    bus.subscribe(inbox)
    bus.subscribe(BridgeHandler(url=server.url, subjects=[f"{subject}.b"], origin="receiver"))
    async with bus:
        await inbox.count(1)


async def test_each_group_gets_all_and_shares_it(sender, make_receiver, make_inbox):
    """Two groups, one of them of two."""
    alone, left, right = make_inbox(), make_inbox(), make_inbox()
    async with (
        make_receiver(alone, group="alone"),
        make_receiver(left, group="shared"),
        make_receiver(right, group="shared"),
        sender,
    ):
        for n in range(60):
            (await sender.publish(Event("user.login", {"n": n}))).raise_for_errors()
        await alone.count(60)
        while len(left.events) + len(right.events) < 60:
            await asyncio.sleep(0.02)
    assert sorted(left.numbers + right.numbers) == list(range(60))


async def test_an_event_does_not_return_to_where_it_came_from(server, subject, make_inbox):
    """Two applications that send and receive on one subject."""
    buses, inboxes = [], []
    for name in ("ping", "pong"):
        inbox = make_inbox()
        bus = EventBus()
        bus.subscribe(inbox)
        bus.subscribe(
            BridgeHandler(
                url=server.url, out={"*": subject}, subjects=[subject], group=name, origin=name
            )
        )
        buses.append(bus)
        inboxes.append(inbox)
    async with buses[0], buses[1]:
        await buses[0].publish(Event("user.login", {"n": 1}))
        await inboxes[1].count(1)
        await buses[1].publish(Event("user.login", {"n": 2}))
        await inboxes[0].count(2)
        async with asyncio.timeout(60):
            while any(list(bus.health().values())[-1]["in_own"] < 1 for bus in buses):
                await asyncio.sleep(0.02)
    assert [one.numbers for one in inboxes] == [[1, 2], [1, 2]]
    told = [list(bus.health().values())[-1] for bus in buses]
    assert [(one["sent"], one["skipped"], one["in_own"]) for one in told] == [(1, 1, 1)] * 2


async def test_it_sends_without_start(server, subject, make_receiver, inbox):
    """Also from several loops at once."""

    def publish(n):
        bus = EventBus()
        bus.subscribe(bridge)
        asyncio.run(_publish_all(bus, range(n, n + 10)))

    bridge = BridgeHandler(url=server.url, out={"*": subject}, origin="sender")
    threads = [threading.Thread(target=publish, args=(n,)) for n in (0, 10)]
    for thread in threads:
        thread.start()
    async with make_receiver(inbox):
        await inbox.count(20)
    for thread in threads:
        thread.join()
    assert sorted(inbox.numbers) == list(range(20))
    assert bridge.health()["sent"] == 20


async def test_another_loop_borrows_the_connection(sender, make_receiver, inbox):
    """That of the loop in which the bus was started."""
    async with sender, make_receiver(inbox):
        await asyncio.to_thread(lambda: asyncio.run(_publish_all(sender, range(5))))
        await inbox.count(5)
    assert inbox.numbers == list(range(5))


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # of 3.12
def test_it_sends_though_the_loop_of_its_connection_does_not_run(redis, subject):
    """It was stopped, or is another process's: nothing waits for it for ever."""
    bus = EventBus()
    bus.subscribe(BridgeHandler(url=redis.url, out={"*": subject}, timeout=20.0))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(bus.start())
    asyncio.run(_publish_all(bus, [1]))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    child = multiprocessing.get_context("fork").Process(
        target=lambda: asyncio.run(_publish_all(bus, [2]))
    )
    child.start()
    child.join(30)
    code = child.exitcode
    child.kill()
    asyncio.run_coroutine_threadsafe(bus.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert code == 0


async def test_concurrency_is_how_many_are_handled_at_once(sender, make_receiver):
    """No more, no fewer."""

    class Slow:
        event_types = ("user.login",)

        def __init__(self):
            self.under_way = self.most = self.done = 0
            self.three = asyncio.Event()

        async def handle(self, event):
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            if self.under_way == 3:
                self.three.set()
            await self.three.wait()
            await asyncio.sleep(0)
            self.under_way -= 1
            self.done += 1

    slow = Slow()
    async with sender, make_receiver(slow, concurrency=3):
        await _publish_all(sender, range(9))
        async with asyncio.timeout(60):
            while slow.done < 9:
                await asyncio.sleep(0.02)
    assert slow.most == 3


async def test_what_middleware_stops_is_settled(sender, make_receiver, inbox):
    """It is not delivered again and again."""
    receiver = make_receiver(inbox)
    receiver.add_middleware(lambda event: None if event.payload["n"] == 1 else event)
    async with sender, receiver:
        await _publish_all(sender, [1, 2])
        await inbox.count(1)
        assert inbox.numbers == [2]
    assert list(receiver.health().values())[-1]["in_handled"] == 2


async def test_an_event_that_no_route_is_for_costs_nothing(redis, subject):
    """One that only receives is not called for what the bus publishes."""
    bus = EventBus()
    bus.subscribe(BridgeHandler(url=redis.url, subjects=[subject]))
    assert (await bus.publish(Event("user.login"))).outcomes == ()


async def test_a_dead_letter_that_no_route_is_for_is_skipped(redis, subject):
    """It stays here, and is no failure."""
    bus = EventBus()
    bus.subscribe(BridgeHandler(url=redis.url, subjects=[subject]))
    result = await bus.publish(Event("busway.dead_letter"))
    assert [one.status for one in result.outcomes] == ["skipped"]
    assert result.ok


async def _publish_all(bus, numbers):
    for n in numbers:
        (await bus.publish(Event("user.login", {"n": n}))).raise_for_errors()


async def _raw(server, subject):
    """The first message of a subject, by a client that knows nothing of Busway."""
    return json.loads(await READERS[type(server).__name__](server, subject))


async def _from_redis(server, subject):
    from redis.asyncio import Redis

    async with Redis.from_url(server.url) as client:
        ((_, fields),) = await client.xrange(subject, count=1)
        return fields[b"__data__"]


async def _from_nats(server, subject):
    import nats

    client = await nats.connect(server.url)
    try:
        subscription = await client.jetstream().subscribe(subject, ordered_consumer=True)
        return (await subscription.next_msg(timeout=30)).data
    finally:
        await client.close()


async def _from_rabbit(server, subject):
    import aio_pika

    async with await aio_pika.connect(server.url) as client:
        channel = await client.channel()
        queue = await channel.get_queue(f"{subject}.busway")
        message = await queue.get(timeout=30)
        await message.ack()
        return message.body


READERS = {"Redis": _from_redis, "Nats": _from_nats, "Rabbit": _from_rabbit}


@pytest.mark.parametrize("origin", ["sender"])
async def test_a_native_client_reads_the_event(server, sender, subject, origin):
    """Whole, with nothing around it."""
    event = Event("user.login", {"n": 1}, source="shop/web")
    async with sender:
        await sender.publish(event)
    told = await _raw(server, subject)
    assert told["id"] == event.id
    assert told["data"] == {"n": 1}
    assert told["origin"] == origin
