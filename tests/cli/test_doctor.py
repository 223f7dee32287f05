"""`busway doctor`: what is wrong with the installation, and what to do about it."""

from __future__ import annotations

import json
import os
import platform
import re
from pathlib import Path

import pytest

import busway as core
from busway._discovery import GROUPS
from busway._environment import VARIABLES
from busway_cli import _doctor_installed, _doctor_settings

OK = "def handle(self, event): pass"
HOOK = """
open("{name}", "w")
import busway
@busway.hookimpl
def busway_diagnose(): {body}
"""


def distribution(
    busway,
    name: str,
    *metadata: str,
    points: str = "",
    direct_url: object = None,
    site: Path | None = None,
    **modules: str,
) -> Path:
    """Put one on the path, by its raw metadata; returns the folder of that."""
    site = site or busway.site
    site.mkdir(exist_ok=True)
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *metadata]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    (info / "entry_points.txt").write_text(points)
    for module, code in modules.items():
        (site / f"{module}.py").write_text(code)
    (info / "RECORD").write_text("".join(f"{module}.py,,\n" for module in modules))
    if direct_url is not None:
        (info / "direct_url.json").write_text(json.dumps(direct_url))
    return info


def findings(busway, culprit: str, *args: str, **env: str) -> list[dict[str, object]]:
    """Those of one culprit; that there are any makes the exit 1."""
    done = busway("doctor", "--json", *args, env=env)
    assert done.stderr == ""
    found = json.loads(done.stdout)["findings"]
    assert done.returncode == int(any(one["certain"] for one in found))
    return [one for one in found if one["culprit"] == culprit]


def finding(busway, culprit: str, *args: str, **env: str) -> str:
    """The only one of a culprit, as a sentence."""
    (one,) = findings(busway, culprit, *args, **env)
    return f"{one['check']}: {one['problem']}: {one['remedy']}"


