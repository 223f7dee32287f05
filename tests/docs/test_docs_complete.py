"""Nothing public is undocumented."""

from __future__ import annotations

import importlib.metadata
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.pages import ROOT
from tests.proofs.__main__ import names as proofs

import busway
import busway_audit
import busway_bridge
import busway_cache
import busway_middleware
import busway_notify
import busway_outbox
import busway_resilience
import busway_testing
from busway import exceptions, hookspecs
from busway._discovery import GROUPS
from busway.plugins import PluginState
from busway_audit import AuditLogHandler
from busway_bridge import BridgeHandler
from busway_cache import CacheInvalidationHandler
from busway_notify import Kind, NotificationHandler
from busway_outbox import Outbox

REFERENCE = "".join(path.read_text() for path in (ROOT / "docs/reference").glob("*.md"))
HOOKS = [name for name, thing in vars(hookspecs).items() if hasattr(thing, "busway_spec")]
"""Those that pluggy takes for hooks, in the order of the file."""
PUBLIC = [
    *(("busway", name) for name in busway.__all__),
    *(("busway_audit", name) for name in busway_audit.__all__),
    *(("busway_bridge", name) for name in busway_bridge.__all__),
    *(("busway_cache", name) for name in busway_cache.__all__),
    *(("busway_middleware", name) for name in busway_middleware.__all__),
    *(("busway_notify", name) for name in busway_notify.__all__),
    *(("busway_outbox", name) for name in busway_outbox.__all__),
    *(("busway_resilience", name) for name in busway_resilience.__all__),
    *(("busway_testing", name) for name in busway_testing.__all__),
]
SETTINGS = [
    (distribution, name)
    for distribution, plugin in (
        ("busway-audit", AuditLogHandler),
        ("busway-bridge", BridgeHandler),
        ("busway-cache", CacheInvalidationHandler),
        ("busway-middleware", busway_middleware.FilterInterceptor),
        ("busway-middleware", busway_middleware.FilterMiddleware),
        ("busway-middleware", busway_middleware.LoggingMiddleware),
        ("busway-middleware", busway_middleware.RateLimitMiddleware),
        ("busway-middleware", busway_middleware.RedactionMiddleware),
        ("busway-middleware", busway_middleware.TraceMiddleware),
        ("busway-notify", NotificationHandler),
        ("busway-outbox", Outbox),
        ("busway-resilience", busway_resilience.ResilienceInterceptor),
    )
    for name in inspect.signature(plugin).parameters
]


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def _readme(distribution: str) -> str:
    """A distribution's README: as it was built into it where its sources are out of the way."""
    source = ROOT / "plugins" / distribution / "README.md"
    if source.exists():
        return source.read_text(encoding="utf-8")
    metadata = importlib.metadata.metadata(distribution)
    return str(metadata.get_payload() or metadata["Description"])


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_a_public_name_is_in_the_reference(module: str, name: str) -> None:
    """There is a directive that takes its docstring."""
    assert re.search(rf"^\.\. (auto)?\w+:: {module}\.{name}\b", REFERENCE, re.MULTILINE)


@pytest.mark.parametrize("name", exceptions.__all__)
def test_an_exception_is_in_the_tree(name: str) -> None:
    """Below the one that it derives from."""
    tree = re.search(
        r"^```text\n(.*?)^```", _page("reference/exceptions.md"), re.MULTILINE | re.DOTALL
    )[1]
    lines = tree.splitlines()
    depth = {re.sub(r"\W", "", line): len(line) - len(re.sub(r"^\W+", "", line)) for line in lines}
    order = list(depth)
    above = [one for one in order[: order.index(name)] if depth[one] < depth[name]]
    parent = getattr(exceptions, name).__base__
    assert (above[-1] if above else "Exception") == parent.__name__


def test_the_reference_has_every_hook_and_no_other() -> None:
    """A directive takes the docstring of each, in the order of the file."""
    listed = r"^\.\. autofunction:: busway\.hookspecs\.(\w+)$"
    assert re.findall(listed, _page("reference/hooks.md"), re.MULTILINE) == HOOKS


