"""Channels: where notifications go, and how a URL names one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from busway_notify._opening import Means, open_mail, open_webhook
from busway_notify.json_lines import JsonLinesChannel
from busway_notify.notification import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from busway_notify.notification import Notification

__all__ = ["Channel", "LogChannel", "open_channels"]

_log = logging.getLogger("busway.notify")


@runtime_checkable
class Channel(Protocol):
    """Takes notifications somewhere; an object of one can stand in the setting `channels`.

    One with an attribute `is_queued = True` is served by a queue, as the network channels are:
    `send` is awaited in a thread of its own, each try within `timeout` seconds, and again if it
    raises; see `DeliveryError`.
    """

    @property
    def name(self) -> str:
        """What errors and logs call it; no secrets in it."""

    @property
    def addresses_people(self) -> bool:
        """Whether it writes to `recipient` from `sender`, so that both must be mail addresses."""

    async def send(self, notification: Notification) -> None:
        """Take one notification; to return means that it is safe.

        Unless it is queued, it is awaited inside `handle()`, on whichever loop the event was
        published.

        Cancellation: is to pass; what a queued one holds on to then is no dead letter.

        Raises:
            Exception: if it did not take it. The other channels are tried all the same.
        """


class LogChannel:
    """`log:`: one log record under `busway.notify`: INFO for a welcome, WARNING for an alert."""

    name: Final = "log:"
    addresses_people: Final = False

    async def send(self, notification: Notification) -> None:
        """Log kind, key, recipient and subject."""
        level = logging.INFO if notification.kind is Kind.WELCOME else logging.WARNING
        _log.log(
            level,
            "%s: %s, to %s: %s",
            notification.kind,
            notification.key,
            notification.recipient,
            notification.subject,
        )


def open_channels(channels: object, means: Means | None = None) -> tuple[Channel, ...]:
    """The channels of the setting `channels`.

    Args:
        channels: a list of URLs and of `Channel` objects; None for `["log:"]`.
        means: what network channels share.

    Raises:
        ValueError: if it is no list, or empty, or something in it is neither; the message names
            it by position and scheme alone, since the rest of a URL may hold a password.
    """
    listed = ["log:"] if channels is None else channels
    if not isinstance(listed, list | tuple) or not listed:
        raise ValueError(f"channels: a list of at least one channel is expected; {_KNOWN}")
    used = means or Means()
    return tuple(_open(f"channels[{place}]", one, used) for place, one in enumerate(listed))


def _open(place: str, channel: object, means: Means) -> Channel:
    if isinstance(channel, Channel) and not isinstance(channel, type):
        return channel
    if not isinstance(channel, str):
        raise ValueError(f"{place}: {type(channel).__name__} is no channel; {_KNOWN}")  # noqa: TRY004 - a setting
    scheme, colon, rest = channel.partition(":")
    if not colon or scheme not in _SCHEMES:
        raise ValueError(f"{place}: unknown scheme {scheme + colon!r}; {_KNOWN}")
    try:
        return _SCHEMES[scheme](scheme, rest, means)
    except ValueError as error:
        raise ValueError(f"{place}: {scheme}: {error}; {_KNOWN}") from None


def _open_jsonl(_: str, path: str, __: Means) -> Channel:
    if not path.strip() or "\0" in path:
        raise ValueError("the path of a file is expected after the colon")
    return JsonLinesChannel(path)


def _open_log(_: str, rest: str, __: Means) -> Channel:
    if rest:
        raise ValueError("nothing is expected after the colon")
    return LogChannel()


_SCHEMES: Final[Mapping[str, Callable[[str, str, Means], Channel]]] = {
    "http": open_webhook,
    "https": open_webhook,
    "jsonl": _open_jsonl,
    "log": _open_log,
    "slack+http": open_webhook,
    "slack+https": open_webhook,
    "smtp": open_mail,
    "smtps": open_mail,
}
_KNOWN: Final = (
    "known are 'jsonl:PATH', 'log:', 'smtp://HOST', 'smtps://HOST', 'https://HOST/PATH', "
    "'slack+https://HOST/PATH' and Channel objects"
)