def test_a_sound_installation(busway):
    """Nothing is wrong, exit 0; the versions stand at the top."""
    busway.handler("good", OK)
    done = busway("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    first, _, last = done.stdout.splitlines()
    assert re.fullmatch(r"busway \S+, plugin API \S+, Python \S+", first)
    assert last == "nothing is wrong"


def test_json_is_one_object(busway):
    """With the versions, and each finding with all that a line tells."""
    distribution(busway, "bad", "Requires-Dist: busway>=99")
    told = json.loads(busway("doctor", "--json").stdout)
    assert list(told) == ["busway", "plugin_api", "python", "findings"]
    assert told["plugin_api"] == core.PLUGIN_API
    assert told["python"] == platform.python_version()
    assert list(told["findings"][0]) == ["check", "culprit", "problem", "remedy", "certain"]


def test_a_finding_is_a_line(busway):
    """With its culprit and its remedy; the exit is 1."""
    distribution(busway, "bad", "Requires-Dist: no-such>=2", points="[busway.handlers]\n")
    distribution(busway, "worse", "Requires-Dist: busway", "Requires-Dist: no-such")
    done = busway("doctor")
    assert done.returncode == 1
    (line,) = [one for one in done.stdout.splitlines() if " worse 1.0 " in one]
    assert re.fullmatch(
        "requirements +worse 1.0 +requires no-such, which is not installed: "
        "pip install 'no-such', or another version of worse",
        line,
    )


@pytest.mark.parametrize(
    ("requirement", "told"),
    [
        ("busway>=99", "requires busway>=99, and 0.1.0 is installed: pip install 'busway>=99'"),
        ("no-such>=2", "requires no-such>=2, which is not installed: pip install 'no-such>=2'"),
        ("No_Such", "requires No_Such, which is not installed"),
        ("pluggy[no]<0.1", "requires pluggy<0.1, and "),
    ],
)
def test_requirements_that_are_not_met(busway, requirement, told):
    """What is missing, or which version there is."""
    distribution(busway, "bad", f"Requires-Dist: {requirement}", points="[busway.handlers]\n")
    distribution(busway, "user", "Requires-Dist: busway", f"Requires-Dist: {requirement}")
    assert f"requirements: {told}" in finding(busway, "user 1.0")


@pytest.mark.parametrize(
    "requirement",
    [
        "busway>=0.1",
        "Busway",
        "no-such; python_version < '3'",
        "no-such; extra == 'more'",
        "no-such; platform_release >= 'x'",
        "not a requirement",
        "user",
    ],
)
def test_requirements_that_are_met(busway, requirement):
    """Or not this installation's, or nobody's."""
    points = "[busway.handlers]\nuser = user:Plugin\n"
    distribution(busway, "user", f"Requires-Dist: {requirement}", points=points, user="")
    assert findings(busway, "user 1.0") == []


def test_requirements_of_requirements(busway):
    """Those of what a plugin requires too, with the extras that it asks for; of others, none."""
    points = "[busway.handlers]\nuser = user:Plugin\n"
    distribution(busway, "user", "Requires-Dist: library[fast]", points=points, user="")
    distribution(busway, "library", "Requires-Dist: no-such; extra == 'fast'")
    distribution(busway, "other", "Requires-Dist: busway", "Requires-Dist: library")
    distribution(busway, "stranger", "Requires-Dist: no-such")
    assert "no-such" in finding(busway, "library 1.0")
    assert findings(busway, "stranger 1.0") == []


def test_another_python(busway):
    """A distribution that wants another one is named with both."""
    distribution(busway, "old", "Requires-Python: <3", "Requires-Dist: busway")
    told = finding(busway, "old 1.0")
    assert told.startswith(f"python: requires Python <3, and this is {platform.python_version()}: ")


PLUGIN = "from busway import EventHandler\nclass Plugin(EventHandler): ...\nraise AssertionError\n"


@pytest.mark.parametrize(
    ("name", "metadata", "code"),
    [
        ("acme", (), PLUGIN),
        ("acme", (), "import busway\n@busway.hookimpl\ndef busway_diagnose(): ..."),
        ("acme-busway", (), ""),
        ("acme", ("Keywords: events,busway",), ""),
    ],
)
def test_an_entry_point_that_was_forgotten(busway, name, metadata, code):
    """What requires busway and looks like a plugin is asked; its sources are not imported."""
    distribution(busway, name, *metadata, "Requires-Dist: busway", acme=code)
    assert finding(busway, f"{name} 1.0") == (
        "entry points: requires busway and has no entry point in a group of it, as "
        "busway.handlers: if it is a plugin, add one in its pyproject.toml, and install it "
        "again; if an application, nothing is wrong"
    )


@pytest.mark.parametrize(
    "code",
    [
        "bus = EventBus()",
        "load_plugins()",
        "bus.subscribe(Plugin())",
        "with EventBus.get_instance():",
    ],
)
def test_an_application_is_let_be(busway, code):
    """Who makes or runs a bus needs no entry point for its handlers."""
    distribution(busway, "acme", "Requires-Dist: busway", acme=PLUGIN, main=code)
    assert findings(busway, "acme 1.0", "-v") == []


def test_the_sources_of_an_editable_install(busway):
    """Those of its folder, without its tests."""
    for name, code in (("src/acme", PLUGIN), ("tests", "load_plugins()")):
        (busway.directory / name).mkdir(parents=True)
        (busway.directory / name / "some.py").write_text(code)
    told = {"url": busway.directory.as_uri(), "dir_info": {"editable": True}}
    distribution(busway, "acme", "Requires-Dist: busway", direct_url=told)
    assert "entry points: requires busway and has no entry point" in finding(busway, "acme 1.0")
    (busway.directory / "src/acme/main.py").write_text("load_plugins()")
    assert findings(busway, "acme 1.0") == []


@pytest.mark.parametrize("metadata", ["Requires-Dist: busway; extra == 'events'", "Summary: x"])
def test_what_does_not_use_busway_is_let_be(busway, metadata):
    """Or only if one of its extras is asked for."""
    distribution(busway, "acme", metadata, acme=PLUGIN)
    assert findings(busway, "acme 1.0", "-v") == []


def test_what_is_probably_all_right_is_told_on_request(busway):
    """It does not count."""
    distribution(busway, "acme", "Requires-Dist: busway", acme="import busway")
    assert findings(busway, "acme 1.0") == []
    (one,) = findings(busway, "acme 1.0", "-v")
    assert one["certain"] is False


@pytest.mark.parametrize(
    ("group", "remedy"),
    [
        ("busway.handler", "rename it to busway.handlers in its pyproject.toml"),
        ("busway_middleware", "rename it to busway.middleware"),
        ("busway", "use one of busway.commands, busway.event_types"),
        ("busway.zzz", "use one of busway.commands, busway.event_types"),
    ],
)
def test_a_group_that_there_is_not(busway, group, remedy):
    """With the one that was meant, or all there are."""
    distribution(busway, "acme", points=f"[{group}]\na = acme:Plugin\n", acme="")
    told = finding(busway, "acme 1.0")
    assert f"has entry points in '{group}', which is no group of Busway: {remedy}" in told


def test_a_group_of_somebody_s_own(busway):
    """A plugin may have plugins."""
    distribution(busway, "acme", points="[busway_acme.sinks]\na = acme:Plugin\n", acme="")
    assert findings(busway, "acme 1.0", "-v") == []


@pytest.mark.parametrize("group", ["busway.handlers", "busway.commands"])
@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("no_such.sub:Plugin", "there is no module 'no_such'"),
        ("no such", "it should read module:attribute"),
    ],
)
def test_an_entry_point_that_leads_nowhere(busway, group, value, told):
    """It is named as it is written."""
    distribution(busway, "acme", points=f"[{group}]\na = {value}\n")
    assert f"entry points: a = '{value}' in {group}: {told}: mend it" in finding(busway, "acme 1.0")


