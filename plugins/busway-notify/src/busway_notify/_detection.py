"""Detection: all rules, what they remember, and the bound on what they have sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from busway_notify import _settings
from busway_notify._bound import AlertBound
from busway_notify._keys import ACCOUNT, ADDRESS
from busway_notify._memory import Memory, Remembered
from busway_notify.brute_force import BruteForceRule
from busway_notify.critical_error import CriticalErrorRule
from busway_notify.flood import FloodRule
from busway_notify.login_after_failures import LoginAfterFailuresRule
from busway_notify.spraying import SprayingRule
from busway_notify.welcome import WelcomeRule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from enum import StrEnum

    from busway.events import Event
    from busway_notify.notification import Addresses, Draft
    from busway_notify.rules import Rule

__all__ = ["Detection", "Limits"]

_DETECTED: Final = ("address", "account", "spraying", "login")


@dataclass(frozen=True)
class Limits:
    """The settings of detection; see `NotificationHandler`."""

    detect: object
    threshold: int
    window: float
    cooldown: float
    error_cooldown: float
    spray_threshold: int
    flood_threshold: int
    max_keys: int
    max_alerts: int
    alert_period: float
    state: str | None


class Detection:
    """Asks the rules of an event's type, one after another, what is to be sent.

    Args:
        limits: the settings.
        addresses: for sender and administrators.

    Raises:
        ValueError: if a setting is not as described; it names the setting.
    """

    def __init__(self, limits: Limits, addresses: Addresses) -> None:
        wanted = _read_detect(limits.detect)
        self._rules: dict[StrEnum, list[Rule]] = {}
        self._remembered: dict[str, Remembered] = {}
        self._add(WelcomeRule(addresses=addresses))
        failures = self._failures(limits, addresses, wanted)
        self._flood = FloodRule(
            threshold=limits.flood_threshold,
            window=limits.window,
            new_sources=lambda: failures[0].keys.added if failures else 0,
            addresses=addresses,
        )
        self._add(self._flood)  # before those whose new keys it counts
        for name, rule in zip([one for one in _DETECTED if one in wanted], failures, strict=False):
            self._add(rule)
            self._remembered[name] = rule.keys
        self._add_others(limits, addresses, wanted, failures)
        errors = CriticalErrorRule(
            error_cooldown=limits.error_cooldown, max_keys=limits.max_keys, addresses=addresses
        )
        self._add(errors)
        self._remembered["critical_error"] = errors.keys
        self._bound = AlertBound(
            _settings.whole_number("max_alerts", limits.max_alerts, most=10**9),
            _settings.seconds("alert_period", limits.alert_period),
            addresses,
        )
        self.memory = Memory(_settings.file("state", limits.state), self._remembered)

    @property
    def event_types(self) -> Sequence[StrEnum]:
        """Those of the rules."""
        return list(self._rules)

    def consider(self, event: Event) -> list[Draft]:
        """What is to be sent because of an event, in this order."""
        drafts = [rule.consider(event) for rule in self._rules.get(event.type, ())]
        self.memory.touch()
        return [sent for draft in drafts if draft is not None for sent in self._bound.admit(draft)]

    def end(self) -> list[Draft]:
        """What is to be told of floods that are not over."""
        return [*self._flood.end(), *self._bound.end()]

    def health(self) -> Mapping[str, int]:
        """The counts of all rules, added up."""
        counts = Counter(self._bound.health())
        for rule in (one for rules in self._rules.values() for one in rules):
            counts.update(rule.health())
        return dict(counts)

    def _add(self, rule: Rule) -> None:
        self._rules.setdefault(rule.event_type, []).append(rule)

    def _failures(
        self, limits: Limits, addresses: Addresses, wanted: Sequence[str]
    ) -> list[BruteForceRule]:
        by_address = (ADDRESS,) if "account" in wanted else (ADDRESS, ACCOUNT)
        namespaces = {"address": by_address, "account": (ACCOUNT,)}
        return [
            BruteForceRule(
                threshold=limits.threshold,
                window=limits.window,
                cooldown=limits.cooldown,
                max_keys=limits.max_keys,
                addresses=addresses,
                namespaces=keys,
            )
            for name, keys in namespaces.items()
            if name in wanted
        ]

    def _add_others(
        self,
        limits: Limits,
        addresses: Addresses,
        wanted: Sequence[str],
        failures: Sequence[BruteForceRule],
    ) -> None:
        if "spraying" in wanted:
            spraying = SprayingRule(
                threshold=limits.spray_threshold,
                window=limits.window,
                cooldown=limits.cooldown,
                max_keys=limits.max_keys,
                addresses=addresses,
            )
            self._add(spraying)
            self._remembered["spraying"] = spraying.keys
        if "login" in wanted:
            login = LoginAfterFailuresRule(
                failures,
                cooldown=limits.cooldown,
                max_keys=limits.max_keys,
                addresses=addresses,
            )
            self._add(login)
            self._remembered["login"] = login.keys


def _read_detect(value: object) -> tuple[str, ...]:
    listed = ("address",) if value is None else value
    known = ", ".join(_DETECTED)
    if not isinstance(listed, list | tuple) or not all(one in _DETECTED for one in listed):
        raise ValueError(f"detect: a list of some of these is expected: {known}; not {value!r}")
    if "login" in listed and not {"address", "account"} & set(listed):
        raise ValueError("detect: login looks at failures by address or account: add one of them")
    return tuple(listed)
