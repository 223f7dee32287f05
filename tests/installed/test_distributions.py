"""Every distribution stands on its own."""

from __future__ import annotations

import configparser
import email
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.environments import Environment

PACKAGES = {
    "busway": "busway",
    "busway-audit": "busway_audit",
    "busway-bridge": "busway_bridge",
    "busway-cache": "busway_cache",
    "busway-cli": "busway_cli",
    "busway-middleware": "busway_middleware",
    "busway-notify": "busway_notify",
    "busway-outbox": "busway_outbox",
    "busway-resilience": "busway_resilience",
    "busway-testing": "busway_testing",
}
OTHERS = sorted(set(PACKAGES) - {"busway"})
ENTRY_POINTS = {
    "busway-audit": {"busway.handlers": ["audit"], "busway.commands": ["audit"]},
    "busway-bridge": {
        "busway.plugins": ["bridge"],
        "busway.transports": ["amqp", "amqps", "kafka", "nats", "redis", "rediss", "tls"],
    },
    "busway-cache": {"busway.handlers": ["cache"]},
    "busway-cli": {"console_scripts": ["busway"]},
    "busway-notify": {"busway.handlers": ["notify"]},
    "busway-outbox": {"busway.plugins": ["outbox"], "busway.commands": ["outbox"]},
}


def _read(wheel: Path, ending: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith(ending)]
        return archive.read(name).decode()


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_wheel_ships_its_types(name: str, wheels: dict[str, Path]) -> None:
    """Type checkers of users see the annotations."""
    assert _read(wheels[name], f"{PACKAGES[name]}/py.typed") == ""


@pytest.mark.parametrize("name", sorted(ENTRY_POINTS))
def test_a_plugin_declares_its_entry_points(name: str, wheels: dict[str, Path]) -> None:
    """That is how it is found."""
    parser = configparser.ConfigParser()
    parser.read_string(_read(wheels[name], "entry_points.txt"))
    assert {group: list(parser[group]) for group in parser.sections()} == ENTRY_POINTS[name]


def test_the_kit_declares_none(wheels: dict[str, Path]) -> None:
    """Installed, it changes nothing in suites that do not use it."""
    with zipfile.ZipFile(wheels["busway-testing"]) as archive:
        assert not [one for one in archive.namelist() if one.endswith("entry_points.txt")]


@pytest.mark.parametrize("name", OTHERS)
def test_a_plugin_requires_busway_from_a_version_on(name: str, wheels: dict[str, Path]) -> None:
    """An older busway is refused by the installer, and by load_plugins."""
    required = email.message_from_string(_read(wheels[name], "METADATA")).get_all("Requires-Dist")
    assert "busway>=0.1" in required


@pytest.mark.parametrize("name", OTHERS)
def test_a_plugin_installs_without_the_others(
    name: str, environment: Environment, wheels: dict[str, Path]
) -> None:
    """It imports with busway and its own libraries alone."""
    environment.install(wheels["busway"], wheels[name])
    done = environment.run("-c", f"import {PACKAGES[name]}")
    assert (done.returncode, done.stderr) == (0, "")


def test_core_needs_pluggy_and_importlib_metadata_alone(
    environment: Environment, wheels: dict[str, Path]
) -> None:
    """It works in an environment with nothing else."""
    environment.install(wheels["busway"])
    done = environment.run("-c", "import busway; busway.load_plugins()")
    assert (done.returncode, done.stderr) == (0, "")
    required = email.message_from_string(_read(wheels["busway"], "METADATA"))
    names = [one.partition(">")[0] for one in required.get_all("Requires-Dist")]
    assert sorted(names) == ["importlib-metadata", "pluggy"]