def test_a_module_that_would_not_import_is_found_without(busway):
    """What leads somewhere is not imported to see where."""
    points = "[busway.handlers]\na = acme.sub:Plugin\n[busway.commands]\nb = sys:exit\n"
    distribution(busway, "acme", points=points, acme="open('imported', 'w')")
    assert findings(busway, "acme 1.0") == []
    assert "imported" not in os.listdir(busway.directory)


def test_a_plugin_that_two_bring(busway):
    """Both are named, until the settings say which."""
    for name in ("one", "two"):
        busway.handler("rival", OK, distribution=name)
    assert finding(busway, "plugin rival") == (
        "duplicates: is brought by one 1.0 and two 1.0: uninstall one, or say [plugins.rival] "
        'distribution = "one"'
    )
    assert findings(busway, "plugin rival", BUSWAY_RIVAL__DISTRIBUTION="two") == []
    assert findings(busway, "plugin rival", BUSWAY_DISABLE="rival") == []


def test_a_distribution_that_is_installed_twice(busway):
    """With both places; a place that stands twice on the path is one."""
    other = busway.directory / "other"
    first = distribution(busway, "acme", "Requires-Dist: busway", acme="load_plugins()")
    second = distribution(busway, "acme", "Requires-Dist: busway", site=other)
    path = os.pathsep.join(map(str, (busway.site, other, busway.site)))
    told = finding(busway, "acme", PYTHONPATH=path)
    assert told.startswith(
        f"duplicates: is installed twice: 1.0 in {first}, and 1.0 in {second}, which is not used: "
    )
    link = busway.directory / "link"
    link.symlink_to(busway.site)
    path = os.pathsep.join(map(str, (busway.site, link, busway.site)))
    assert findings(busway, "acme", PYTHONPATH=path) == []


def editable(busway, folder: Path, points: str = "[busway.handlers]\na = acme:Plugin\n") -> None:
    told = {"url": folder.as_uri(), "dir_info": {"editable": True}}
    distribution(busway, "acme", points=points, direct_url=told, acme="")


def test_an_editable_install_whose_folder_is_gone(busway):
    """One finding, not that its modules are gone too."""
    editable(busway, busway.directory / "gone là", "[busway.handlers]\na = gone:Plugin\n")
    told = finding(busway, "acme 1.0")
    assert told.startswith(f"editable installs: is developed in {busway.directory}/gone là, which")


@pytest.mark.parametrize(
    "written",
    [
        '[project.entry-points."busway.handlers"]\na = "acme:Plugin"\nb = "acme:Other"\n',
        '[project.entry-points."busway.handlers"]\nb = "acme:Plugin"\n',
        '[project.entry-points."busway.handlers"]\na = "acme:Other"\nb = "acme:Plugin"\n',
        "",
    ],
)
def test_an_editable_install_that_was_changed_since(busway, written):
    """What its pyproject.toml says and the metadata do not, or the other way round."""
    editable(busway, busway.directory)
    (busway.directory / "pyproject.toml").write_text(f'[project]\nname = "acme"\n{written}')
    told = finding(busway, "acme 1.0")
    assert "other entry points than were installed: a" in told or "installed: b" in told
    assert told.endswith(f": pip install -e {busway.directory}")


