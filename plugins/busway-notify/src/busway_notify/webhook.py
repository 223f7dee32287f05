"""The channels `https://` and `slack+https://`: a POST to an endpoint of the user's."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from base64 import b64encode
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import httpx2

from busway_notify._public import is_public
from busway_notify.exceptions import DeliveryError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from busway_notify.notification import Notification

__all__ = ["Endpoint", "WebhookChannel"]

_AGAIN: Final = (408, 425, 429)
"""Answers below 500 that ask for another try: RFC 9110, 8470 and 6585."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to post.

    Attributes:
        url: its address, without user and password.
        auth: user and password, or None.
        timeout: seconds for connecting, and for each wait.
        tls: whose certificates are trusted.
        allow_private: whether its address may be a private one.
    """

    url: httpx2.URL = field(repr=False)
    auth: tuple[str, str] | None = field(repr=False)
    timeout: float
    tls: ssl.SSLContext | bool = field(repr=False)
    allow_private: bool = False

    async def addresses(self) -> list[str]:
        """What its host's name stands for now, each of them checked.

        Raises:
            OSError: if it stands for nothing.
            DeliveryError: if one of them is private, and that is not allowed.
        """
        host, port = self.url.host, self.url.port
        try:
            found = [str(ip_address(host))]
        except ValueError:
            loop = asyncio.get_running_loop()
            rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(row[4][0]) for row in rows))
        if not self.allow_private and not all(map(is_public, found)):
            raise DeliveryError(
                f"{host} is at a private address, which the setting allow_private would allow",
                is_final=True,
            )
        return found

    def request(self, address: str, content: bytes, key: str) -> httpx2.Request:
        """A POST to one of its addresses, in the name of its host.

        Args:
            address: one of `addresses`.
            content: the JSON.
            key: the idempotency key, or "".
        """
        headers = {"Host": self.url.netloc.decode("ascii"), "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        if self.auth is not None:
            login = b64encode(":".join(self.auth).encode()).decode("ascii")
            headers["Authorization"] = f"Basic {login}"
        timeout = httpx2.Timeout(self.timeout).as_dict()
        return httpx2.Request(
            "POST",
            self.url.copy_with(host=address),
            headers=headers,
            content=content,
            extensions={"sni_hostname": self.url.host, "timeout": timeout},
        )


class WebhookChannel:
    """Posts JSON, one request a notification, and follows no redirect.

    What was checked is what is connected to: the name is looked up once a try, all its addresses
    are checked, and the connection is made to one of them, whatever the name stands for by then.
    Proxies that the environment names are not used, since they would look it up again.

    Args:
        scheme: what the name begins with.
        endpoint: where to.
        write: the JSON of a notification.
    """

    addresses_people: Final = False
    is_queued: Final = True

    def __init__(
        self, scheme: str, endpoint: Endpoint, write: Callable[[Notification], object]
    ) -> None:
        # The path of a webhook is a password: for Slack it is the only one.
        self.name: str = f"{scheme}://{endpoint.url.netloc.decode('ascii')}"
        path = endpoint.url.raw_path.decode("ascii")
        hidden = [*path.partition("?"), path, *(endpoint.auth or ())]
        self.secrets: tuple[str, ...] = tuple(
            sorted({one for one in hidden if len(one) > 3}, key=len, reverse=True)
        )
        self._endpoint = endpoint
        self._write = write

    def session(self) -> WebhookSession:
        """A client of its own."""
        return WebhookSession(self._endpoint, self._write)

    async def send(self, notification: Notification) -> None:
        """Post it, in one try.

        Raises:
            DeliveryError: if the answer was no, or no address is allowed.
            Exception: if there was none.
        """
        await self.session().send(notification)


class WebhookSession:
    """Posts to an endpoint, by a connection for each.

    Args:
        endpoint: where to.
        write: the JSON of a notification.
    """

    def __init__(self, endpoint: Endpoint, write: Callable[[Notification], object]) -> None:
        self._endpoint = endpoint
        self._write = write

    async def send(self, notification: Notification) -> None:
        """Post it; see `WebhookChannel.send`."""
        content = json.dumps(self._write(notification)).encode()
        addresses = await self._endpoint.addresses()
        for address in addresses[:-1]:
            try:
                return await self._post(address, content, notification)
            except httpx2.ConnectError:
                continue  # it has others
        return await self._post(addresses[-1], content, notification)

    async def close(self) -> None:
        """No connection is kept."""

    def abort(self) -> None:
        """No connection is kept."""

    async def _post(self, address: str, content: bytes, notification: Notification) -> None:
        # The transport alone: a client would log the whole URL.
        async with httpx2.AsyncHTTPTransport(verify=self._endpoint.tls) as transport:
            request = self._endpoint.request(address, content, notification.idempotency_key)
            response = await transport.handle_async_request(request)
            try:
                _judge(response)
            finally:
                await response.aclose()  # unread: nothing in it is of use, however long it is


def _judge(response: httpx2.Response) -> None:
    """2xx is yes; what may become a yes is tried again; and the rest is no, redirects too."""
    if response.is_success:
        return
    code = response.status_code
    told = f"the answer was {code}"
    if response.is_redirect:
        told += ", a redirect, which is not followed"
    may_pass = code >= 500 or code in _AGAIN
    after = _retry_after(response.headers.get("Retry-After", ""))
    raise DeliveryError(told, is_final=not may_pass, retry_after=after)


def _retry_after(value: str) -> float | None:
    """RFC 9110, section 10.2.3: seconds, or a date."""
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
