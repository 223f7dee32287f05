"""`load_plugins`: discovery, policy, quarantine, report."""

from __future__ import annotations

import logging
import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from busway._build import build, connect, import_plugin
from busway._discovery import busway_version, discover, normalise_name
from busway._environment import VARIABLES, flag
from busway._loading import BROKEN, Loading, PluginRow, PluginState
from busway._names import text_of
from busway._printing import notice_printing
from busway._requirements import unmet
from busway.bus import EventBus
from busway.events import register_event_types
from busway.exceptions import PluginLoadError
from busway.policy import Policy, read_required
from busway.settings import Configuration, environment_prefix

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    import pluggy

    from busway._build import Built
    from busway.events import Event
    from busway.exceptions import PluginError
    from busway.handlers import Handler
    from busway.policy import Required

__all__ = ["PluginReport", "PluginRow", "PluginState", "load_plugins"]

_log = logging.getLogger("busway.plugins")
_SHOWN: Final = 60
"""Characters of what a plugin prints that its note shows."""


class PluginReport:
    """What `load_plugins` did: one row a plugin, sorted as they were discovered."""

    def __init__(self, rows: Iterable[PluginRow]) -> None:
        self.rows: tuple[PluginRow, ...] = tuple(rows)

    def __getitem__(self, name: str) -> PluginRow:
        """The row of a plugin; of two that conflict, the first.

        Raises:
            KeyError: if no plugin of that name was discovered.
        """
        for row in sorted(self.rows, key=lambda row: row.state is not PluginState.ACTIVE):
            if row.name == name:
                return row
        raise KeyError(f"no plugin {name!r} was discovered, only {[row.name for row in self.rows]}")

    def __contains__(self, name: object) -> bool:
        return any(row.name == name for row in self.rows)

    def __iter__(self) -> Iterator[PluginRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<PluginReport {' '.join(f'{row.name}={row.state}' for row in self.rows)}>"


class _Plugins:
    """The plugins that a bus has: told of what happens on it, they tell their hooks."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._managers: dict[str, pluggy.PluginManager] = {}
        self.rows: dict[tuple[str, str], PluginRow] = {}

    @classmethod
    def of(cls, bus: EventBus) -> _Plugins:
        if not isinstance(bus.observer, cls):
            bus.observer = cls(bus)
        return bus.observer

    def add(self, row: PluginRow, manager: pluggy.PluginManager) -> None:
        self.rows[row.name, row.distribution] = row
        self._managers[row.name] = manager

    def handler_failed(self, event: Event, handler: Handler, error: Exception) -> None:
        """Tell the hooks `busway_handler_failed`."""
        self._tell("busway_handler_failed", event=event, handler=handler, error=error)

    def event_unhandled(self, event: Event) -> None:
        """Tell the hooks `busway_event_unhandled`."""
        self._tell("busway_event_unhandled", event=event)

    def _tell(self, hook: str, **arguments: object) -> None:
        for name, manager in self._managers.items():
            try:
                getattr(manager.hook, hook)(bus=self._bus, **arguments)
            except Exception as error:  # noqa: BLE001 - logged; one plugin's hook stops nothing
                _log.exception("%s of plugin %s raised %s", hook, name, text_of(error))


def load_plugins(
    bus: EventBus | None = None,
    *,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    allow: Collection[str] | None = None,
    deny: Collection[str] | None = None,
    require: Collection[str] = (),
    strict: bool | None = None,
) -> PluginReport:
    """Find the plugins that are installed, and register what they bring.

    Each is judged before it is imported, imported and built on its own, and registered whole or
    not at all. What was registered on the bus before is not registered again.

    Args:
        bus: where to; the shared bus if None.
        settings: settings by plugin and key, live objects too; they overlay the file and the
            environment.
        allow: only these plugins; `BUSWAY_PLUGINS` restricts further. All if None.
        deny: not these plugins, nor those of `BUSWAY_DISABLE`.
        require: plugins that must be active, each with or without the versions of its
            distribution that will do: `["audit>=0.2"]`. `[bus] require` in the file adds to them.
        strict: raise instead of reporting a plugin that is broken; `BUSWAY_STRICT=1` if None.

    Returns:
        One row a plugin.

    Raises:
        PluginSettingsError: if the settings as a whole cannot be read; if strict, a plugin's.
        PluginLoadError: if a required plugin is not active; nothing was registered.
        PluginLoadError, PluginConflictError: if strict, and a plugin is broken; nothing was
            registered.
        TypeError: if `allow`, `deny` or `require` is a str.
        ValueError: if what is required cannot be read.
    """
    bus = EventBus.get_instance() if bus is None else bus
    policy, configuration = Policy(allow, deny), Configuration(settings)
    required = (
        *read_required(require, "require="),
        *read_required(configuration.require, f"{configuration.file}: bus.require"),
    )
    if strict is None:
        strict = flag("BUSWAY_STRICT")
    plugins = _Plugins.of(bus)
    found = [Loading(candidate) for candidate in discover()]
    fresh = [one for one in found if _key(one) not in plugins.rows]
    _judge(fresh, policy, configuration, Counter(one.candidate.name for one in found))
    _refuse_second(fresh, plugins)
    _import(fresh)
    _build(fresh)
    errors = [*_absences(required, found, plugins)]
    if strict:
        errors += [one.row.error for one in fresh if one.row.error is not None]
    _raise_any(errors, fresh)
    _register(bus, plugins, fresh, configuration.middleware)
    _warn(found, policy.names() | configuration.names())
    return PluginReport(plugins.rows.get(_key(one), one.row) for one in found)


def _key(one: Loading) -> tuple[str, str]:
    return one.candidate.name, one.candidate.distribution


def _judge(
    loadings: list[Loading],
    policy: Policy,
    configuration: Configuration,
    rivals: Counter[str],
) -> None:
    """All that is known before an import."""
    running = busway_version()
    for one in loadings:
        objection = policy.objection(one.candidate.name)
        if objection:
            one.stop(PluginState.BLOCKED, objection)
            continue
        with one.guard("settings"):
            one.section = configuration.section(one.candidate.name)
        if one.going:
            _judge_one(one, rivals[one.candidate.name], running)


def _judge_one(one: Loading, rivals: int, running: str) -> None:
    candidate, chosen = one.candidate, one.section.distribution
    requirement = unmet(candidate.requirements, running)
    if one.section.enabled is False:
        one.stop(PluginState.DISABLED, "its settings say enabled = false")
    elif chosen is not None and normalise_name(chosen) != candidate.distribution:
        one.stop(PluginState.BLOCKED, f"its settings say distribution = {chosen!r}")
    elif chosen is None and rivals > 1:
        one.stop(
            PluginState.CONFLICT,
            f"{rivals} distributions bring a plugin {candidate.name!r}: uninstall one, or say "
            f'[plugins.{candidate.name}] distribution = "{candidate.distribution}"',
        )
    elif requirement is not None:
        one.stop(
            PluginState.INCOMPATIBLE,
            f"{candidate.distribution} {candidate.version} requires {requirement!r}, and this is "
            f"busway {running}: upgrade one of them",
        )


def _refuse_second(loadings: list[Loading], plugins: _Plugins) -> None:
    """One name is one plugin: what is active stays."""
    active = dict(plugins.rows.keys())
    for one in loadings:
        if one.going and one.candidate.name in active:
            distribution = active[one.candidate.name]
            one.stop(PluginState.CONFLICT, f"it is active already, from {distribution}")


def _import(loadings: list[Loading]) -> None:
    for one in loadings:
        if not one.going:
            continue
        with one.guard("import"), notice_printing() as printed:
            one.imported = import_plugin(one.candidate)
        if printed:
            one.note(f"prints when it is imported: {''.join(printed)[:_SHOWN]!r}")
        if one.imported is None:
            continue
        if one.section.enabled is None and not one.imported.enabled_by_default:
            one.stop(
                PluginState.DISABLED,
                f"off by default: say [plugins.{one.candidate.name}] enabled = true",
            )
            continue
        with one.guard("hooks"):
            one.manager = connect(one.candidate, one.imported, one.section)


def _build(loadings: list[Loading]) -> None:
    """Event types first, of all plugins: one's handlers may want another's."""
    for one in loadings:
        if one.going and one.manager is not None:
            with one.guard("event types"):
                for enums in one.manager.hook.busway_event_types():
                    for enum in enums:
                        register_event_types(enum)
    for one in loadings:
        if one.going and one.imported is not None and one.manager is not None:
            with one.guard("build"):
                settings = one.section.values()
                one.built = build(one.candidate.name, one.imported, one.manager, settings)


def _absences(
    required: Iterable[Required], found: list[Loading], plugins: _Plugins
) -> Iterator[PluginError]:
    """Why the plugins that are required would not be active."""
    rows = [plugins.rows.get(_key(one), one.row) for one in found]
    for one in required:
        named = [row for row in rows if row.name == one.name]
        active = [row for row in named if row.state is PluginState.ACTIVE]
        if any(one.is_met_by(row.version) for row in active):
            continue
        told = [f"{row.distribution} {row.version} is active" for row in active] or [
            f"it is {row.state}: {row.reason}" for row in named
        ]
        why = "; ".join(told) or "no installed distribution brings it: install one"
        yield PluginLoadError(f"plugin {one} is required ({one.source}): {why}", plugin=one.name)


def _raise_any(errors: list[PluginError], loadings: list[Loading]) -> None:
    if not errors:
        return
    for one in loadings:
        if one.going:
            one.stop(PluginState.BLOCKED, "another plugin is broken or missing, and it must not be")
    for other in errors[1:]:
        errors[0].add_note(f"also: {other}")
    raise errors[0]


def _register(
    bus: EventBus, plugins: _Plugins, loadings: list[Loading], order: tuple[str, ...]
) -> None:
    """Register what was built, plugin by plugin; middleware in the application's order."""

    def place(one: Loading) -> tuple[int, str]:
        name = one.candidate.name
        return (order.index(name) if name in order else len(order), name)

    for one in loadings:
        if one.going and one.built is not None:
            with one.guard("register"):
                _register_one(bus, one.built)
    for one in sorted(loadings, key=place):
        if one.going and one.built is not None:
            for middleware in one.built.middleware:
                bus.add_middleware(middleware)
    for one in loadings:
        if one.going and one.built is not None and one.manager is not None:
            made = (*one.built.handlers, *one.built.middleware, *one.built.interceptors)
            one.row = replace(one.row, provided=(*made, *one.enums), settings=one.section.shown())
            plugins.add(one.row, one.manager)


def _register_one(bus: EventBus, built: Built) -> None:
    """Handlers and interceptors: all, or none if one is refused."""
    with ExitStack() as undo:
        for handler in built.handlers:
            bus.subscribe(handler)
            undo.callback(bus.unsubscribe, handler)
        for one in built.extra:
            EventBus.get_instance().subscribe(one)
            undo.callback(EventBus.get_instance().unsubscribe, one)
        for interceptor in built.interceptors:
            bus.add_interceptor(interceptor)
            undo.callback(bus.remove_interceptor, interceptor)
        undo.pop_all()


def _warn(loadings: list[Loading], spoken_of: set[str]) -> None:
    for one in loadings:
        if one.row.state in BROKEN:
            _log.error("plugin %s is %s: %s", one.row.name, one.row.state, one.row.reason)
    installed = {one.row.name for one in loadings}
    for name in sorted(spoken_of - installed):
        _log.warning("settings or policy name a plugin %r, which is not installed", name)
    prefixes = tuple(environment_prefix(name) for name in installed)
    for variable in sorted(os.environ):
        if variable.startswith(prefixes) or variable in VARIABLES:
            continue
        if variable.startswith("BUSWAY_"):
            _log.warning("%s is no setting of Busway or of an installed plugin", variable)