@pytest.mark.parametrize(
    "pyproject",
    [
        '[project]\n[project.entry-points."busway.handlers"]\na = "acme:Plugin"\n',
        '[project]\ndynamic = ["entry-points"]\n',
        "[tool.other]\n",
        "project = 5\n",
        "not toml",
        None,
    ],
)
def test_an_editable_install_that_is_as_it_was(busway, pyproject):
    """Or that does not say."""
    editable(busway, busway.directory)
    if pyproject is not None:
        (busway.directory / "pyproject.toml").write_text(pyproject)
    assert findings(busway, "acme 1.0") == []


def test_what_an_editable_install_leaves_in_its_folder(busway):
    """Its egg-info is no second installation of it."""
    editable(busway, busway.directory / "src")
    egg = busway.directory / "src" / "acme.egg-info"
    egg.mkdir(parents=True)
    (egg / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (egg / "entry_points.txt").write_text("[busway.handlers]\na = acme:Plugin\n")
    path = os.pathsep.join(map(str, (busway.site, busway.directory / "src")))
    assert findings(busway, "acme", PYTHONPATH=path) == []


def test_metadata_that_cannot_be_read(busway):
    """Its place is named; that of what has nothing to do with Busway is not."""
    broken = distribution(busway, "acme", points="[busway.handlers]\na = acme:Plugin\n")
    (broken / "METADATA").unlink()
    other = distribution(busway, "other")
    (other / "METADATA").unlink()
    assert finding(busway, str(broken)).startswith("metadata: cannot be read: delete it, ")
    assert findings(busway, str(other)) == []


def test_names_of_plugins_that_there_are_not(busway):
    """In the settings and in the policy, with what was meant."""
    busway.handler("visitors", OK)
    (busway.directory / "busway.toml").write_text(
        '[bus]\nmiddleware = ["lost"]\nrequire = ["gone>=1"]\n[plugins.visitor]\nx = 1\n'
    )
    env = {"BUSWAY_PLUGINS": "visitors, visitros", "BUSWAY_DISABLE": "zzz"}
    assert "did you mean visitors? install it" in finding(busway, "[plugins.visitor]", **env)
    assert "names a plugin 'lost', which is not" in finding(busway, "[bus] middleware", **env)
    assert "names a plugin 'gone', which is not" in finding(busway, "[bus] require", **env)
    assert "'visitros', which is not installed: did you" in finding(busway, "BUSWAY_PLUGINS", **env)
    assert "'zzz', which is not installed: install" in finding(busway, "BUSWAY_DISABLE", **env)


def test_enabled_and_blocked(busway):
    """The settings want it and policy keeps it out."""
    busway.handler("torn", OK)
    env = {"BUSWAY_TORN__ENABLED": "1", "BUSWAY_DISABLE": "torn"}
    assert "policy blocks it: denied by BUSWAY_DISABLE" in finding(busway, "plugin torn", **env)


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({}, "requires good>=99, and x-good 1.0 is installed: install good>=99"),
        ({"BUSWAY_DISABLE": "fine"}, "requires fine, and policy blocks it: denied by BUSWAY_DIS"),
    ],
)
def test_a_plugin_that_is_required(busway, env, told):
    """In a version that is not installed, or kept out."""
    busway.handler("good", OK)
    busway.handler("fine", OK)
    required = '"fine"' if env else '"fine>=1", "good>=99"'
    (busway.directory / "busway.toml").write_text(f"[bus]\nrequire = [{required}]\n")
    assert told in finding(busway, "[bus] require", **env)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ('key = {env = "NO_SUCH"}', "torn.key: the environment variable NO_SUCH is not set"),
        ("enabled = 5", "torn.enabled: true or false is expected, not 5"),
    ],
)
def test_settings_of_a_plugin_that_cannot_be_had(busway, settings, told):
    """A secret that is nowhere, a switch that is none: known without an import."""
    busway.handler("torn", "open('imported', 'w')\n" + OK)
    (busway.directory / "busway.toml").write_text(f"[plugins.torn]\n{settings}\n")
    assert told in finding(busway, "plugin torn")
    assert "imported" not in os.listdir(busway.directory)


def test_settings_that_cannot_be_read(busway):
    """One finding, and the rest is looked at."""
    distribution(busway, "old", "Requires-Python: <3", "Requires-Dist: busway")
    (busway.directory / "busway.toml").write_text("not toml")
    assert "the file cannot be read" in finding(busway, "busway.toml")
    assert findings(busway, "old 1.0") != []


