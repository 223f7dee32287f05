"""The installed plugin that a conformance class tests, and how it is loaded."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

import pytest

from busway.bus import EventBus
from busway.events import Event, EventType, event_types, is_event_types
from busway.exceptions import PluginError
from busway.handlers import ANY
from busway_testing._hookimpls import hook_impls, objections
from busway_testing._running import fail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from enum import StrEnum

    from importlib_metadata import EntryPoint
    from importlib_metadata._meta import IDistribution

    from busway.events import Payload
    from busway.handlers import Handler

__all__ = ["HOOKS", "Installed"]

HOOKS: Final = "busway.plugins"


class Installed:
    """An installed plugin.

    What the tests of the kit need of it is here, and so is which of them tells of what. Without
    an entry point all fail; what keeps it from being imported or loaded fails the one test that
    is about that, and the others are skipped.

    Attributes:
        plugin: the name of its entry point.
        group: the one in which its kind belongs; hooks can bring everything.
        settings: those that the author gives.
    """

    def __init__(
        self,
        plugin: str,
        group: str,
        settings: Mapping[str, object],
        author_event: Callable[[], Event | None],
    ) -> None:
        self.plugin = plugin
        self.group = group
        self.settings = settings
        self._author_event = author_event

    @cached_property
    def points(self) -> list[EntryPoint]:
        """Its entry points, one unless distributions rival; fails if there is none."""
        # imported here: `import busway_testing` reads no metadata
        from importlib_metadata import entry_points

        if not self.plugin:
            fail("say which plugin is tested: `plugin` is to be the name of its entry point")
        everything = entry_points()
        found: dict[str, EntryPoint] = {}
        for group in (self.group, HOOKS):
            for point in everything.select(group=group, name=self.plugin):
                found.setdefault(point.dist.name if point.dist is not None else "", point)
        if not found:
            names = ", ".join(sorted(everything.select(group=self.group).names)) or "none"
            fail(
                f"no installed distribution has an entry point {self.plugin!r} in {self.group}; "
                f"there are {names}; is it in pyproject.toml, and has it been installed again "
                "since?"
            )
        return list(found.values())

    @property
    def distribution(self) -> IDistribution:
        """What brings it."""
        distribution = self.points[0].dist
        if distribution is None:
            fail(f"the entry point {self.plugin!r} belongs to no distribution: install one")
        return distribution

    @property
    def brings_hooks(self) -> bool:
        """Whether the entry point names hooks, which can bring everything."""
        return self.points[0].group == HOOKS

    @property
    def takes_settings(self) -> bool:
        """Whether anything of it takes a setting; to hooks that do not, any can be given."""
        if not self.brings_hooks or isinstance(self.thing, type):
            return True
        return any("settings" in one.arguments for one in hook_impls(self.thing))

    @cached_property
    def thing(self) -> object:
        """What the entry point names; without it, a test is skipped."""
        point = self.points[0]
        try:
            return point.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - of the plugin; another test tells
            pytest.skip(f"{point.value} does not resolve ({error!r}): see the test of that")

    def rivals(self) -> list[str]:
        """Which of its event types another enum has claimed, and which that is."""
        if self.brings_hooks or not is_event_types(self.thing):
            return []
        known = event_types()
        return [
            f"{member!r} claims what is {known[member.value]!r} already"
            for member in cast("Iterable[StrEnum]", self.thing)
            if known.get(member.value, member) is not member
        ]

    def require_fit(self) -> None:
        """Skip a test if other tests tell why it cannot be loaded."""
        if len(self.points) > 1:
            pytest.skip("several distributions bring it: see the test of that")
        told = objections(self.thing) if self.brings_hooks else self.rivals()
        if told:
            pytest.skip(f"it cannot be loaded ({'; '.join(told)}): see the test of that")

    def load(self, **changes: object) -> EventBus:
        """Load it, and nothing else, strictly, on a new bus.

        Args:
            changes: settings besides the author's.

        Raises:
            PluginError: if it does not load.
        """
        # imported here: half of busway, and `import busway_testing` does without
        from busway.plugins import load_plugins

        bus = EventBus()
        settings = {"enabled": True, **self.settings, **changes}
        load_plugins(bus, allow=[self.plugin], strict=True, settings={self.plugin: settings})
        return bus

    def loaded(self) -> EventBus:
        """A new bus with it, for tests that need one; they are skipped if it does not load."""
        self.require_fit()
        try:
            return self.load()
        except PluginError as error:
            pytest.skip(f"it does not load ({error}): see the test of that")

    def handlers(self) -> list[Handler]:
        """New handlers of it; fails if it brings none."""
        found = list(self.loaded().handlers)
        if not found:
            fail(f"{self.plugin} brings no handler: test it with the class for what it brings")
        return found

    def ask(self, hook: str, **offered: object) -> list[object]:
        """What its implementations of a hook return."""
        self.loaded()
        holder = self.thing(**self.settings) if isinstance(self.thing, type) else self.thing
        return [
            one.function(**{name: offered[name] for name in one.arguments})
            for one in hook_impls(holder)
            if one.hook == hook
        ]

    def author_event(self) -> Event | None:
        """The event that the author gives, as a new one, which shares nothing with the others."""
        event = self._author_event()
        if event is None:
            return None
        return event.replace(id=None, payload=_copy(event.payload), metadata=dict(event.metadata))

    def event_for(self, handler: Handler) -> Event:
        """A new event that a handler wants: the author's, or one with an empty payload."""
        event, types = self.author_event(), list(handler.event_types)
        if event is not None and (ANY in types or event.type in types):
            return event
        return Event(EventType.USER_CREATED if types[0] is ANY else types[0])


def _copy(payload: Payload) -> Payload:
    try:
        return copy.deepcopy(payload)
    except Exception:  # noqa: BLE001 - a lock, a socket, a stranger's __deepcopy__
        return dict(payload)
