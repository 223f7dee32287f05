"""The handler: events to rules, and what the rules draft to every channel."""

import os
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from busway.bus import EventBus
from busway.events import Event
from busway.handlers import AnyType, EventHandler
from busway_notify import _settings
from busway_notify._counts import Counts
from busway_notify._delivery.outbox import Patience
from busway_notify._delivery.post import Post
from busway_notify._delivery.report import SOURCE
from busway_notify._detection import Detection, Limits
from busway_notify._opening import Means
from busway_notify._queued import is_queued
from busway_notify._routing import Routing
from busway_notify._sending import Sending, queued
from busway_notify._templates import Templates
from busway_notify.channels import Channel, open_channels
from busway_notify.notification import Kind

if TYPE_CHECKING:
    from busway_notify.exceptions import ChannelError

# No `from __future__ import annotations`: the annotations of the constructor are the plugin's
# settings, and are read at runtime.

__all__ = ["NotificationHandler"]

_ALWAYS: Final = (Kind.WELCOME, Kind.BRUTE_FORCE, Kind.CRITICAL_ERROR)
"""The kinds that are counted from the start; the others once there are any."""
_GRACE: Final = 5.0
"""Seconds that the bus gives `stop` beyond its own, to keep and report what is left."""


class NotificationHandler(EventHandler):
    """Writes to new users and to administrators.

    A rule a class decides what is worth it: `WelcomeRule`, `BruteForceRule`, `SprayingRule`,
    `LoginAfterFailuresRule`, `FloodRule`, `CriticalErrorRule`. All channels are tried, whichever
    fail. If none took an alert, its cooldown is undone, so that the next event of its kind sends
    it.

    What goes over a network is put into a queue, and delivered by a thread of this handler's, so
    that a dead mail server never slows a publisher. It begins with the first notification, whether
    this was started or not, and ends with `stop`, which goes on delivering for `stop_timeout`.

    Ordering: channels without a queue are tried in the order of the setting, one after another,
    when those with one have got it. A queue's notifications may overtake one another.
    Cancellation: passes; an alert that no channel had taken by then is undone as above.
    Threads: one handler may be called from several loops in several threads at once.

    Args:
        channels: URLs (`log:`, `jsonl:PATH`, `smtp://HOST`, …) and `Channel` objects; None for
            `["log:"]`.
        admins: whom alerts are for; needed only by channels that write to people.
        sender: whom notifications come from; needed only by channels that write to people.
        threshold: how many failed logins of one address are an attack.
        window: within how many seconds of event time, both ends included.
        cooldown: for how many seconds of event time an attack is not told again; 0 tells all.
        error_cooldown: the same for one critical error.
        max_keys: how many addresses and users, and how many errors, are remembered; the least
            recently seen are given up first.
        detect: what counts failed logins, and what a login after them: some of `address` (the user
            where there is none), `account`, `spraying` and `login`; None for `["address"]`.
        spray_threshold: how many accounts that one address fails at are password spraying.
        flood_threshold: how many failed logins within `window`, from anywhere, are a flood.
        max_alerts: how many alerts of a kind are sent in each `alert_period`; a hundred an hour,
            since nobody reads more. Those beyond it are counted, and told in a summary.
        alert_period: seconds of event time.
        state: a file that keeps what was detected over a restart; None for none.
        routes: tables of `kinds`, `severities`, `channels` and `to`: who gets what, through which
            channels; None for all to all.
        templates: a folder of templates for mails; None for our own.
        username: whom to log in as at a mail server whose URL names nobody.
        password: with what, where the URL has none.
        ca_file: certificates of authorities to trust beside the system's.
        allow_hosts: the hosts that webhooks may name; None for those that `channels` names.
        allow_private: whether webhooks may be at private addresses.
        timeout: seconds for one try of a queued channel.
        retry_for: seconds for which a queued channel tries again; an hour, since mail servers are
            down for minutes at times.
        queue_size: how many notifications may be on their way through one queued channel.
        stop_timeout: seconds for which `stop`, or the interpreter's exit, goes on delivering.
        dead_letters: a file for what could not be delivered; None for no file.

    Raises:
        ValueError: if a setting is not as described; it names the setting.

    >>> import asyncio
    >>> from busway_notify import NotificationHandler
    >>> handler = NotificationHandler(channels=["log:"], threshold=3)
    >>> asyncio.run(handler.handle(Event("user.created", {"email": "ada@example.org"})))
    >>> handler.health()["sent_welcome"]
    1
    """

    def __init__(
        self,
        *,
        channels: list[str | Channel] | None = None,
        admins: list[str] | None = None,
        sender: str = "",
        threshold: int = 5,
        window: float = 600.0,
        cooldown: float = 600.0,
        error_cooldown: float = 300.0,
        max_keys: int = 10_000,
        detect: list[str] | None = None,
        spray_threshold: int = 10,
        flood_threshold: int = 10_000,
        max_alerts: int = 100,
        alert_period: float = 3600.0,
        state: str | None = None,
        routes: list[dict[str, list[str]]] | None = None,
        templates: str | None = None,
        username: str = "",
        password: str = "",
        ca_file: str | None = None,
        allow_hosts: list[str] | None = None,
        allow_private: bool = False,
        timeout: float = 10.0,
        retry_for: float = 3600.0,
        queue_size: int = 1000,
        stop_timeout: float = 30.0,
        dead_letters: str | None = None,
    ) -> None:
        means = Means(
            timeout=_settings.seconds("timeout", timeout).total_seconds(),
            templates=Templates(templates),
            username=username,
            password=password,
            ca_file=ca_file,
            allow_hosts=_settings.hosts("allow_hosts", allow_hosts),
            allow_private=_settings.flag("allow_private", allow_private),
        )
        self._channels = open_channels(channels, means)
        self._routing = Routing(routes, self._channels)
        needed_by = next((each.name for each in self._channels if each.addresses_people), None)
        addresses = _settings.addresses(admins, sender, needed_by=needed_by)
        self._detection = Detection(
            Limits(
                detect=detect,
                threshold=threshold,
                window=window,
                cooldown=cooldown,
                error_cooldown=error_cooldown,
                spray_threshold=spray_threshold,
                flood_threshold=flood_threshold,
                max_keys=max_keys,
                max_alerts=max_alerts,
                alert_period=alert_period,
                state=state,
            ),
            addresses,
        )
        counted = [f"{what}_{kind}" for what in ("sent", "failed") for kind in _ALWAYS]
        self._counts = Counts(*counted, "failed_sends")
        seconds = _settings.seconds("stop_timeout", stop_timeout, zero=True).total_seconds()
        self._new_post = partial(
            Post,
            queued(self._channels),
            queue_size=_settings.whole_number("queue_size", queue_size, most=1_000_000),
            patience=Patience(
                means.timeout, _settings.seconds("retry_for", retry_for, zero=True).total_seconds()
            ),
            stop_timeout=seconds,
            dead_letters=_settings.file("dead_letters", dead_letters),
            name=self.name,
        )
        if any(map(is_queued, self._channels)):
            self.stop_timeout: float | None = seconds + _GRACE
        weakref.finalize(self, self._detection.memory.save)
        self._renew()
        _renew_after_fork(self)

    @property
    def event_types(self) -> Sequence[StrEnum | str | Literal[AnyType.ANY]]:
        """Those of the rules."""
        return self._detection.event_types

    async def start(self, bus: EventBus) -> None:
        """From now on, tell the bus when notifications are lost."""
        self._post.begin(bus)

    async def stop(self) -> None:
        """Tell of floods; go on delivering for `stop_timeout` seconds; report what is left then.

        Cancellation: what is left is given up at once.

        Raises:
            ExceptionGroup: of `ChannelError`, if a channel without a queue did not take a summary.
        """
        self._detection.memory.save()
        errors: list[ChannelError] = []
        try:
            for draft in self._detection.end():
                errors += await self._sending.send(draft)
        finally:
            await self._post.stop()
        if errors:
            raise ExceptionGroup("the summary of a flood was not taken", errors)

    async def handle(self, event: Event) -> None:
        """Send what the event's rule makes of it to every channel.

        Raises:
            ChannelError: if one channel did not take it.
            ExceptionGroup: of `ChannelError`, if several did not.
        """
        if event.source == SOURCE:  # our own report: it must not go the way that it reports of
            return
        errors: list[ChannelError] = []
        for draft in self._detection.consider(event):
            errors += await self._sending.send(draft)
        if len(errors) > 1:
            names = ", ".join(repr(error.channel) for error in errors)
            raise ExceptionGroup(f"{len(errors)} channels failed: {names}", errors)
        if errors:
            raise errors[0]

    def health(self) -> Mapping[str, int | str]:
        """Counts since it was built, by name; the README says what each means."""
        counts = Counter(self._counts.read())
        counts.update(self._detection.health())
        counts.update(self._post.health())
        return dict(counts)

    def _renew(self) -> None:
        self._post: Post = self._new_post()
        self._sending = Sending(self._channels, self._routing, self._post, self._counts)
        weakref.finalize(self, self._post.abandon).atexit = False


def _renew_after_fork(handler: NotificationHandler) -> None:
    """Give a forked child a post of its own: what is queued, and the thread, are the parent's."""
    known = weakref.ref(handler)

    def renew() -> None:
        alive = known()
        if alive is not None:
            alive._renew()  # noqa: SLF001 - the handler's own

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)
