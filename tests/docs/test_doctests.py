"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import busway
import busway_audit
import busway_cache
import busway_cli
import busway_notify
import busway_testing

PACKAGES = (busway, busway_audit, busway_cache, busway_cli, busway_notify, busway_testing)


def _modules(package: ModuleType) -> list[str]:
    inside = pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    names = [package.__name__, *(module.name for module in inside)]
    return [name for name in names if not name.endswith(".__main__")]  # that one runs


MODULES = [name for package in PACKAGES for name in _modules(package)]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    """What they print is what stands below them."""
    module = importlib.import_module(name)
    names = vars(busway) | vars(module)  # examples speak of Event, EventBus and others as such
    assert doctest.testmod(module, extraglobs=names).failed == 0


@pytest.mark.parametrize("name", ["Event", "EventBus", "EventHandler", "on_event"])
def test_what_matters_most_has_an_example(name: str) -> None:
    """Who reads the docstring sees how it is used."""
    found = doctest.DocTestFinder(recurse=False).find(getattr(busway, name), name)
    assert sum(len(one.examples) for one in found) >= 1
