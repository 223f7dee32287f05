"""Against a server: there, dead, slow, refusing, and coming back."""

from __future__ import annotations

import asyncio
import socket

import pytest

from busway import Event, EventHandler
from busway_resilience import (
    CircuitOpenError,
    HandlerTimeoutError,
    ResilienceInterceptor,
    read_dead_letters,
)


class Server:
    """Answers each line as it is told, on a port of its own that it keeps through restarts.

    Attributes:
        lines: what it has taken.
        answer: `ok`, `no`, or None to keep the client waiting.
    """

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.lines = []
        self.answer = "ok"
        self._server = None
        self._writers = set()

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def kill(self):
        """End it, and reset all that is connected."""
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        try:
            line = (await reader.readline()).decode().strip()
            if self.answer is None:
                await reader.read()
            elif line:
                if self.answer == "ok":
                    self.lines.append(line)
                writer.write(f"{self.answer}\n".encode())
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


class Sends(EventHandler):
    """Sends what happened to the server."""

    name = "sends"
    event_types = ("item.created",)

    def __init__(self, port):
        self._port = port

    async def handle(self, event):
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(f"{event.payload['n']}\n".encode())
            answer = await reader.readline()
            if answer != b"ok\n":
                raise ConnectionError(f"it says {answer!r}")
        finally:
            writer.close()


@pytest.fixture
async def server():
    """A server that runs."""
    made = Server()
    await made.start()
    yield made
    await made.kill()


@pytest.fixture
def sends(bus, server):
    """The handler, subscribed."""
    handler = Sends(server.port)
    bus.subscribe(handler)
    return handler


def item(number):
    return Event("item.created", {"n": number})


def resilient(bus, **settings):
    bus.add_interceptor(ResilienceInterceptor(retry_wait=0, retry_jitter=0, **settings))


async def probing(bus):
    """Wait until the next call is a probe."""
    async with asyncio.timeout(10):
        while bus.health()["resilience"]["circuit_sends"] != "half-open":
            await asyncio.sleep(0.001)


async def test_nothing_is_lost_while_it_is_dead(bus, server, sends, tmp_path):
    """It is killed and comes back: what failed meanwhile is handed in again, once each."""
    path = tmp_path / "dead.jsonl"
    resilient(bus, timeout=5, retries=1, breaker_failures=4, breaker_reset=0.05, dead_letter=path)
    assert (await bus.publish(item(0))).ok
    await server.kill()
    for number in range(1, 6):
        assert not (await bus.publish(item(number))).ok
    told = bus.health()["resilience"]
    assert (told["opened_sends"], told["dead_letters"]) == (1, 5)
    await server.start()
    await probing(bus)
    assert (await bus.publish(item(6))).ok
    assert bus.health()["resilience"]["circuit_sends"] == "closed"
    for letter in list(read_dead_letters(path)):
        assert (await bus.deliver(letter.event, sends)).status == "ok"
    assert sorted(map(int, server.lines)) == list(range(7))


async def test_one_that_is_slow_is_given_up_in_time(bus, server, sends):
    """Each try takes no longer than it may; when it is quick again, all is well."""
    resilient(bus, timeout=0.5, retries=1)
    server.answer = None
    (error,) = (await bus.publish(item(1))).errors
    assert isinstance(error, HandlerTimeoutError)
    assert bus.health()["resilience"]["timeouts_sends"] == 2
    server.answer = "ok"
    assert (await bus.publish(item(2))).ok
    assert server.lines == ["2"]


async def test_one_that_refuses_is_left_alone(bus, server, sends):
    """Its circuit opens, and it is asked no more until it is time for a probe."""
    resilient(bus, timeout=5, breaker_failures=2, breaker_reset=3600)
    server.answer = "no"
    for _ in range(2):
        (error,) = (await bus.publish(item(1))).errors
        assert "it says b'no" in str(error)
    server.answer = "ok"
    (error,) = (await bus.publish(item(1))).errors
    assert isinstance(error, CircuitOpenError)
    assert server.lines == []


async def test_one_that_comes_back_between_tries_costs_nothing(bus, server, sends):
    """A restart is bridged by retries."""
    bus.add_interceptor(
        ResilienceInterceptor(
            timeout=5, retries=100, retry_wait=0.005, retry_max_wait=0.005, retry_jitter=0
        )
    )
    await server.kill()
    publishing = asyncio.create_task(bus.publish(item(1)))
    async with asyncio.timeout(10):
        while not bus.health()["resilience"].get("retries_sends"):
            await asyncio.sleep(0.001)
    await server.start()
    assert (await publishing).ok
    assert server.lines == ["1"]


async def test_it_sees_no_more_connections_than_may_be(bus, server, sends):
    """However many events come at once."""
    resilient(bus, timeout=30, max_concurrency=3)
    most = 0

    def watch(handler, call_next):
        async def call(event):
            nonlocal most
            most = max(most, bus.health()["resilience"]["running_sends"])
            await call_next(event)

        return call

    bus.add_interceptor(watch)
    results = await bus.publish_many([item(number) for number in range(30)])
    assert all(result.ok for result in results)
    assert most == 3
    assert sorted(map(int, server.lines)) == list(range(30))
