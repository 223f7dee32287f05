"""A graph as a flowchart in Mermaid, whatever its nodes are called.

Source: mermaid.js.org, "Flowcharts Syntax" (labels in quotes, entity codes, classes).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from busway_cli._graph import Graph, Node

__all__ = ["flowchart"]

_SHAPES: Final = {
    "publish": ("((", "))"),
    "middleware": ("[/", "/]"),
    "type": ("([", "])"),
    "handler": ("[", "]"),
}
_PLAIN: Final = re.compile(r"[^\W_]|(?<=[^\W_])[-_./](?=[^\W_])")
"""Letters and digits, and what joins words; elsewhere it may be Markdown."""

_MARKS: Final = {
    "orphan": "a type that no handler hears",
    "uncalled": "a handler that no event reaches",
}


def flowchart(graph: Graph) -> str:
    """The text to put into a Mermaid block."""
    return "\n".join(("flowchart LR", *(f"    {line}" for line in _lines(graph))))


def _lines(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        opening, closing = _SHAPES[node.kind]
        yield f'{node.id}{opening}"{_label(node)}"{closing}'
    for edge in graph.edges:
        yield f"{edge.source} --> {edge.target}"
    for mark, meaning in _MARKS.items():
        marked = [node.id for node in graph.nodes if node.mark == mark]
        if marked:
            yield f"%% {mark}: {meaning}"
            yield f"classDef {mark} stroke:red,stroke-dasharray:5 5"
            yield f"class {','.join(marked)} {mark}"


def _label(node: Node) -> str:
    name = "".join(
        one if _PLAIN.match(node.name, index) else f"#{ord(one)};"
        for index, one in enumerate(node.name)
    )
    told = [text for text in (node.state, "" if node.seen is None else str(node.seen)) if text]
    return f"{name} ({', '.join(told)})" if told else name or "#32;"  # an empty one is no label
