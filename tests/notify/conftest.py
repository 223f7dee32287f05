"""Channels to test with: one that keeps what it gets, one that refuses it."""

import asyncio

import pytest


class Recorder:
    """A channel that keeps all it is sent."""

    addresses_people = False

    def __init__(self, name="recorder:"):
        self.name = name
        self.sent = []

    async def send(self, notification):
        self.sent.append(notification)


class Refuser(Recorder):
    """A channel that raises `error`, as long as there is one."""

    def __init__(self, name="refuser:", error=None):
        super().__init__(name)
        self.error = error or ConnectionError("nobody listens")

    async def send(self, notification):
        if self.error is not None:
            raise self.error
        await super().send(notification)


class Gate(Recorder):
    """A channel that is entered, and keeps the sender waiting."""

    def __init__(self, name="gate:"):
        super().__init__(name)
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()

    async def send(self, notification):
        self.entered.set()
        await self.opened.wait()
        await super().send(notification)


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def refuser():
    return Refuser()


@pytest.fixture
def make_refuser():
    return Refuser


@pytest.fixture
async def gate():
    return Gate()
