"""What the core's tests share: throw-away distributions that are really discoverable."""

from __future__ import annotations

import importlib
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from busway import EventBus, PluginReport, load_plugins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# a busy machine is no failure
settings.register_profile("core", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("core")


@dataclass
class Site:
    """A folder on `sys.path`, and the plugins' names that were installed there.

    Calling it installs a distribution: modules, and metadata with entry points.
    """

    path: Path
    names: list[str] = field(default_factory=list)

    def __call__(
        self,
        name: str,
        entry_points: Mapping[str, Mapping[str, str]],
        modules: Mapping[str, str] | None = None,
        requires: Sequence[str] = (),
        version: str = "1.0",
    ) -> None:
        for module, source in (modules or {}).items():
            (self.path / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        metadata += [f"Requires-Dist: {one}" for one in requires]
        points: list[str] = []
        for group, named in entry_points.items():
            points += [f"[{group}]", *(f"{key} = {value}" for key, value in named.items())]
            self.names += named
        self.write_metadata(name, "\n".join(metadata), "\n".join(points))

    def write_metadata(self, name: str, metadata: str | None, entry_points: str | bytes) -> None:
        """The raw files of a distribution's metadata; without METADATA if that is None."""
        folder = self.path / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        if metadata is not None:
            (folder / "METADATA").write_text(metadata + "\n", encoding="utf-8")
        raw = entry_points if isinstance(entry_points, bytes) else entry_points.encode()
        (folder / "entry_points.txt").write_bytes(raw + b"\n")
        importlib.invalidate_caches()

    def plugin(
        self, name: str, source: str, group: str = "handlers", attr: str = "Handler"
    ) -> None:
        """The usual case: one module `plugin_NAME`, one entry point, a distribution `dist-NAME`."""
        module = f"plugin_{name.replace('-', '_')}"
        value = f"{module}:{attr}" if attr else module
        self(f"dist-{name}", {f"busway.{group}": {name: value}}, {module: source})


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Installs throw-away distributions; afterwards their modules are forgotten."""
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.chdir(tmp_path)  # no busway.toml but the test's own
    monkeypatch.syspath_prepend(path)
    before = set(sys.modules)
    yield Site(path)
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(path):
            del sys.modules[name]


@pytest.fixture
def plugin(distribution: Site):
    """`Site.plugin`: installs one plugin from its source."""
    return distribution.plugin


@pytest.fixture
def bus() -> EventBus:
    """A private bus."""
    return EventBus()


@pytest.fixture
def load(bus: EventBus, distribution: Site):
    """Load the throw-away plugins, and none else, on the private bus; the report's rows of them."""

    def load_ours(**options) -> PluginReport:
        report = load_plugins(**{"bus": bus, "allow": distribution.names, **options})
        return PluginReport(row for row in report if row.name in distribution.names)

    return load_ours


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write the application's `busway.toml`, in a folder that becomes the current one."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        path = tmp_path / "busway.toml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write
