"""`load_plugins`: discovery, policy, quarantine, report."""

from __future__ import annotations

import logging
import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from busway._build import build, connect
from busway._discovery import discover
from busway._environment import VARIABLES, flag
from busway._importing import import_plugin
from busway._judging import absences, judge, refuse_second
from busway._loading import BROKEN, Loading, PluginRow, PluginState
from busway._names import text_of
from busway._printing import notice_printing
from busway.bus import EventBus
from busway.events import register_event_types
from busway.policy import Policy, read_required
from busway.settings import Configuration, environment_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    import pluggy

    from busway._build import Built
    from busway.events import Event
    from busway.exceptions import PluginError
    from busway.handlers import Handler

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
    required = (*read_required(require, "require="), *configuration.required)
    if strict is None:
        strict = flag("BUSWAY_STRICT")
    plugins = _Plugins.of(bus)
    found = [Loading(candidate) for candidate in discover()]
    fresh = [one for one in found if _key(one) not in plugins.rows]
    judge(fresh, policy, configuration, Counter(one.candidate.name for one in found))
    refuse_second(fresh, dict(plugins.rows.keys()))
    _import(fresh)
    _build(fresh)

    def check() -> None:
        rows = [plugins.rows.get(_key(one), one.row) for one in found]
        broken = [one.row.error for one in fresh if strict and one.row.error is not None]
        _raise_any([*absences(required, rows), *broken], fresh)

    check()
    _register(bus, plugins, fresh, configuration.middleware, check)
    _warn(found, policy.names() | configuration.names())
    return PluginReport(plugins.rows.get(_key(one), one.row) for one in found)


def _key(one: Loading) -> tuple[str, str]:
    return one.candidate.name, one.candidate.distribution


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
    bus: EventBus,
    plugins: _Plugins,
    loadings: list[Loading],
    order: tuple[str, ...],
    check: Callable[[], None],
) -> None:
    """Register what was built, plugin by plugin; middleware in the application's order.

    What `check` raises, because of what the bus has refused, undoes all of it.
    """

    def place(one: Loading) -> tuple[int, str]:
        name = one.candidate.name
        return (order.index(name) if name in order else len(order), name)

    with ExitStack() as undo:
        for one in loadings:
            if one.going and one.built is not None:
                with one.guard("register"):
                    undo.enter_context(_register_one(bus, one.built))
        check()
        undo.pop_all()
    for one in sorted(loadings, key=place):
        if one.going and one.built is not None:
            for middleware in one.built.middleware:
                bus.add_middleware(middleware)
    for one in loadings:
        if one.going and one.built is not None and one.manager is not None:
            made = (*one.built.handlers, *one.built.middleware, *one.built.interceptors)
            one.row = replace(one.row, provided=(*made, *one.enums), settings=one.section.shown())
            plugins.add(one.row, one.manager)


def _register_one(bus: EventBus, built: Built) -> ExitStack:
    """Handlers and interceptors: all, or none if one is refused; what undoes it."""
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
        return undo.pop_all()


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
