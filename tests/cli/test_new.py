"""`busway new`: a whole plugin, or one line that says why not and nothing on the disk."""

from __future__ import annotations

import json
import os
import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from busway_cli._new_files import create
from busway_cli._new_names import LONGEST, Names
from busway_cli._streams import Refusal

EVERY = {
    ".github/workflows/ci.yml",
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "src/acme_orders/__init__.py",
    "src/acme_orders/py.typed",
    "tests/conftest.py",
    "tests/test_acme_orders.py",
}
OWN = {
    "handler": {"handler.py"},
    "middleware": {"middleware.py"},
    "event-types": {"events.py"},
    "plugin": {"events.py", "handler.py", "plugin.py"},
}


@pytest.fixture
def place(busway) -> Path:
    """An empty folder to make plugins in."""
    folder = busway.directory / "place"
    folder.mkdir()
    return folder


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def refusal_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr of a command that refused."""
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("busway: ")
    return line.removeprefix("busway: ")


@pytest.mark.parametrize("kind", sorted(OWN))
def test_a_plugin_is_whole(busway, place, kind):
    """Project, package, types, tests, README and CI, and nothing beside the folder."""
    done = busway("new", kind, "acme-orders", "--into", "place")
    assert (done.returncode, done.stderr) == (0, "")
    assert os.listdir(place) == ["acme-orders"]
    assert files_in(place / "acme-orders") == EVERY | {
        f"src/acme_orders/{name}" for name in OWN[kind]
    }


def test_a_plugin_is_made_where_one_is(busway):
    """Without `--into`, in the current folder."""
    assert busway("new", "handler", "acme-orders").returncode == 0
    assert (busway.directory / "acme-orders" / "pyproject.toml").is_file()


def commands_of(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    lines = [line for line in done.stdout.splitlines() if line.startswith("    ")]
    return [shlex.split(line) for line in lines]


def test_what_to_type_next_is_told(busway, tmp_path):
    """Three commands, whatever the folder is called."""
    strange = tmp_path / "two words"
    strange.mkdir()
    assert commands_of(busway("new", "handler", "acme-orders")) == [
        ["pip", "install", "./acme-orders"],
        ["busway", "plugins"],
        ["pytest", "acme-orders"],
    ]
    assert commands_of(busway("new", "plugin", "acme-orders", "--into", "two words")) == [
        ["pip", "install", "two words/acme-orders"],
        ["busway", "plugins"],
        ["pytest", "two words/acme-orders"],
    ]


def test_how_to_turn_middleware_on_is_told(busway):
    """It is off by default, so what shows it active sets that."""
    done = busway("new", "middleware", "acme-orders")
    assert ["BUSWAY_ACME_ORDERS__ENABLED=1", "busway", "plugins"] in commands_of(done)
    assert "enabled = true" in done.stdout


def test_a_name_is_normalised_with_a_word(busway):
    """Folder, distribution and plugin are called as installers write it."""
    done = busway("new", "handler", "Acme_Orders.EU")
    assert done.returncode == 0
    assert done.stderr == "busway: 'Acme_Orders.EU' is written acme-orders-eu, as installers do\n"
    assert (busway.directory / "acme-orders-eu/src/acme_orders_eu/handler.py").is_file()


def test_the_folder_is_as_open_as_any_other(busway, place):
    """Its mode is that of a folder made by hand."""
    busway("new", "handler", "acme-orders", "--into", "place")
    assert (place / "acme-orders").stat().st_mode == place.stat().st_mode


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "no name of a distribution"),
        ("acme orders", "no name of a distribution"),
        ("acme/orders", "no name of a distribution"),
        ("../orders", "no name of a distribution"),
        ("..", "no name of a distribution"),
        ("-orders", "no name of a distribution"),
        ("orders_", "no name of a distribution"),
        ("orders\n", "no name of a distribution"),
        ("größe", "no name of a distribution"),
        ("٣", "no name of a distribution"),
        ("a" * (LONGEST + 1), f"too long: at most {LONGEST}"),
        ("3d-print", "Python cannot import a package '3d_print'"),
        ("class", "a keyword of Python"),
        ("Json", "a module of Python's own"),
        ("busway", "needed to build or to test it"),
        ("Busway.Testing", "needed to build or to test it"),
        ("ruff", "needed to build or to test it"),
        ("testbed", "pytest would take its classes for tests"),
        ("busway-tests", "pytest would take its classes for tests"),
        ("event", "its class EventHandler would be called as busway's own"),
        ("event-handler", "its class EventHandler would be called as busway's own"),
    ],
)
def test_a_name_that_will_not_do(name, reason):
    """The refusal says why."""
    with pytest.raises(Refusal, match=reason):
        Names.of(name)


@pytest.mark.parametrize(
    ("name", "plugin", "package", "stem"),
    [
        ("acme-orders", "acme-orders", "acme_orders", "AcmeOrders"),
        ("Acme..Orders", "acme-orders", "acme_orders", "AcmeOrders"),
        ("acme-orders-handler", "acme-orders-handler", "acme_orders_handler", "AcmeOrders"),
        ("acme-event-types", "acme-event-types", "acme_event_types", "Acme"),
        ("busway-orders", "orders", "busway_orders", "Orders"),
        ("busway-3d", "busway-3d", "busway_3d", "Busway3d"),
        ("x1", "x1", "x1", "X1"),
        ("none", "none", "none", "None"),
    ],
)
def test_what_follows_from_a_name(name, plugin, package, stem):
    """`busway-` in front is for the distribution and its package, as in those we ship."""
    names = Names.of(name)
    assert (names.plugin, names.package, names.stem) == (plugin, package, stem)


@pytest.mark.parametrize("name", ["", "json", "../orders", "a" * 300, "a\x1b[31m"])
def test_a_refusal_is_one_line(busway, place, name):
    """With exit 2, and nothing is made."""
    line = refusal_of(busway("new", "handler", name, "--into", "place"))
    assert line.isprintable()
    assert os.listdir(place) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing", "acme-orders"], "Invalid value for"),
        (["handler"], "Missing argument 'NAME'."),
        (["handler", "acme-orders", "--into", "nowhere"], "Directory 'nowhere' does not exist."),
    ],
)
def test_mistakes_at_the_prompt(busway, arguments, message):
    """They are met as those of other commands."""
    line = refusal_of(busway("new", *arguments))
    assert message in line
    assert line.endswith("Try 'busway new --help'.")


@pytest.mark.parametrize("there", ["folder", "empty folder", "file", "dangling link"])
def test_what_exists_is_never_touched(busway, place, there):
    """Not even an empty folder, or a link that leads nowhere."""
    target = place / "acme-orders"
    if there == "file":
        target.write_text("mine")
    elif there == "dangling link":
        target.symlink_to("nowhere")
    else:
        target.mkdir()
    if there == "folder":
        (target / "mine").write_text("mine")
    before = (_changes(target), files_in(place))
    assert "exists already" in refusal_of(
        busway("new", "handler", "acme-orders", "--into", "place")
    )
    assert (_changes(target), files_in(place)) == before


def _changes(path):
    """What tells that something was changed; reading it changes the time of access alone."""
    found = path.lstat()
    return found.st_mode, found.st_ino, found.st_nlink, found.st_size, found.st_mtime_ns


POISON = "raise AssertionError('imported')"


@pytest.mark.parametrize("group", ["busway.handlers", "busway.event_types", "busway.commands"])
def test_an_installed_plugin_has_the_name(busway, place, group):
    """It is named, and was not imported; `_` and `-` are one, as in environment variables."""
    busway.install("acme_orders", POISON, group=group, distribution="other")
    assert "other 1.0 brings a plugin 'acme-orders'" in refusal_of(
        busway("new", "handler", "acme-orders", "--into", "place")
    )
    assert os.listdir(place) == []


def test_the_plugin_s_name_counts(busway, place):
    """It is that of the distribution without `busway-` in front."""
    busway.install("orders", POISON, distribution="other")
    assert "other 1.0 brings a plugin 'orders'" in refusal_of(
        busway("new", "handler", "busway-orders", "--into", "place")
    )


def test_an_installed_distribution_has_the_name(busway, place):
    """One that has nothing to do with Busway, too."""
    busway.install("thing", POISON, group="other", distribution="Acme_Orders")
    assert "Acme_Orders 1.0 is installed" in refusal_of(
        busway("new", "handler", "acme-orders", "--into", "place")
    )
    assert os.listdir(place) == []


@pytest.mark.parametrize("file", ["acme_orders.py", "acme_orders/__init__.py", "acme_orders/x.py"])
def test_an_importable_module_has_the_name(busway, place, file):
    """A module, a package or a namespace package: the place is named, and nothing was imported."""
    path = busway.site / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(POISON)
    line = refusal_of(busway("new", "handler", "acme-orders", "--into", "place"))
    assert "there is a module 'acme_orders'" in line
    assert str(busway.site / "acme_orders") in line
    assert os.listdir(place) == []


def test_broken_metadata_is_passed_over(busway, place):
    """What cannot be read clashes with nothing."""
    (busway.site / "broken-1.0.dist-info").mkdir()
    (busway.site / "broken-1.0.dist-info" / "METADATA").write_bytes(b"\xff")
    (busway.site / "broken-1.0.dist-info" / "entry_points.txt").write_text("no section")
    done = busway("new", "handler", "acme-orders", "--into", "place")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("size", [0, 100, 1000])
def test_a_disk_that_refuses_leaves_nothing(busway, place, size):
    """Wherever it happens, one line names the folder, and nothing is there."""
    done = subprocess.run(
        [sys.executable, "-m", "busway_cli", "new", "handler", "acme-orders", "--into", "place"],
        cwd=busway.directory,
        env=busway.environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )
    assert refusal_of(done) == "place/acme-orders cannot be made: File too large"
    assert os.listdir(place) == []


class Interrupted(Mapping[str, str]):
    """Files of which the second is never written: a signal comes."""

    def __getitem__(self, path: str) -> str:
        return "text"

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[str]:
        yield "first"
        raise KeyboardInterrupt


def test_an_interrupt_leaves_nothing(tmp_path):
    """Nor anything beside its place."""
    with pytest.raises(KeyboardInterrupt):
        create(tmp_path / "acme-orders", Interrupted())
    assert os.listdir(tmp_path) == []


def test_of_several_at_once_one_wins(busway, place):
    """It is whole, and the others say that they were late."""
    started = [busway.start("new", "handler", "acme-orders", "--into", "place") for _ in range(4)]
    codes = [process.wait(60) for process in started]
    assert sorted(codes) == [0, 2, 2, 2]
    assert os.listdir(place) == ["acme-orders"]
    assert len(files_in(place / "acme-orders")) == len(EVERY) + 1


def test_a_new_plugin_loads(busway):
    """Its sources and its entry point, as they stand, are a plugin that is active."""
    busway("new", "plugin", "acme-orders", "--into", str(busway.directory))
    info = busway.site / "acme_orders-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-orders\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(
        "[busway.plugins]\nacme-orders = acme_orders:AcmeOrdersPlugin\n"
    )
    (busway.directory / "acme-orders/src/acme_orders").rename(busway.site / "acme_orders")
    busway.names.append("acme-orders")
    done = busway("plugins", "--json")
    (row,) = [one for one in json.loads(done.stdout) if one["name"] == "acme-orders"]
    assert (row["state"], row["reason"]) == ("active", "")
