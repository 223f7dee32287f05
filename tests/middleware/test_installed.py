"""As plugins: off until enabled, in the order that the application wants."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import busway_middleware
from busway import Event, load_plugins

NAMES = ["filter", "handler-filter", "logging", "ratelimit", "redact", "trace"]


def test_all_are_off_until_they_are_enabled(bus):
    """Middleware changes what others see."""
    report = load_plugins(bus, allow=NAMES, strict=True)
    assert {row.name: row.state.value for row in report if row.name in NAMES} == dict.fromkeys(
        NAMES, "disabled"
    )
    assert (bus.middleware, bus.interceptors) == ((), ())


def test_they_run_in_the_order_of_the_file(bus, tmp_path, monkeypatch):
    """`[bus] middleware` says which is first."""
    (tmp_path / "busway.toml").write_text(
        '[bus]\nmiddleware = ["trace", "ratelimit"]\n[plugins.trace]\nenabled = true\n'
        '[plugins.filter]\nenabled = true\ndeny_types = ["audit.*"]\n'
        '[plugins.ratelimit]\nenabled = true\nrate = "100/minute"\nper = "source"\n'
    )
    monkeypatch.chdir(tmp_path)
    load_plugins(bus, allow=NAMES, strict=True)
    assert [one.name for one in bus.middleware] == ["trace", "ratelimit", "filter"]


async def test_a_secret_comes_from_a_file(bus, tmp_path):
    """And no report shows it."""
    (tmp_path / "key").write_text("ab" * 32 + "\n")
    settings = {"enabled": True, "redact_key": {"file": str(tmp_path / "key")}}
    report = load_plugins(bus, allow=["redact"], settings={"redact": settings}, strict=True)
    result = await bus.publish(Event("user.login", {"token": "x"}))
    assert result.event.payload["token"].startswith("[redacted:")
    assert "ab" * 32 not in repr(report.rows) + repr(report["redact"].settings)


def test_a_rate_is_needed(bus):
    """The plugin says so, and the others run."""
    report = load_plugins(bus, allow=["ratelimit"], settings={"ratelimit": {"enabled": True}})
    assert "ratelimit.rate: required" in report["ratelimit"].reason


def test_the_exported_names_are_true():
    """`__all__` is sorted, and every name in it is there."""
    names = busway_middleware.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    assert all(hasattr(busway_middleware, name) for name in names)


@pytest.mark.parametrize(
    "module", [name for _, name, _ in pkgutil.iter_modules(busway_middleware.__path__)]
)
def test_the_docstrings_are_true(module):
    """Their examples run."""
    assert doctest.testmod(importlib.import_module(f"busway_middleware.{module}")).failed == 0
