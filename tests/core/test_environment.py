"""What the environment says to Busway itself."""

from __future__ import annotations

import logging

import pytest

from busway import BuswayError, EventBus, load_plugins


@pytest.mark.parametrize("text", ["1", "true", "YES", " on "])
def test_debug_is_switched_on(monkeypatch, text):
    """By any of the usual words."""
    monkeypatch.setenv("BUSWAY_DEBUG", text)
    assert EventBus().debug


@pytest.mark.parametrize("text", ["", "0", "False", "no", "off"])
def test_debug_stays_off(monkeypatch, text):
    """By any of their opposites, and by nothing."""
    monkeypatch.setenv("BUSWAY_DEBUG", text)
    assert not EventBus().debug


@pytest.mark.parametrize(
    ("variable", "act"), [("BUSWAY_DEBUG", EventBus), ("BUSWAY_STRICT", load_plugins)]
)
def test_what_is_neither_yes_nor_no_is_refused(monkeypatch, variable, act):
    """The error names the variable, what it says, and what it could say."""
    monkeypatch.setenv(variable, "maybe")
    with pytest.raises(BuswayError, match=f"{variable} must be 1 or 0, not 'maybe'"):
        act()


@pytest.mark.parametrize("variable", ["BUSWAY_AUDIT_PATH", "BUSWAY_NOTIFFY__CHANNELS"])
def test_a_variable_that_is_nobody_s_is_named(monkeypatch, caplog, variable):
    """A setting with a slip in its name is not passed over in silence."""
    monkeypatch.setenv(variable, "x")
    with caplog.at_level(logging.WARNING, "busway.plugins"):
        load_plugins(EventBus(), allow=[])
    assert [record.getMessage() for record in caplog.records] == [
        f"{variable} is no setting of Busway or of an installed plugin"
    ]


def test_settings_of_installed_plugins_are_not_named(monkeypatch, caplog):
    """Nor are Busway's own variables."""
    monkeypatch.setenv("BUSWAY_AUDIT__PATH", "x")
    monkeypatch.setenv("BUSWAY_PLUGINS", "")
    with caplog.at_level(logging.WARNING, "busway.plugins"):
        load_plugins(EventBus())
    assert caplog.records == []
