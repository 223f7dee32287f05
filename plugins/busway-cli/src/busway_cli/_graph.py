"""The graph: which way events go, through the middleware and by their type to the handlers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from busway.events import event_types
from busway.plugins import PluginState
from busway_cli._paths import path_of
from busway_cli._tally import named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from busway import EventBus, PluginReport
    from busway.handlers import Handler

    Mark: TypeAlias = Literal["", "orphan", "uncalled"]

__all__ = ["Edge", "Graph", "Node", "graph_of"]

_PUBLISH: Final = "publish"


@dataclass(frozen=True, slots=True)
class Node:
    """A place that events come through.

    Attributes:
        id: unique in the graph; letters and digits.
        kind: `publish`, where all begin, `middleware`, `type` or `handler`.
        name: of the middleware, type or handler; of a handler that was not loaded, its plugin's.
        plugin: the plugin that brought it; "" if none did.
        state: that plugin's, if it is not active.
        mark: `orphan`, a type that no handler hears; `uncalled`, a handler that no event reaches.
        seen: how many events of its type, or its types, were seen; None if none were counted.
    """

    id: str
    kind: str
    name: str
    plugin: str = ""
    state: str = ""
    mark: Mark = ""
    seen: int | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one node to another, by their ids."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes, and edges between them."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def to_dict(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)


def graph_of(bus: EventBus, report: PluginReport, seen: Mapping[str, int] | None = None) -> Graph:
    """The graph of a bus.

    Args:
        bus: the bus.
        report: what was loaded onto it.
        seen: how many events of each type were seen; None if that is not known.
    """
    drawing = _Drawing(bus, report, seen)
    publish = Node(_PUBLISH, _PUBLISH, _PUBLISH)
    chain = [publish, *drawing.middleware()]
    types, handlers = list(drawing.types()), dict(drawing.handlers())
    nodes = (*chain, *types, *handlers, *drawing.idle())
    edges = [Edge(one.id, next_.id) for one, next_ in pairwise(chain)]
    edges += [Edge(chain[-1].id, one.id) for one in types]
    edges += [
        Edge(type_.id, one.id)
        for one, heard in handlers.items()
        for type_ in types
        if type_.name in heard
    ]
    return Graph(nodes, tuple(edges))


class _Drawing:
    """The nodes of a bus, kind by kind."""

    def __init__(self, bus: EventBus, report: PluginReport, seen: Mapping[str, int] | None) -> None:
        self._bus = bus
        self._report = report
        self._seen = seen
        self._owners = {id(one): row.name for row in report for one in row.provided}

    def middleware(self) -> Iterator[Node]:
        for number, one in enumerate(self._bus.middleware):
            yield Node(f"m{number}", "middleware", path_of(one), self._owner(one))

    def types(self) -> Iterator[Node]:
        for number, (value, type_) in enumerate(event_types().items()):
            mark: Mark = "" if self._bus.handlers_for(type_) else "orphan"
            owner, seen = self._owner(type(type_)), self._count([value])
            yield Node(f"t{number}", "type", value, owner, mark=mark, seen=seen)

    def handlers(self) -> Iterator[tuple[Node, list[str]]]:
        """Those that are subscribed, each with the types that it hears."""
        for number, (name, handler) in enumerate(named(self._bus.handlers).items()):
            heard = self._heard(handler)
            seen = self._count(heard)
            mark: Mark = "uncalled" if seen == 0 else ""
            owner = self._owner(handler)
            yield Node(f"h{number}", "handler", name, owner, mark=mark, seen=seen), heard

    def idle(self) -> Iterator[Node]:
        """The handlers of plugins that are installed and not active."""
        for number, row in enumerate(self._report):
            if row.state is not PluginState.ACTIVE and "handlers" in row.kind.split(", "):
                state = str(row.state)
                yield Node(f"x{number}", "handler", row.name, row.name, state, "uncalled")

    def _heard(self, handler: Handler) -> list[str]:
        return [
            value
            for value, type_ in event_types().items()
            if any(one is handler for one in self._bus.handlers_for(type_))
        ]

    def _count(self, values: Iterable[str]) -> int | None:
        return None if self._seen is None else sum(self._seen.get(one, 0) for one in values)

    def _owner(self, thing: object) -> str:
        return self._owners.get(id(thing), "")
