"""The pages of `busway plugins`: a list of all, and all of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from busway_cli._answer import table
from busway_cli._facts import DEFAULT
from busway_cli._streams import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from busway_cli._facts import Facts

__all__ = ["list_page", "plugin_page"]

_DIGITS: Final = 7  # of a load time, and its head
_SHORT: Final = ("name", "kind", "distribution", "version", "state", "ms".rjust(_DIGITS))
_LONG: Final = ("handles", "reason")
_KINDS: Final = {
    "handlers": ("handler", "handlers"),
    "middleware": ("middleware", "middleware"),
    "interceptors": ("interceptor", "interceptors"),
    "event_types": ("event type", "event types"),
}
"""What to call one and several of what a plugin provides."""


def list_page(plugins: Sequence[Facts]) -> Iterator[RenderableType]:
    """One row a plugin, and below them the settings that were set."""
    if not plugins:
        yield "no plugin is installed"
        return
    odd = any(one.notes for one in plugins)
    heads = (*_SHORT, *_LONG, *(["notes"] if odd else []))
    listed = table(*heads, rows=[_cells(one)[: len(heads)] for one in plugins])
    for column in listed.columns[: len(_SHORT)]:  # a narrow terminal folds the others
        column.no_wrap = True
    yield listed
    settings = [
        (plugin.name, key, one.value, one.source)
        for plugin in plugins
        for key, one in plugin.settings.items()
        if one.source != DEFAULT
    ]
    if settings:
        yield ""
        yield table("plugin", "setting", "value", "from", rows=settings)


def plugin_page(plugin: Facts, rivals: Sequence[str]) -> Iterator[RenderableType]:
    """All of one plugin.

    Args:
        plugin: what is told of it.
        rivals: the other distributions that bring a plugin of its name.
    """
    yield table("plugin", printable(plugin.name), rows=_lines(plugin, rivals))
    if plugin.settings:
        yield ""
        settings = [(key, one.value, one.source) for key, one in plugin.settings.items()]
        yield table("setting", "value", "from", rows=settings)
    if plugin.traceback:
        yield ""
        yield "\n".join(printable(line) for line in plugin.traceback.splitlines())


def _cells(plugin: Facts) -> list[str]:
    facts = (plugin.name, plugin.kind, plugin.distribution, plugin.version, plugin.state)
    load = _milliseconds(plugin).rjust(_DIGITS)
    return [*facts, load, _handles(plugin), plugin.reason, "; ".join(plugin.notes)]


def _lines(plugin: Facts, rivals: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield "kind", plugin.kind
    yield "distribution", f"{plugin.distribution} {plugin.version}"
    yield from (("brought by", f"{one} too") for one in rivals)
    yield "state", plugin.state
    if plugin.reason:
        yield "reason", plugin.reason
    yield from (("note", one) for one in plugin.notes)
    yield from (("handles", one) for one in plugin.handles)
    for kind, names in plugin.provides.items():
        yield from ((_KINDS[kind][0], one) for one in names)
    yield "ms", _milliseconds(plugin)


def _handles(plugin: Facts) -> str:
    """The types of event its handlers handle, and what it provides beside handlers."""
    parts = [", ".join(plugin.handles)] if plugin.handles else []
    for kind, names in plugin.provides.items():
        if names and kind != "handlers":
            parts.append(f"{len(names)} {_KINDS[kind][len(names) > 1]}: {', '.join(names)}")
    return "; ".join(parts)


def _milliseconds(plugin: Facts) -> str:
    """How long it took to import and build it; nothing if that was not tried."""
    return f"{plugin.seconds * 1000:.1f}" if plugin.seconds else ""
