"""Changed source takes the place of a module's own, for all who hold something of it."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING

import pytest
from tests.mutants.patch import apply, can_be_imported, source_of

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

SOURCE = """
from contextlib import contextmanager

LIMIT = 1


def grow(by=1):
    return LIMIT + by


class Box:
    size = 2

    def __init__(self):
        self.inside = []

    @property
    def full(self):
        return len(self.inside) == self.size

    @full.setter
    def full(self, value):
        self.inside = [value] * self.size

    @classmethod
    def empty(cls):
        return cls()

    @contextmanager
    def opened(self):
        yield "open"
"""


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    """A module that has been imported."""
    path = tmp_path / "box.py"
    path.write_text(SOURCE, encoding="utf-8")
    spec = spec_from_file_location("box", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def opened(box) -> str:
    with box.opened() as told:
        return told


def filled(box) -> list[int]:
    box.full = 5
    return box.inside


def changed(module, old, new, *, whole):
    assert old in SOURCE
    apply(module, SOURCE.replace(old, new), whole=whole)


@pytest.mark.parametrize(
    ("old", "new", "ask", "before", "after"),
    [
        ("LIMIT + by", "LIMIT - by", lambda grow, box: grow(), 2, 0),
        ("== self.size", "< self.size", lambda grow, box: box.full, False, True),
        ("[value] *", "[None] *", lambda grow, box: filled(box), [5, 5], [None, None]),
        ("= []", "= [1]", lambda grow, box: box.empty().inside, [], [1]),
        ('yield "open"', 'yield "shut"', lambda grow, box: opened(box), "open", "shut"),
    ],
    ids=["function", "getter", "setter", "method", "context manager"],
)
def test_code_changes(module, old, new, ask, before, after):
    """For those, too, who hold a function or an instance from before."""
    grow, box = module.grow, module.Box()
    assert ask(grow, box) == before
    changed(module, old, new, whole=False)
    assert ask(grow, box) == after


@pytest.mark.parametrize(
    ("old", "new", "ask", "before", "after"),
    [
        ("LIMIT = 1", "LIMIT = 5", lambda grow, box: grow(), 2, 6),
        ("by=1", "by=3", lambda grow, box: grow(), 2, 4),
        ("size = 2", "size = 0", lambda grow, box: box.full, False, True),
    ],
    ids=["constant", "default", "attribute of a class"],
)
def test_values_change(module, old, new, ask, before, after):
    """If the whole module may have changed."""
    grow, box = module.grow, module.Box()
    assert ask(grow, box) == before
    changed(module, old, new, whole=True)
    assert ask(grow, box) == after


def test_the_source_itself_changes_nothing(module):
    """What is changed by the tests meanwhile stays as well."""
    module.LIMIT = 9
    apply(module, source_of(module), whole=True)
    assert module.grow() == 10


@pytest.mark.parametrize(("limit", "runs"), [("2", True), ("iter(None)", False)])
def test_source_that_does_not_run(module, limit, runs):
    """It is told before the module is changed."""
    assert can_be_imported(module, SOURCE.replace("LIMIT = 1", f"LIMIT = {limit}")) == runs
