"""The kit's own tests can be added to, and not be taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from importlib_metadata import entry_points
from tests.testing.suites import Plugin, judge, lay_out, run_pytest

from busway_testing import HandlerConformance, MiddlewareConformance

if TYPE_CHECKING:
    from pathlib import Path

REFUSAL = "stands in the place of what the kit has there, which cannot be overridden"
NAME = "test_handle_lets_cancellation_through"


@pytest.mark.parametrize("value", [None, lambda self: None, True])
def test_a_test_of_the_kit_cannot_be_overridden(value: object) -> None:
    """Nor be set to None: the class is not even made, and the error names the test."""
    with pytest.raises(TypeError, match=rf"^Mine\.{NAME} {REFUSAL}"):
        type("Mine", (HandlerConformance,), {NAME: value})


def test_a_test_of_every_plugin_cannot_be_overridden() -> None:
    """Those of the common base neither."""
    with pytest.raises(TypeError, match=r"^Mine\.test_entry_point_resolves "):
        type("Mine", (MiddlewareConformance,), {"test_entry_point_resolves": None})


def test_a_test_of_the_kit_cannot_be_shadowed() -> None:
    """By another base class, that is."""

    class Mixin:
        def test_health_is_counts_and_states(self):
            pass

    with pytest.raises(TypeError, match=r"Mixin\.test_health_is_counts_and_states stands"):
        type("Mine", (Mixin, HandlerConformance), {})


def test_a_subclass_of_a_subclass_is_no_way_round() -> None:
    """It is checked, too."""
    mine = type("Mine", (HandlerConformance,), {"plugin": "mine"})
    with pytest.raises(TypeError, match=rf"^Other\.{NAME} "):
        type("Other", (mine,), {NAME: None})


@pytest.mark.parametrize("name", ["installed", "group"])
def test_what_the_tests_stand_on_cannot_be_overridden(name: str) -> None:
    """The fixture by which they know the plugin, and the group that it belongs to."""
    with pytest.raises(TypeError, match=rf"^Mine\.{name} "):
        type("Mine", (HandlerConformance,), {name: None})


def test_what_is_the_author_s_can_be_given() -> None:
    """That is what it is for; and tests of his own."""
    given = {"plugin": "mine", "settings": {}, "event": None, "test_mine": lambda self: None}
    type("Mine", (HandlerConformance,), given)


SUITE = """
from busway_testing import HandlerConformance

class TestIt(HandlerConformance):
    plugin = "well"
    imports = True

    def test_of_the_author(self):
        pass

TestIt.test_handle_lets_cancellation_through = None
"""
WELL = Plugin(
    """
    class Plugin(EventHandler):
        event_types = ["user.created"]
        async def handle(self, event): ...
    """
)


def test_a_test_that_is_taken_away_later(tmp_path: Path) -> None:
    """From the class as it stands: all the others fail, and name it."""
    lay_out(tmp_path, "HandlerConformance", "busway.handlers", {"well": WELL})
    (tmp_path / "test_them.py").write_text(SUITE)
    done = run_pytest(tmp_path, "-rA")
    assert f"TestIt.{NAME} {REFUSAL}" in done.stdout, done.stdout
    assert "1 passed, 12 errors" in done.stdout


@pytest.fixture
def without_entry_point(tmp_path: Path) -> Path:
    """The plugin as it is once its entry point is deleted, and it is installed again."""
    lay_out(tmp_path, "HandlerConformance", "busway.handlers", {"well": WELL})
    (entry_points,) = tmp_path.glob("x_well*/entry_points.txt")
    entry_points.write_text("")
    return tmp_path


def test_without_an_entry_point_all_tests_fail(without_entry_point: Path) -> None:
    """And each of them says why."""
    done = run_pytest(without_entry_point)
    assert "13 failed" in done.stdout, done.stdout
    others = ", ".join(sorted({one.name for one in entry_points(group="busway.handlers")}))
    why = (
        "no installed distribution has an entry point 'well' in busway.handlers; "
        f"there are {others}; is it in pyproject.toml, and has it been installed again since?"
    )
    assert done.stdout.count(why) == 13


def test_without_a_plugin_s_name(tmp_path: Path) -> None:
    """It asks for it."""
    lay_out(tmp_path, "HandlerConformance", "busway.handlers", {"well": WELL})
    (tmp_path / "test_them.py").write_text(
        "from busway_testing import HandlerConformance\n"
        "class TestIt(HandlerConformance): imports = True\n"
    )
    done = run_pytest(tmp_path)
    assert "say which plugin is tested: `plugin` is to be the name" in done.stdout
    assert "13 failed" in done.stdout


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("HandlerConformance", "handler"),
        ("MiddlewareConformance", "middleware"),
        ("InterceptorConformance", "interceptor"),
        ("EventTypesConformance", "event types"),
    ],
)
def test_hooks_that_bring_nothing_of_that_kind(tmp_path: Path, kind: str, what: str) -> None:
    """The class is the wrong one for them."""
    code = "@busway.hookimpl\ndef busway_diagnose(): return []"
    empty = Plugin(code, attribute="", group="busway.plugins")
    failed = judge(tmp_path, kind, "busway.handlers", {"empty": empty})["empty"].failed
    told = f"empty brings no {what}: test it with the class for what it brings"
    assert failed
    assert all(told in one for one in failed.values())