def test_variables_that_nobody_reads(busway):
    """With the one that was meant; those of Busway and of plugins that are installed are known."""
    busway.handler("good", OK)
    env = {"BUSWAY_PLUGGINS": "good", "BUSWAY_GOD__LIMIT": "1", "BUSWAY_ZZZ": ""}
    ours = {"BUSWAY_DEBUG": "0", "BUSWAY_GOOD__ENABLED": "1"}
    assert "did you mean BUSWAY_PLUGINS? correct" in finding(busway, "BUSWAY_PLUGGINS", **env)
    assert "did you mean BUSWAY_GOOD__LIMIT? " in finding(busway, "BUSWAY_GOD__LIMIT", **env)
    assert ": correct it, or unset it" in finding(busway, "BUSWAY_ZZZ", **env)
    assert [findings(busway, one, **ours) for one in ours] == [[], []]


def test_what_plugins_diagnose(busway):
    """Each sentence is a finding; secrets are not told."""
    code = """
    import busway
    class Plugin:
        def __init__(self, key: str): self.key = key
        @busway.hookimpl
        def busway_diagnose(self): return [f"no room for {self.key}:\\nmake some", "second"]
    """
    busway.install("ill", code, group="busway.plugins")
    (busway.directory / "busway.toml").write_text('[plugins.ill]\nkey = {env = "HUSH"}\n')
    told = findings(busway, "plugin ill", HUSH="hunter2")
    assert [one["problem"] for one in told] == ["no room for ***: / make some", "second"]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (HOOK.format(name="x", body="raise OSError('a\\nb')"), "cannot be asked: OSError: a / b"),
        (HOOK.format(name="x", body="return 'text'"), "must return a list, not 'text'"),
        ("import no_such", "cannot be asked: ModuleNotFoundError: No module named 'no_such'"),
        ("import sys; sys.exit()", "cannot be asked: SystemExit"),
    ],
)
def test_a_plugin_that_cannot_be_asked(busway, code, told):
    """That is a finding, with where to look."""
    busway.install("ill", code, group="busway.plugins", entry="")
    point = busway.site / "x_ill-1.0.dist-info" / "entry_points.txt"
    point.write_text("[busway.plugins]\nill = plugin_ill\n")
    (one,) = findings(busway, "plugin ill")
    assert told in one["problem"]
    assert one["remedy"] == "see busway plugins show ill"


def test_only_plugins_that_may_be_asked_are_imported(busway):
    """No handlers', none that policy or settings keep out, that does not fit, or has a rival."""
    code = HOOK.format(name="imported-{name}", body="return []")
    for name in ("fine", "barred", "off", "unfit", "rival"):
        busway.install(name, code.format(name=name), group="busway.plugins")
    busway.install("rival", code.format(name="rival"), group="busway.plugins", distribution="two")
    busway.install("handles", code.format(name="handles"))
    with (busway.site / "x_unfit-1.0.dist-info" / "METADATA").open("a") as metadata:
        metadata.write("Requires-Dist: busway>=99\n")
    for point in busway.site.glob("*/entry_points.txt"):
        point.write_text(point.read_text().replace(":Plugin", ""))
    busway("doctor", env={"BUSWAY_DISABLE": "barred", "BUSWAY_OFF__ENABLED": "0"})
    seen = [one for one in os.listdir(busway.directory) if one.startswith("imported")]
    assert seen == ["imported-fine"]


def test_prints_do_not_disturb_the_answer(busway):
    """They go to stderr."""
    busway.install("loud", "print('imported')\nclass Plugin: ...", group="busway.plugins")
    done = busway("doctor", "--json")
    assert done.stderr == "imported\n"
    assert json.loads(done.stdout)["findings"] == []


def test_the_help_imports_no_plugin(busway):
    """Nor does the version."""
    busway.install("loud", "open('imported', 'w')")
    busway.install("hooks", "open('imported', 'w')", group="busway.plugins")
    assert busway("--help").returncode == busway("--version").returncode == 0
    assert "imported" not in os.listdir(busway.directory)


def test_what_it_knows_of_busway_is_true():
    """The groups and the variables are the core's."""
    assert set(_doctor_installed.GROUPS) == {*GROUPS, "busway.commands", "busway.transports"}
    assert _doctor_settings.VARIABLES == VARIABLES
