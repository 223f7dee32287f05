"""Channels to test with: one that keeps what it gets, one that refuses it."""

import asyncio
import ssl

import pytest
import trustme
from tests.notify.endpoint import Endpoint
from tests.notify.mail_server import MailServer

from busway import EventBus
from busway_notify import NotificationHandler


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


class Auditor:
    """A handler that keeps our own reports."""

    event_types = ("error.occurred",)

    def __init__(self):
        self.reports = asyncio.Queue()

    async def handle(self, event):
        if event.source == "busway.notify":
            self.reports.put_nowait(event)

    async def told(self):
        """The next report."""
        return await asyncio.wait_for(self.reports.get(), 10)

    def listening_with(self, handler):
        """A bus, to be entered, with both."""
        bus = EventBus()
        bus.subscribe(self)
        bus.subscribe(handler)
        return bus


@pytest.fixture
async def auditor():
    return Auditor()


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


@pytest.fixture
def mail_servers():
    """`mail_servers(**options)`: a real mail server, not yet started; stopped at the end."""
    made = []

    def make(**options):
        made.append(MailServer(**options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def mail_server(mail_servers):
    """One that runs."""
    return mail_servers().start()


@pytest.fixture
def mailing():
    """`mailing(server, **settings)`: a handler that sends mails there."""

    def make(server, **settings):
        wanted = {
            "channels": [server.url],
            "admins": ["ops@example.org"],
            "sender": "Busway <busway@example.org>",
            "timeout": 5.0,
        }
        return NotificationHandler(**(wanted | settings))

    return make


@pytest.fixture(scope="session")
def authority():
    """A certificate authority of our own."""
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(authority):
    """A server's side of TLS, for localhost, hooks.example.org and 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = authority.issue_cert("localhost", "hooks.example.org", "127.0.0.1")
    issued.configure_cert(context)
    return context


@pytest.fixture(scope="session")
def ca_file(authority, tmp_path_factory):
    """Its certificate, for `ca_file`."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def endpoint():
    """An HTTP endpoint, without TLS."""
    made = Endpoint()
    yield made
    made.stop()


@pytest.fixture
def tls_endpoint(certificate):
    """An HTTPS endpoint, whose certificate is by our own authority."""
    made = Endpoint(certificate)
    yield made
    made.stop()
