"""The flowchart: whatever things are called, Mermaid reads what was meant."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway_cli._graph import Edge, Graph, Node
from busway_cli._mermaid import flowchart

LABEL = re.compile(r'    n\["(?P<label>[^"]+)"\]')
PLAIN = re.compile(r"(?:[^\W_]|(?<=[^\W_])[-_./](?=[^\W_])|#\d+;)*")
"""What is neither Mermaid's syntax nor Markdown's."""


def label_of(**facts: object) -> str:
    (line,) = flowchart(Graph((Node("n", "handler", **facts),), ())).splitlines()[1:]
    found = LABEL.fullmatch(line)
    assert found is not None
    return found["label"]


@given(st.text())
def test_any_name_is_a_label(name: str) -> None:
    """It holds nothing that Mermaid would take for more than text, and reads as the name."""
    label = label_of(name=name)
    assert PLAIN.fullmatch(label)
    assert re.sub(r"#(\d+);", lambda one: chr(int(one[1])), label) == (name or " ")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("order.shipped", "order.shipped"),
        ("my_app.Plugin#2", "my_app.Plugin#35;2"),
        ("__main__.x", "#95;#95;main#95;#95;#46;x"),
        ('a"b', "a#34;b"),
        ("end;", "end#59;"),
        ("1. x", "1#46;#32;x"),
    ],
)
def test_names_that_would_be_read_as_something_else(name: str, label: str) -> None:
    """Quotes, ends of entities, emphasis, lists: all that is no word is written by its number."""
    assert label_of(name=name) == label


def test_what_stands_behind_a_name() -> None:
    """The state of a plugin that is not active, and how many events were seen."""
    assert label_of(name="a", state="failed") == "a (failed)"
    assert label_of(name="a", seen=0) == "a (0)"


def test_marks_are_classes() -> None:
    """Each is defined and explained once, if there is a node of it."""
    nodes = (Node("t0", "type", "a", mark="orphan"), Node("t1", "type", "b", mark="orphan"))
    lines = flowchart(Graph(nodes, (Edge("t0", "t1"),))).splitlines()
    assert lines[3:] == [
        "    t0 --> t1",
        "    %% orphan: a type that no handler hears",
        "    classDef orphan stroke:red,stroke-dasharray:5 5",
        "    class t0,t1 orphan",
    ]
