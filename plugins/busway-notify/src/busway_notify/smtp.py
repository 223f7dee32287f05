"""The channels `smtp://` and `smtps://`: mails, by a server of the user's."""

from __future__ import annotations

import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import aiosmtplib

from busway_notify._mail import build_mail, envelope_sender
from busway_notify._text import MAX_REASON, one_line
from busway_notify.exceptions import DeliveryError, RecipientsRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from busway_notify._templates import Templates
    from busway_notify.notification import Notification

__all__ = ["MailServer", "SmtpChannel"]

_START_TLS: Final = {"required": True, "auto": None, "never": False}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are handed in, and how.

    Attributes:
        host: its name or address.
        port: its port.
        is_tls: whether the connection begins with TLS (`smtps`).
        starttls: `required`, `auto` or `never`, where it does not.
        username: whom to log in as; "" for no login.
        password: with what.
        timeout: seconds for each answer.
        tls: whose certificates are trusted.
    """

    host: str
    port: int
    is_tls: bool = False
    starttls: str = "auto"
    username: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 10.0
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def client(self) -> aiosmtplib.SMTP:
        """A client of it, not yet connected."""
        return _Client(
            hostname=self.host,
            port=self.port,
            use_tls=self.is_tls,
            start_tls=False if self.is_tls else _START_TLS[self.starttls],
            username=self.username or None,
            password=self.password or None,
            timeout=self.timeout,
            tls_context=self.tls or ssl.create_default_context(),
        )


class _Client(aiosmtplib.SMTP):
    """One that closes at once: to wait until the other side has ended its TLS outlives the loop."""

    def close(self) -> None:
        transport = self.transport
        super().close()
        abort: object = getattr(transport, "abort", None)
        if callable(abort):
            abort()


class SmtpChannel:
    """Hands mails in at a mail server, one mail a notification, with all its recipients.

    Args:
        scheme: `smtp` or `smtps`.
        server: the mail server.
        templates: the words.
    """

    addresses_people: Final = True
    is_queued: Final = True

    def __init__(self, scheme: str, server: MailServer, templates: Templates) -> None:
        host = f"[{server.host}]" if ":" in server.host else server.host
        self.name: str = f"{scheme}://{host}:{server.port}"
        self.secrets: tuple[str, ...] = tuple(_forms(server.username, server.password))
        self._server = server
        self._templates = templates

    def session(self) -> SmtpSession:
        """A connection of its own, made when the first mail comes."""
        return SmtpSession(self._server, self._templates)

    async def send(self, notification: Notification) -> None:
        """Hand one mail in, by a connection of its own.

        Raises:
            RecipientsRefusedError: if some recipients were refused, or all.
            DeliveryError: if the mail was.
            Exception: if the server could not be reached.
        """
        session = self.session()
        try:
            await session.send(notification)
            await session.close()
        finally:
            session.abort()


class SmtpSession:
    """One connection to a mail server, made anew when it is lost.

    Args:
        server: the mail server.
        templates: the words.
    """

    def __init__(self, server: MailServer, templates: Templates) -> None:
        self._server = server
        self._templates = templates
        self._client: aiosmtplib.SMTP | None = None

    async def send(self, notification: Notification) -> None:
        """Hand one mail in; see `SmtpChannel.send`."""
        try:
            mail = build_mail(notification, self._templates)
        except ValueError as error:
            raise DeliveryError(f"this makes no mail: {error}", is_final=True) from None
        try:
            client = await self._connected()
            refused, _ = await client.send_message(
                mail,
                sender=envelope_sender(notification.sender),
                recipients=list(notification.recipients),
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            answers = {one.recipient: (one.code, one.message) for one in error.recipients}
            raise _refusal(answers) from None
        except Exception as error:
            raise _explained(error) from error
        if refused:
            raise _refusal({one: (two.code, two.message) for one, two in refused.items()})

    async def close(self) -> None:
        """QUIT."""
        if self._client is not None and self._client.is_connected:
            try:
                await self._client.quit()
            except (aiosmtplib.SMTPException, OSError):
                pass  # what was handed in has been acknowledged
            finally:
                self.abort()

    def abort(self) -> None:
        """Drop the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._client is None or not self._client.is_connected:
            self._client = self._server.client()
            await self._client.connect()
        return self._client


def _forms(username: str, password: str) -> Iterator[str]:
    """The password, and as AUTH LOGIN and AUTH PLAIN send it: a server may quote what it got."""
    if password:
        yield password
        for sent in (password, f"\0{username}\0{password}"):
            yield b64encode(sent.encode()).decode("ascii")


def _refusal(answers: dict[str, tuple[int, str]]) -> RecipientsRefusedError:
    return RecipientsRefusedError({who: _answer(*answer) for who, answer in answers.items()})


def _answer(code: int, message: str) -> DeliveryError:
    """RFC 5321, section 4.2.1: 5yz is for good, 4yz for now."""
    told = one_line(f"{code} {message}", MAX_REASON)
    return DeliveryError(told, is_final=500 <= code < 600)


def _explained(error: Exception) -> Exception:
    """What a library says, as far as it tells whether another try may help."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _answer(error.code, error.message)
    in_vain = (
        type(error) is aiosmtplib.SMTPException  # the server has no TLS, or no login
        or isinstance(error, aiosmtplib.SMTPNotSupported)
        or isinstance(error.__cause__, ssl.SSLCertVerificationError)
        or isinstance(error, ssl.SSLCertVerificationError)
    )
    if in_vain:
        return DeliveryError(f"{type(error).__name__}: {error}", is_final=True)
    return error
