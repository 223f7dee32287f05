"""Transports: what carries events to and from other processes, found by the scheme of a URL.

A distribution brings one by an entry point of the group `busway.transports`, whose name is the
scheme. It names a class as `Transport` is, or a function that returns such an object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import importlib_metadata

from busway_cli._streams import Refusal, describe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import TypeAlias

    from busway import Event

__all__ = ["TRANSPORTS", "Handle", "Transport", "transport_of"]

TRANSPORTS: Final = "busway.transports"

Handle: TypeAlias = "Callable[[Event], Awaitable[bool]]"


class Transport(Protocol):
    """A way for events out of the process, and into it.

    It is called with a URL, and by keyword `group`, who shares the receiving, and `handle`, which
    handles an event and says whether that went well; both may be None.
    """

    @property
    def name(self) -> str:
        """The URL without secrets."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What came so far: `received`, `rejected`, `duplicates`; other keys are ignored."""

    @property
    def idle(self) -> float:
        """For how many seconds nothing has come, and nothing is being handled."""

    async def start(self) -> Sequence[str]:
        """Connect, and receive if there is a `handle`; sentences on what weakens its promises."""

    async def send(self, event: Event) -> None:
        """Send an event; return when it was acknowledged."""

    async def stop(self) -> None:
        """Receive no more, wait for what is being handled, and disconnect."""


def transport_of(url: str, *, group: str | None = None, handle: Handle | None = None) -> Transport:
    """The transport for a URL, not started.

    Raises:
        Refusal: if no distribution brings one, or the URL is wrong.
    """
    scheme = url.partition("://")[0]
    points = importlib_metadata.entry_points(group=TRANSPORTS)
    found = [point for point in points if point.name == scheme]
    if not found:
        known = ", ".join(f"{name}://" for name in sorted({point.name for point in points}))
        raise Refusal(
            f"no plugin speaks {scheme}://; " + (f"there are {known}" if known else "there is none")
            if "://" in url
            else "a URL is expected, as redis://localhost"
        )
    point = found[0]
    try:
        made: Transport = point.load()(url, group=group, handle=handle)
    except ValueError as error:
        raise Refusal(str(error)) from None
    except (Exception, SystemExit) as error:
        raise Refusal(f"{scheme}:// of {point.value} cannot be used: {describe(error)}") from error
    return made
