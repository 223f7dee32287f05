"""What the bridge's tests share: servers for the session, subjects of their own, an inbox."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from tests.bridge.servers import KINDS

from busway import ANY, EventBus, EventHandler
from busway_bridge import BridgeHandler

PATIENCE = 30.0
"""Seconds that a machine with other things to do may take."""


class Inbox(EventHandler):
    """Keeps what reaches it; fails as often as it is told to, first.

    Args:
        failures: how many times it raises.
    """

    event_types = (ANY,)

    def __init__(self, failures=0):
        self.events = []
        self.failures = failures
        self.tries = 0
        self._more = asyncio.Event()

    async def handle(self, event):
        self.tries += 1
        self._more.set()
        if self.failures:
            self.failures -= 1
            raise RuntimeError("not yet")
        self.events.append(event)

    async def until(self, reached):
        """Wait until `reached()`."""
        async with asyncio.timeout(PATIENCE):
            while not reached():
                self._more.clear()
                await self._more.wait()

    async def count(self, number):
        await self.until(lambda: len(self.events) >= number)

    @property
    def numbers(self):
        return [event.payload["n"] for event in self.events]


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """Servers by kind, started when they are asked for, and killed at the end."""
    started = {}

    def ask(kind):
        if kind not in started:
            server = KINDS[kind](tmp_path_factory.mktemp(kind))
            started[kind] = server
            server.start()
        return started[kind]

    yield ask
    for server in started.values():
        server.kill()


@pytest.fixture(params=list(KINDS))
def server(request, servers):
    """Each of the live brokers."""
    return servers(request.param)


@pytest.fixture
def redis(servers):
    return servers("redis")


@pytest.fixture
def subject():
    """One that nobody has used."""
    return f"s{secrets.token_hex(6)}"


@pytest.fixture
async def inbox():
    return Inbox()


@pytest.fixture
def make_inbox():
    return Inbox


@pytest.fixture
def sender(server, subject):
    """A bus whose events all go out."""
    bus = EventBus()
    bus.subscribe(BridgeHandler(url=server.url, out={"*": subject}, origin="sender"))
    return bus


@pytest.fixture
def make_receiver(server, subject):
    """Makes a bus whose events come in; the bridge stands second."""

    def make(handler, **settings):
        bus = EventBus()
        settings = {"origin": "receiver", "retry_delay": 0.05, "ack_wait": 2.0, **settings}
        bus.subscribe(handler)
        bus.subscribe(BridgeHandler(url=server.url, subjects=[subject], **settings))
        return bus

    return make
