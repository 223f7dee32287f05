"""Routing: who gets what, through which channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from busway_notify._text import is_address
from busway_notify.notification import Kind, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from busway_notify.channels import Channel
    from busway_notify.notification import Notification

__all__ = ["Routing"]

_KEYS: Final = ("kinds", "severities", "channels", "to")


@dataclass(frozen=True, slots=True)
class _Route:
    kinds: frozenset[str]
    severities: frozenset[str]
    channels: tuple[int, ...]
    to: tuple[str, ...]

    def fits(self, notification: Notification) -> bool:
        """Whether it is for such notifications."""
        return notification.kind in self.kinds and notification.severity in self.severities


class Routing:
    """Where a notification goes: through the channels of all routes that fit it.

    One that no route fits goes through all channels: nothing is lost by what a setting forgets. A
    route without channels sends nothing.

    Args:
        routes: the setting; None for none.
        channels: all channels.

    Raises:
        ValueError: if the setting is not as described in the README; it says where.
    """

    def __init__(self, routes: object, channels: Sequence[Channel]) -> None:
        self._channels = channels
        listed = [] if routes is None else routes
        if not isinstance(listed, list | tuple):
            raise ValueError(f"routes: a list of tables is expected, not {routes!r}")  # noqa: TRY004 - a setting
        self._routes = [
            _read(f"routes[{place}]", route, channels) for place, route in enumerate(listed)
        ]

    def of(self, notification: Notification) -> list[tuple[int, str]]:
        """The channels that it goes through, by their places, and whom it is for there."""
        routes = [one for one in self._routes if one.fits(notification)]
        if not routes:
            return [(place, notification.recipient) for place in range(len(self._channels))]
        found: dict[int, dict[str, None]] = {}
        for route in routes:
            # a welcome is for the new user, whoever else is told of alerts
            is_own = route.to and notification.kind is not Kind.WELCOME
            to = route.to if is_own else notification.recipients
            for place in route.channels:
                found.setdefault(place, {}).update(dict.fromkeys(to))
        return [(place, ", ".join(found[place])) for place in sorted(found)]


def _read(place: str, route: object, channels: Sequence[Channel]) -> _Route:
    if not isinstance(route, dict):
        raise ValueError(f"{place}: a table is expected, not {route!r}")  # noqa: TRY004 - a setting
    unknown = [key for key in route if key not in _KEYS]
    if unknown:
        raise ValueError(f"{place}.{unknown[0]}: unknown; there are {', '.join(_KEYS)}")
    texts = {key: tuple(_texts(f"{place}.{key}", value)) for key, value in route.items()}
    named = texts.get("channels")
    places = range(len(channels)) if named is None else _places(place, named, channels)
    writes = any(channels[one].addresses_people for one in places)
    for one in texts.get("to", ()):
        if not is_address(one) and (writes or not one.isprintable() or "," in one):
            raise ValueError(f"{place}.to: {one!r} is not a mail address")
    return _Route(
        _members(f"{place}.kinds", texts.get("kinds"), list(Kind)),
        _members(f"{place}.severities", texts.get("severities"), list(Severity)),
        tuple(places),
        texts.get("to", ()),
    )


def _texts(place: str, value: object) -> Iterator[str]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{place}: a list is expected, not {value!r}")  # noqa: TRY004 - a setting
    for one in value:
        if not isinstance(one, str) or not one.strip():
            raise ValueError(f"{place}: text is expected, not {one!r}")
        yield one


def _members(place: str, named: Sequence[str] | None, known: Sequence[str]) -> frozenset[str]:
    for one in named or ():
        if one not in known:
            raise ValueError(f"{place}: {one!r} is unknown; there are {', '.join(known)}")
    return frozenset(known if named is None else named)


def _places(place: str, named: Sequence[str], channels: Sequence[Channel]) -> list[int]:
    """The channels of a route: each named whole, or by all that stands before its `:`."""
    found: list[int] = []
    for name in named:
        fitting = [
            number
            for number, channel in enumerate(channels)
            if name in (channel.name, channel.name.partition(":")[0])
        ]
        if not fitting:
            there = ", ".join(repr(channel.name) for channel in channels)
            raise ValueError(f"{place}.channels: there is no {name!r}, but {there}")
        found += [number for number in fitting if number not in found]
    return found
