"""The handler: events to rules, and what the rules draft to every channel."""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from busway.events import Event
from busway.handlers import AnyType, EventHandler
from busway_notify import _settings
from busway_notify._recent import Counts
from busway_notify.brute_force import BruteForceRule
from busway_notify.channels import Channel, ChannelError, open_channels
from busway_notify.critical_error import CriticalErrorRule
from busway_notify.notification import Draft, Kind, Notification
from busway_notify.welcome import WelcomeRule

if TYPE_CHECKING:
    from busway_notify.rules import Rule

# No `from __future__ import annotations`: the annotations of the constructor are the plugin's
# settings, and are read at runtime.

__all__ = ["NotificationHandler"]


class NotificationHandler(EventHandler):
    """Writes to new users and to administrators.

    A rule a class decides what is worth it: `WelcomeRule`, `BruteForceRule`,
    `CriticalErrorRule`. All channels are tried, whichever fail. If none took an alert, its
    cooldown is undone, so that the next event of its kind sends it.

    Ordering: channels are tried in the order of the setting, one after another.
    Cancellation: passes; an alert that no channel had taken by then is undone as above.
    Threads: one handler may be called from several loops in several threads at once.

    Args:
        channels: URLs (`log:`, `jsonl:PATH`) and `Channel` objects; None for `["log:"]`.
        admins: whom alerts are for; needed only by channels that write to people.
        sender: whom notifications come from; needed only by channels that write to people.
        threshold: how many failed logins of one address are an attack.
        window: within how many seconds of event time, both ends included.
        cooldown: for how many seconds of event time an attack is not told again; 0 tells all.
        error_cooldown: the same for one critical error.
        max_keys: how many addresses and users, and how many errors, are remembered; the least
            recently seen are given up first.

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
    ) -> None:
        self._channels = open_channels(channels)
        needed_by = next((each.name for each in self._channels if each.addresses_people), None)
        addresses = _settings.addresses(admins, sender, needed_by=needed_by)
        welcome = WelcomeRule(addresses=addresses)
        brute_force = BruteForceRule(
            threshold=threshold,
            window=window,
            cooldown=cooldown,
            max_keys=max_keys,
            addresses=addresses,
        )
        critical_error = CriticalErrorRule(
            error_cooldown=error_cooldown, max_keys=max_keys, addresses=addresses
        )
        rules: tuple[Rule, ...] = (welcome, brute_force, critical_error)
        self._rules: dict[StrEnum, Rule] = {rule.event_type: rule for rule in rules}
        counted = [f"{what}_{kind}" for what in ("sent", "failed") for kind in Kind]
        self._counts = Counts(*counted, "failed_sends")

    @property
    def event_types(self) -> Sequence[StrEnum | str | Literal[AnyType.ANY]]:
        """Those of the rules."""
        return list(self._rules)

    async def handle(self, event: Event) -> None:
        """Send what the event's rule makes of it to every channel.

        Raises:
            ChannelError: if one channel did not take it.
            ExceptionGroup: of `ChannelError`, if several did not.
        """
        rule = self._rules.get(event.type)
        draft = None if rule is None else rule.consider(event)
        if draft is None:
            return
        errors = await self._deliver(draft)
        if len(errors) > 1:
            names = ", ".join(repr(error.channel) for error in errors)
            raise ExceptionGroup(f"{len(errors)} channels failed: {names}", errors)
        if errors:
            raise errors[0]

    def health(self) -> Mapping[str, int | str]:
        """Counts since it was built, by name; the README says what each means."""
        counts = Counter(self._counts.read())
        for rule in self._rules.values():
            counts.update(rule.health())
        return dict(counts)

    async def _deliver(self, draft: Draft) -> list[ChannelError]:
        """Try all channels; the errors of those that did not take it."""
        errors: list[ChannelError] = []
        taken = False
        try:
            for channel in self._channels:
                try:
                    await _send(channel, draft.notification)
                    taken = True
                except ChannelError as error:
                    self._counts.add("failed_sends")
                    errors.append(error)
        finally:  # also when cancelled: an alert must not be lost without a trace
            self._settle(draft, taken=taken)
        return errors

    def _settle(self, draft: Draft, *, taken: bool) -> None:
        self._counts.add(f"{'sent' if taken else 'failed'}_{draft.notification.kind}")
        if not taken:
            draft.take_back()


async def _send(channel: Channel, notification: Notification) -> None:
    try:
        await channel.send(notification)
    except Exception as error:
        raise ChannelError(channel.name, notification, error) from error
