"""A mail server to test with: a real aiosmtpd in a thread, that can be slow, refuse, and die."""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
import threading
import time
import warnings
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP, AuthResult


@dataclass
class Mail:
    """What was handed in."""

    sender: str
    recipients: list[str]
    message: email.message.EmailMessage
    at: float = field(default_factory=time.monotonic)

    @property
    def id(self):
        return self.message["Message-ID"]


class MailServer:
    """Keeps all mails that it has acknowledged.

    Attributes:
        mails: those.
        on_rcpt: asked for the answer to each recipient; None is yes.
        on_data: awaited before each mail is acknowledged, with how many came before; None is yes,
            and DROP breaks the connection off.
    """

    DROP = "drop"

    def __init__(self, **options):
        self.port = _free_port()
        self.mails = []
        self.rcpts = []
        self.connections = 0
        self.logins = []
        self.on_rcpt = lambda address: None
        self.on_data = None
        self.arrived = threading.Condition()
        self._ssl = options.pop("ssl", None)
        self._options = options
        self._thread = None
        self._taken = 0

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.port}"

    def start(self):
        """Begin to listen, on the same port each time."""
        self._ready = threading.Event()
        self._transports = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def stop(self):
        """Break off every connection; what was kept has been acknowledged, and nothing else is.

        One that dies between the two gets a mail twice, whoever sends it: see `Message-ID`.
        """
        if self._thread is None:
            return
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._leave.set)
        if threading.current_thread() is not self._thread:
            self._thread.join(10)
        self._thread = None

    def wait(self, count, seconds=30.0):
        """Until so many mails are there."""
        with self.arrived:
            done = self.arrived.wait_for(lambda: len(self.mails) >= count, seconds)
        assert done, f"{len(self.mails)} of {count} mails"

    def ids(self):
        """How often each mail came."""
        return Counter(mail.id for mail in self.mails)

    # -- aiosmtpd's handler ------------------------------------------------------------------

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's
        self.rcpts.append(address)
        answer = self.on_rcpt(address)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's
        answer = "451 going down" if self._leave.is_set() else None
        if answer is None and self.on_data is not None:
            answer = await self.on_data(self._taken)
        self._taken += 1
        if answer == self.DROP:
            server.transport.abort()
            return "451 gone"
        if answer is not None:
            return answer
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        with self.arrived:
            self.mails.append(Mail(envelope.mail_from, list(envelope.rcpt_tos), message))
            self.arrived.notify_all()
        return "250 kept"

    def authenticate(self, server, session, envelope, mechanism, data):
        login, password = data.login.decode(), data.password.decode()
        self.logins.append(login)
        is_right = (login, password) == ("busway", "canary-sesame")
        return AuthResult(success=is_right, handled=is_right)

    def _run(self):
        asyncio.run(self._serve())

    async def _serve(self):
        self._loop, self._leave = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(
            self._protocol, "127.0.0.1", self.port, ssl=self._ssl
        )
        self._ready.set()
        await self._leave.wait()
        server.close()
        for protocol in self._transports:
            if protocol.transport is not None:
                protocol.transport.close()
        await asyncio.sleep(0.01)

    def _protocol(self):
        self.connections += 1
        options = {"enable_SMTPUTF8": True, "timeout": 60, **self._options}
        if options.get("auth_required"):
            options["authenticator"] = self.authenticate
        with warnings.catch_warnings():  # it warns of what is to be tested
            warnings.simplefilter("ignore")
            protocol = SMTP(self, loop=self._loop, hostname="localhost", **options)
        self._transports.add(protocol)
        return protocol


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