def test_hooks_can_be_imported_by_name() -> None:
    """All that pluggy takes for hooks, and nothing else that is called so."""
    assert sorted(HOOKS) == [one for one in hookspecs.__all__ if one.startswith("busway_")]


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_s_arguments_are_documented(name: str) -> None:
    """Each has its line under Args, and the how-to page shows the whole call."""
    hook = getattr(hookspecs, name)
    parameters = list(inspect.signature(hook).parameters)
    _, _, told = inspect.getdoc(hook).partition("Args:\n")
    assert re.findall(r"^    (\w+): \S", told.partition("\n\n")[0], re.MULTILINE) == parameters
    assert f"| `{name}({', '.join(parameters)})` |" in _page("how-to/hooks.md")


@pytest.mark.parametrize(("distribution", "name"), SETTINGS)
def test_a_setting_is_in_its_plugin_s_readme(distribution: str, name: str) -> None:
    """In the table: a row that begins with it."""
    assert re.search(rf"^\| *`{name}` *\|", _readme(distribution), re.MULTILINE)


@pytest.mark.parametrize("group", [*GROUPS, "busway.commands", "busway.transports"])
def test_an_entry_point_group_is_explained(group: str) -> None:
    """In the table of the how-to page."""
    assert f"| `{group}` |" in _page("how-to/plugins.md")


@pytest.mark.parametrize("state", list(PluginState))
def test_a_plugin_s_state_is_explained(state: PluginState) -> None:
    """In the table of the how-to page."""
    assert f"| `{state}` |" in _page("how-to/settings.md")


@pytest.mark.parametrize("kind", list(Kind))
def test_a_kind_of_notification_is_explained(kind: Kind) -> None:
    """In the plugin's README."""
    assert f"`{kind}`" in _readme("busway-notify")


def _options(*command: str) -> set[str]:
    """What `--help` lists, without itself."""
    called = [sys.executable, "-m", "busway_cli", *command, "--help"]
    done = subprocess.run(called, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    _, _, listed = done.stdout.partition("Options:\n")
    return set(re.findall(r"(?<=[ ,])--[a-z-]+", listed.partition("\n\n")[0])) - {"--help"}


_AUDIT = [f"audit {one}" for one in ("verify", "tail", "export", "checkpoint", "keygen")]

_OUTBOX = [f"outbox {one}" for one in ("status", "list", "retry", "discard", "purge")]
_OWN = ["", "run", "work", "plugins", "doctor", "new", "events"]


@pytest.mark.parametrize("command", [*_OWN, *_AUDIT, *_OUTBOX])
def test_a_command_s_options_are_in_the_reference(command: str) -> None:
    """Those that `--help` lists, all of them and no others."""
    page = re.split(r"^## ", _page("reference/commands.md"), flags=re.MULTILINE)
    (section,) = [one for one in page if one.startswith(f"busway {command}".rstrip() + "\n")]
    assert set(re.findall(r"^\| (?:`-\w`, )?`(--[a-z-]+)", section, re.MULTILINE)) == _options(
        *command.split()
    )


def test_every_command_is_in_the_reference() -> None:
    """Ours, and those of the plugins that we ship."""
    called = [sys.executable, "-m", "busway_cli", "--help"]
    told = subprocess.run(called, check=False, capture_output=True, text=True, timeout=60).stdout
    commands = re.findall(r"^  ([a-z]+)  ", told.partition("Commands:\n")[2], re.MULTILINE)
    headings = re.findall(r"^## busway (\w+)", _page("reference/commands.md"), re.MULTILINE)
    assert sorted(commands) == sorted(set(headings))


def test_every_key_of_the_report_is_explained(tmp_path: Path) -> None:
    """Those of `busway run --json`, in their order."""
    called = [sys.executable, "-m", "busway_cli", "run", "--json"]
    told = subprocess.run(called, cwd=tmp_path, check=True, capture_output=True, input=b"").stdout
    _, _, table = _page("how-to/operate.md").partition("| key | is |\n")
    explained = re.findall(r"^\| `(\w+)` \|", table.partition("\n\n")[0], re.MULTILINE)
    assert explained == list(json.loads(told))


def test_every_proof_is_on_its_page() -> None:
    """And no other."""
    assert re.findall(r"^\| `(\w+)` \|", _page("proofs.md"), re.MULTILINE) == proofs()
