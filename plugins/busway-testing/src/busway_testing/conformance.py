"""What every plugin promises, as tests that its author inherits and cannot override."""

from __future__ import annotations

import inspect
import os
import re
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Final

import pytest

from busway._conform import parameters_of
from busway.exceptions import PluginError
from busway_testing._installed import Installed
from busway_testing._probing import probe
from busway_testing._running import fail
from busway_testing._shared import standing_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from busway.events import Event

__all__ = ["Conformance"]

_REQUIREMENT: Final = re.compile(
    r"busway(?![\w.-])\s*(?:\[[^\]]*\])?\s*(?P<versions>[^;]*)", re.IGNORECASE
)
_LOWER_BOUND: Final = re.compile(r"(?:>=?|~=|===?)\s*\d")
_AUTHORS: Final = {"plugin", "settings", "event", "plugin_settings", "plugin_event"}
_UNKNOWN: Final = "no_such_setting"


class Conformance:
    """The tests that plugins of every kind have to pass; each kind has a class with more.

    The tests' names begin with `test_`. A class that overrides one of them cannot be made. Tests
    of one's own stand beside them, under other names.

    Attributes:
        plugin: the name of the plugin's entry point.
        settings: what it needs besides its defaults. What only a test can have, a temporary
            directory say, is what a fixture `plugin_settings` of the class is for.
        event: one that the plugin can handle. One of a type that the plugin itself brings is made
            by a fixture `plugin_event` of the class, since it takes the registered type.
    """

    group: ClassVar[str] = ""
    plugin: ClassVar[str] = ""
    settings: ClassVar[Mapping[str, object]] = {}
    event: ClassVar[Event | None] = None

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        _check_whole(cls)

    @pytest.fixture
    def plugin_settings(self) -> Mapping[str, object]:
        """The plugin's settings besides its defaults; those of the class unless overridden."""
        return self.settings

    @pytest.fixture
    def plugin_event(self) -> Event | None:
        """An event that the plugin can handle; the one of the class unless overridden."""
        return self.event

    @pytest.fixture
    def installed(
        self,
        plugin_settings: Mapping[str, object],
        request: pytest.FixtureRequest,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> Iterator[Installed]:
        """The plugin, with no other settings than those, in an empty directory."""
        _check_whole(type(self))
        for name in [name for name in os.environ if name.startswith("BUSWAY_")]:
            monkeypatch.delenv(name)
        work = tmp_path / "conformance"
        work.mkdir()
        monkeypatch.chdir(work)
        with standing_in(None):
            yield Installed(
                self.plugin,
                self.group,
                plugin_settings,
                lambda: request.getfixturevalue("plugin_event"),
            )

    def test_entry_point_resolves(self, installed: Installed) -> None:
        """The installed distribution has the entry point, and what it names can be imported."""
        point, *rivals = installed.points
        if rivals:
            names = ", ".join(one.dist.name for one in installed.points if one.dist is not None)
            fail(
                f"several distributions bring a plugin {installed.plugin}: {names}. Uninstall all "
                "but one, or give it another name"
            )
        try:
            point.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - of the plugin
            fail(
                f"the entry point {point.name} = {point.value!r} does not resolve: is the module "
                "part of the distribution, does it define that name, and are all libraries that "
                "it imports among the dependencies?",
                error,
            )

    def test_requirement_on_busway_has_a_lower_bound(self, installed: Installed) -> None:
        """An older busway is refused by the installer."""
        distribution = installed.distribution
        needed = [_REQUIREMENT.match(one) for one in distribution.requires or ()]
        if not any(one and _LOWER_BOUND.search(one["versions"]) for one in needed):
            has = next((repr(one.string) for one in needed if one), "no requirement on busway")
            fail(
                f"{distribution.name} has {has}, without a lower bound: say "
                'dependencies = ["busway>=0.1"] in pyproject.toml, with the busway it was made for'
            )

    def test_import_does_nothing_else(self, installed: Installed) -> None:
        """It starts no thread, no task, no event loop, makes no bus and prints nothing."""
        module = installed.points[0].module
        done = probe(module)
        if done.error:
            pytest.skip(f"{module} cannot be imported: see the test of that")
        if done.effects:
            fail(
                f"importing {module} {'; it '.join(done.effects)}. Do that in start(bus), or when "
                "it is first needed: whoever lists plugins imports them"
            )

    def test_loads_with_its_defaults(self, installed: Installed) -> None:
        """And with the settings of this class besides: it becomes active, strictly."""
        installed.require_fit()
        try:
            installed.load()
        except PluginError as error:
            given = ", ".join(installed.settings) or "none"
            fail(
                f"{error} (settings given: {given}). Every parameter needs a default, or a value "
                "in `settings` of this class",
                error,
            )

    def test_unknown_setting_is_refused(self, installed: Installed) -> None:
        """A mistyped name is noticed."""
        installed.loaded()
        if installed.takes_settings and not _refuses(installed, _UNKNOWN, 1):
            fail(
                f"a setting {_UNKNOWN!r} is taken, so a mistyped one would be: take no **options, "
                "and in hooks see that all keys of `settings` are known"
            )

    def test_ill_typed_setting_is_refused(self, installed: Installed) -> None:
        """Where annotations say what a setting is, busway checks it."""
        installed.loaded()
        if not isinstance(installed.thing, type) or issubclass(installed.thing, Enum):
            return
        written = inspect.signature(installed.thing).parameters
        for name, read in parameters_of(installed.thing).annotations.items():
            annotation = written[name].annotation
            is_lost = read is inspect.Parameter.empty is not annotation
            if is_lost and not any(_refuses(installed, name, value) for value in _WRONG):
                fail(
                    f"the setting {name!r} takes whatever it is given: its annotation, "
                    f"{annotation!r}, is not there when the plugin is loaded. Is it imported "
                    "under `if TYPE_CHECKING` only?"
                )


class _Stranger:
    """What no setting is."""


_WRONG: Final[tuple[object, ...]] = (_Stranger(), 0, "", [], {})
"""Whatever a constructor checks itself, some of these it refuses."""


def _refuses(installed: Installed, name: str, value: object) -> bool:
    """Whether a setting is refused by its name."""
    try:
        installed.load(**{name: value})
    except PluginError as error:
        return name in str(error)
    return False


def _check_whole(cls: type) -> None:
    """See that a class has all that the kit gives it, and nothing else in its place."""
    ours = [one for one in cls.__mro__ if one.__module__.startswith(f"{__package__}.")]
    names = {name for one in ours for name in vars(one) if not name.startswith("__")}
    for name in sorted(names - _AUTHORS):
        holder = next(one for one in cls.__mro__ if name in vars(one))
        if holder not in ours:
            raise TypeError(
                f"{holder.__qualname__}.{name} stands in the place of what the kit has there, "
                "which cannot be overridden: give your own test or attribute another name"
            )
