"""URLs of mail servers, and the settings that stand beside them, read and checked."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

import httpx2

from busway_notify._bodies import slack_json, webhook_json
from busway_notify._public import is_public
from busway_notify._templates import Templates
from busway_notify.smtp import MailServer, SmtpChannel
from busway_notify.webhook import Endpoint, WebhookChannel

if TYPE_CHECKING:
    from busway_notify.channels import Channel

__all__ = ["Means", "is_loopback", "open_mail", "open_webhook", "split_url"]

_PORTS: Final = {"smtp": 25, "smtps": 465}


@dataclass(frozen=True)
class Means:
    """What network channels share.

    Attributes:
        timeout: seconds for one try.
        templates: the words of mails.
        username: whom to log in as at mail servers whose URL names nobody.
        password: with what, at mail servers whose URL has none.
        ca_file: certificates of authorities to trust beside the system's.
        allow_hosts: the hosts that webhooks may name; None for whichever they do.
        allow_private: whether webhooks may be at private addresses.
    """

    timeout: float = 10.0
    templates: Templates = field(default_factory=Templates)
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str | None = None
    allow_hosts: tuple[str, ...] | None = None
    allow_private: bool = False

    def tls(self) -> ssl.SSLContext:
        """Whose certificates are trusted.

        Raises:
            ValueError: if `ca_file` cannot be read.
        """
        context = ssl.create_default_context()
        if self.ca_file is not None:
            try:
                context.load_verify_locations(cafile=self.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise ValueError(f"ca_file: {self.ca_file!r} cannot be read: {error}") from None
        return context


def split_url(scheme: str, rest: str) -> SplitResult:
    """A URL taken apart; what it holds is not in the error, since it may be a password.

    Raises:
        ValueError: if it has no host, or what is no port for one.
    """
    try:
        url = urlsplit(f"{scheme}:{rest}")
        host, _ = url.hostname, url.port
    except ValueError:
        host = None
    if not host or not rest.startswith("//") or not (scheme + rest).isprintable() or " " in rest:
        raise ValueError("a host is expected after //, and, if any, a number for its port")
    return url


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def open_mail(scheme: str, rest: str, means: Means) -> Channel:
    """The channel of `smtp://` or `smtps://`.

    Raises:
        ValueError: if it is no such URL, or a password would travel in the clear.
    """
    url = split_url(scheme, rest)
    if url.path.strip("/") or url.fragment:
        raise ValueError("nothing but ?starttls= is expected after the host")
    username = unquote(url.username or "") or means.username
    password = unquote(url.password or "") or (means.password if username else "")
    server = MailServer(
        host=str(url.hostname),
        port=url.port or _PORTS[scheme],
        is_tls=scheme == "smtps",
        starttls=_starttls(scheme, url, has_login=bool(username)),
        username=username,
        password=password,
        timeout=means.timeout,
        tls=means.tls(),
    )
    return SmtpChannel(scheme, server, means.templates)


def open_webhook(scheme: str, rest: str, means: Means) -> Channel:
    """The channel of `https://`, `slack+https://`, and, to this machine alone, of `http://`.

    Raises:
        ValueError: if it is no such URL, or its host is not allowed.
    """
    url = split_url(scheme, rest)
    host = str(url.hostname)
    if scheme.endswith("http") and not (means.allow_private and is_loopback(host)):
        raise ValueError("without TLS only this machine is written to, and with allow_private")
    if means.allow_hosts is not None and host not in means.allow_hosts:
        raise ValueError(f"the host {host!r} is not among allow_hosts")
    if _is_address(host) and not (means.allow_private or is_public(host)):
        raise ValueError(f"{host} is a private address, which needs allow_private")
    name, password = unquote(url.username or ""), unquote(url.password or "")
    bare = urlunsplit((scheme.rpartition("+")[2], *_without_login(url)[1:4], ""))
    endpoint = Endpoint(
        url=httpx2.URL(bare),
        auth=(name, password) if url.username is not None else None,
        timeout=means.timeout,
        tls=means.tls(),
        allow_private=means.allow_private,
    )
    return WebhookChannel(
        scheme, endpoint, slack_json if scheme.startswith("slack") else webhook_json
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _without_login(url: SplitResult) -> SplitResult:
    return url._replace(netloc=url.netloc.rpartition("@")[2])


def _starttls(scheme: str, url: SplitResult, *, has_login: bool) -> str:
    is_exposed = has_login and not is_loopback(str(url.hostname))
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    wanted = options.pop("starttls", "required" if is_exposed else "auto")
    if options or wanted not in ("required", "auto", "never") or (scheme == "smtps" and url.query):
        raise ValueError("what may follow is ?starttls=required, auto or never, and that of smtp:")
    if scheme == "smtp" and is_exposed and wanted == "auto":
        raise ValueError(
            "with a login, starttls=auto would send the password in the clear to whoever says that "
            "there is no TLS: required, or, if that is meant, never"
        )
    return wanted
