"""Settings: where a plugin's come from, which wins, and how they are checked."""

from __future__ import annotations

import enum
import json
import typing
from collections import OrderedDict
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, Optional, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway import PluginSettingsError
from busway.settings import Configuration, Section

if TYPE_CHECKING:
    from decimal import Decimal


class Mode(enum.Enum):
    """An enum of strings."""

    FAST = "fast"
    SAFE = "safe"


class Level(enum.IntEnum):
    """An enum of numbers."""

    LOW = 1
    HIGH = 2


class Cache(Protocol):
    """What a live object may be."""

    def get(self, key: str) -> object:
        """Get it."""


class MyCache:
    """A live object."""

    def get(self, key: str) -> object:
        return None


class Plugin:
    """A plugin whose annotations are strings, one of which names what is not there."""

    def __init__(
        self, *, path: Path, mode: Mode = Mode.FAST, unknown: Decimal | None = None
    ) -> None:
        self.path = path


def taking(annotation: object):
    """A constructor with one setting of a type."""

    def target(value=None) -> None:
        """Take a setting."""

    target.__annotations__["value"] = annotation
    return target


def untyped(value=None) -> None:
    """A constructor with one setting of no type."""


def write(value: object) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write(key)} = {write(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower()


def check(section: Section, target) -> dict[str, object]:
    """What `load_plugins` does with a section."""
    section.check_names([target])
    return section.arguments_for(target)


def given_value(value: object, target) -> object:
    """One setting, given as an argument."""
    return check(Configuration({"demo": {"value": value}}).section("demo"), target)["value"]


@pytest.fixture
def read(configure, monkeypatch):
    """The arguments for a target, by a file, environment variables and an argument."""

    def read_from(target, toml: str = "", env=None, argument=None) -> dict[str, object]:
        configure(toml)
        for name, text in (env or {}).items():
            monkeypatch.setenv(name, text)
        configuration = Configuration(None if argument is None else {"demo": argument})
        return check(configuration.section("demo"), target)

    return read_from


# -- where they come from ------------------------------------------------------------------------


def test_without_any_source_there_are_none(read):
    """The defaults are the constructor's."""
    assert read(taking(int)) == {}


def test_they_come_from_busway_toml(read):
    """From the plugin's own table in the current folder, and no other's."""
    toml = "[plugins.demo]\nvalue = 10\n[plugins.other]\nvalue = 11\n"
    assert read(taking(int), toml) == {"value": 10}


def test_without_a_file_there_are_none(tmp_path, monkeypatch):
    """`busway.toml` is optional."""
    monkeypatch.chdir(tmp_path)
    assert check(Configuration().section("demo"), taking(int)) == {}


def test_busway_config_names_another_file(read, tmp_path, monkeypatch):
    """Instead of `busway.toml`, not beside it."""
    other = tmp_path / "other.toml"
    other.write_text("[plugins.demo]\nvalue = 2\n")
    monkeypatch.setenv("BUSWAY_CONFIG", str(other))
    assert read(taking(int), "[plugins.demo]\nvalue = 1\nwrong = 1\n") == {"value": 2}


def test_an_empty_busway_config_is_none(read, monkeypatch):
    """As if it was not set."""
    monkeypatch.setenv("BUSWAY_CONFIG", "")
    assert read(taking(int), "[plugins.demo]\nvalue = 1\n") == {"value": 1}
    (Path.cwd() / "busway.toml").unlink()
    assert check(Configuration().section("demo"), taking(int)) == {}


def test_the_environment_overlays_the_file(read):
    """Key by key."""

    def target(value: int, kept: int) -> None: ...

    toml = "[plugins.demo]\nvalue = 1\nkept = 2\n"
    assert read(target, toml, {"BUSWAY_DEMO__VALUE": "3"}) == {"value": 3, "kept": 2}


def test_the_argument_overlays_the_environment(read):
    """And the file below it."""

    def target(value: int, kept: int, own: int) -> None: ...

    toml = "[plugins.demo]\nvalue = 1\nkept = 2\nown = 3"
    env = {"BUSWAY_DEMO__VALUE": "10", "BUSWAY_DEMO__KEPT": "20"}
    assert read(target, toml, env, {"value": 100}) == {"value": 100, "kept": 20, "own": 3}


@pytest.mark.parametrize("name", ["rate-limit", "rate_limit", "Rate-Limit", "rate.limit"])
def test_a_dash_in_a_name_becomes_an_underscore(name, monkeypatch, configure):
    """In the names of environment variables, which have no dashes."""
    configure("")
    monkeypatch.setenv("BUSWAY_RATE_LIMIT__MAX_KEYS", "5")

    def target(max_keys: int) -> None: ...

    assert check(Configuration().section(name), target) == {"max_keys": 5}


def test_variables_of_other_plugins_are_left_alone(read):
    """A name that begins the same is another name."""
    env = {"BUSWAY_DEMO_TWO__VALUE": "1", "BUSWAY_DEM__VALUE": "2", "BUSWAY_DEMO_VALUE": "3"}
    assert read(taking(int), "", env) == {}


@pytest.mark.parametrize("annotation", [str, Path, str | None, Optional[Path], str | Path])  # noqa: UP045 - the older spelling too
@pytest.mark.parametrize("text", ["10", "true", '"quoted"', "", " a b ", "{env = 'HOME'}", "a\\b"])
def test_text_stands_as_it_is_where_text_is_wanted(read, annotation, text):
    """A parameter typed str or Path takes the environment's text and reads nothing into it."""
    (value,) = read(taking(annotation), "", {"BUSWAY_DEMO__VALUE": text}).values()
    wanted = Path(text) if annotation in (Path, Optional[Path]) else text  # noqa: UP045 - the older spelling too
    assert (wanted, type(wanted)) == (value, type(value))


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "10", 10),
        (float, "2.5", 2.5),
        (float, "2", 2.0),
        (bool, "true", True),
        (bool, "false", False),
        (list[str], '["a", "b"]', ["a", "b"]),
        (dict[str, int], "{a = 1}", {"a": 1}),
        (int | None, "10", 10),
        (Mode, '"safe"', Mode.SAFE),
        (Mode, "safe", Mode.SAFE),
        (Literal["x", "y"], "y", "y"),
        (Literal[1, 2], "2", 2),
        (list[Path], '["a"]', [Path("a")]),
    ],
)
def test_other_text_is_a_toml_value(read, annotation, text, value):
    """Where anything else is wanted."""
    (found,) = read(taking(annotation), "", {"BUSWAY_DEMO__VALUE": text}).values()
    assert (value, type(value)) == (found, type(found))


@pytest.mark.parametrize("text", ["5\nother = 6", "5\n[table]\na = 1", "", "five", "5 6"])
def test_text_that_is_no_toml_value_is_refused(read, text):
    """The error names the variable."""
    with pytest.raises(PluginSettingsError, match="an integer is expected") as caught:
        read(taking(int), "", {"BUSWAY_DEMO__VALUE": text})
    assert caught.value.source == "BUSWAY_DEMO__VALUE"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_text_comes_through_the_environment(text):
    """Unchanged, where text is wanted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUSWAY_DEMO__VALUE", text)
        assert {"value": text} == check(Configuration().section("demo"), taking(str))


toml_values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b c", "é", "."]), inner, min_size=2)
    ),
    max_leaves=8,
)


@given(toml_values)
def test_toml_values_come_through_unchanged(value):
    """From the file, from the environment, and as an argument."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        file = Path(folder, "app.toml")
        file.write_text(f"[plugins.demo]\nvalue = {write(value)}\n", "utf-8", newline="")
        patch.setenv("BUSWAY_CONFIG", str(file))
        by_file = check(Configuration().section("demo"), untyped)["value"]
        patch.delenv("BUSWAY_CONFIG")
        patch.setenv("BUSWAY_DEMO__VALUE", write(value))
        by_environment = check(Configuration().section("demo"), untyped)["value"]
    assert value == by_file == by_environment == given_value(value, untyped)


# -- live objects --------------------------------------------------------------------------------


@pytest.mark.parametrize("annotation", [object, MyCache, Cache, MyCache | None, Cache | str])
def test_an_argument_may_be_a_live_object(annotation):
    """It arrives as the very object."""
    client = MyCache()
    assert given_value(client, taking(annotation)) is client


@pytest.mark.parametrize("annotation", [object, MutableMapping, dict, dict[str, int] | None])
def test_a_live_dict_is_the_very_dict(annotation):
    """A plain dict is a cache too: a copy of it would be another."""
    cache = {"a": 1}
    assert given_value(cache, taking(annotation)) is cache


@pytest.mark.parametrize("annotation", [object, MutableMapping, OrderedDict])
def test_a_live_mapping_keeps_its_class(annotation):
    """What subclasses dict is not made a plain one."""
    cache = OrderedDict(a=1)
    assert given_value(cache, taking(annotation)) is cache


def test_a_live_list_is_the_very_list():
    """What the plugin appends, the application sees."""
    outbox: list[str] = []
    assert given_value(outbox, taking(list)) is outbox


def test_a_live_object_of_another_class_is_refused():
    """By its class; its repr is not asked."""

    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError("do not look at me")

    with pytest.raises(PluginSettingsError, match=r"MyCache.* is expected, not a Shy"):
        given_value(Shy(), taking(MyCache))


# -- types ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (bool, True, True),
        (int, 5, 5),
        (int, -(10**30), -(10**30)),
        (float, 2.5, 2.5),
        (float, 2, 2.0),
        (str, "text", "text"),
        (Path, "a/b", Path("a/b")),
        (Path, Path("a"), Path("a")),
        (Mode, "safe", Mode.SAFE),
        (Mode, Mode.SAFE, Mode.SAFE),
        (Level, 2, Level.HIGH),
        (Literal["a", 1], 1, 1),
        (Literal["a", 1], "a", "a"),
        (int | None, 5, 5),
        (int | None, None, None),
        (Optional[str], "x", "x"),  # noqa: UP045 - the older spelling too
        (int | str, "x", "x"),
        (list[int], [1, 2], [1, 2]),
        (list[float], [1, 2.5], [1.0, 2.5]),
        (list[Path], ["a"], [Path("a")]),
        (list[list[int]], [[1], []], [[1], []]),
        (Sequence[str], ["a"], ["a"]),
        (Iterable[str], ["a"], ["a"]),
        (tuple[str, ...], ["a"], ("a",)),
        (set[int], [1, 1], {1}),
        (frozenset[str], ["a"], frozenset("a")),
        (list, [1, "a"], [1, "a"]),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (dict[str, Path], {"a": "b"}, {"a": Path("b")}),
        (Mapping[str, list[Mode]], {"a": ["fast"]}, {"a": [Mode.FAST]}),
        (list[dict[str, float]], [{"a": 1}], [{"a": 1.0}]),
        (dict, {"a": [1]}, {"a": [1]}),
        (object, {"a": [1]}, {"a": [1]}),
    ],
)
def test_a_value_that_fits(annotation, value, expected):
    """As the annotation wants it, and of the type it wants."""
    found = given_value(value, taking(annotation))
    assert (expected, type(expected)) == (found, type(found))


def test_a_float_in_a_list_is_a_float():
    """An integer is a number, whatever it stands in."""
    assert [float] == [type(one) for one in given_value([1], taking(list[float]))]


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (bool, 1, "true or false"),
        (bool, "true", "true or false"),
        (int, True, "an integer"),
        (int, 2.0, "an integer"),
        (int, "5", "an integer"),
        (float, True, "a number"),
        (float, "2.5", "a number"),
        (str, 5, "a string"),
        (Path, 5, "a path"),
        (Mode, "slow", "one of 'fast', 'safe'"),
        (Mode, ["fast"], "one of 'fast', 'safe'"),
        (Level, True, "one of 1, 2"),
        (Literal["a", 1], True, "one of 'a', 1"),
        (Literal["a", 1], "b", "one of 'a', 1"),
        (int | None, "5", "an integer or nothing"),
        (Optional[str], 5, "a string or nothing"),  # noqa: UP045 - the older spelling too
        (list[int], "12", "a list"),
        (list[int], [1, "2"], "a list, each member an integer"),
        (list[int], [True], "a list, each member an integer"),
        (list[str], {"a": "b"}, "a list"),
        (dict[str, int], [1], "a table"),
        (dict[str, int], {"a": "b"}, "a table, each value an integer"),
        (dict[str, list[int]], {"a": ["b"]}, "a table, each value a list, each member an integer"),
        pytest.param(float, 10**400, "a number", id="too large for a float"),
        (MyCache, "redis://", "a MyCache"),
        (Cache, "redis://", "Cache"),
    ],
)
def test_a_value_that_does_not_fit(annotation, value, expected):
    """The error names plugin, key, source and what is expected."""
    with pytest.raises(PluginSettingsError) as caught:
        given_value(value, taking(annotation))
    error = caught.value
    assert (
        error.plugin,
        error.key,
        error.source,
    ) == ("demo", "value", "load_plugins(settings=...)")
    assert "demo.value: " in str(error)
    assert expected in str(error)
    assert "read from load_plugins(settings=...)" in str(error)


@given(st.integers() | st.floats(allow_nan=False) | st.booleans())
def test_numbers_keep_their_value_or_are_refused(value):
    """bool is no number, an int is a float, a float is no int; nothing else is ever raised."""
    fits = {
        bool: type(value) is bool,
        int: type(value) is int,
        float: type(value) is not bool,
    }
    for annotation, fitting in fits.items():
        try:
            found = given_value(value, taking(annotation))
        except PluginSettingsError:
            assert not fitting
        else:
            assert fitting
            assert type(found) is annotation
            assert found == pytest.approx(value)


def test_annotations_may_be_strings(read):
    """`from __future__ import annotations` is what plugins begin with."""
    assert {"path": Path("a"), "mode": Mode.SAFE} == read(
        Plugin, '[plugins.demo]\npath = "a"\nmode = "safe"\n'
    )


def test_a_string_annotation_is_checked(read):
    """As any other."""
    with pytest.raises(PluginSettingsError, match=r"demo.path: a path is expected, not 5"):
        read(Plugin, "[plugins.demo]\npath = 5\n")


def test_what_cannot_be_resolved_is_not_checked(read):
    """A name imported for type checkers only; the others still are."""
    assert {"path": Path("a"), "unknown": 5} == read(
        Plugin, '[plugins.demo]\npath = "a"\nunknown = 5\n'
    )


def test_a_required_setting_that_is_missing_is_named(read):
    """With its plugin's table."""
    with pytest.raises(PluginSettingsError, match="required") as caught:
        read(Plugin)
    assert (
        caught.value.plugin,
        caught.value.key,
        caught.value.source,
    ) == ("demo", "path", "[plugins.demo]")


@pytest.mark.parametrize(
    ("toml", "env", "argument", "source"),
    [
        ("[plugins.demo]\nvalu = 1\n", {}, None, "busway.toml"),
        ("", {"BUSWAY_DEMO__VALU": "1"}, None, "BUSWAY_DEMO__VALU"),
        ("", {}, {"valu": 1}, "load_plugins(settings=...)"),
    ],
)
def test_an_unknown_setting_is_named(read, toml, env, argument, source):
    """With plugin, key and source, and those that there are."""
    with pytest.raises(
        PluginSettingsError, match=r"unknown.*distribution, enabled, value"
    ) as caught:
        read(taking(int), toml, env, argument)
    error = caught.value
    assert ("demo", "valu", source) == (error.plugin, error.key, error.source)


@pytest.mark.parametrize(
    ("toml", "env", "source"),
    [
        ('[plugins.demo]\nvalue = "ten"\n', {}, "busway.toml"),
        ("[plugins.demo]\nvalue = 1\n", {"BUSWAY_DEMO__VALUE": "ten"}, "BUSWAY_DEMO__VALUE"),
    ],
)
def test_an_ill_typed_setting_is_named(read, toml, env, source):
    """With plugin, key and the source that won."""
    with pytest.raises(PluginSettingsError, match="an integer is expected, not 'ten'") as caught:
        read(taking(int), toml, env)
    error = caught.value
    assert ("demo", "value", source) == (error.plugin, error.key, error.source)


def test_a_constructor_may_take_any_setting(read):
    """`**settings`."""

    def target(**settings: object) -> None: ...

    assert read(target, "[plugins.demo]\nwhatever = 1\n") == {"whatever": 1}


# -- secrets -------------------------------------------------------------------------------------


def test_a_secret_comes_from_an_environment_variable(read):
    """`{env = "NAME"}`."""
    assert read(taking(str), '[plugins.demo]\nvalue = {env = "TOKEN"}\n', {"TOKEN": "s3cret"}) == {
        "value": "s3cret"
    }


def test_a_secret_comes_from_a_file(read, tmp_path):
    """`{file = "…"}`, without the newline at its end."""
    (tmp_path / "token").write_text("s3cret\n")
    assert read(taking(str), '[plugins.demo]\nvalue = {file = "token"}\n') == {"value": "s3cret"}


def test_a_secret_may_be_given_as_an_argument(read):
    """The reference, that is."""
    assert read(taking(str), "", {"TOKEN": "s3cret"}, {"value": {"env": "TOKEN"}}) == {
        "value": "s3cret"
    }


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [(int, "42", 42), (str, "42", "42"), (bool, "true", True), (Path, "a", Path("a"))],
)
def test_a_secret_is_of_the_type_that_is_wanted(read, annotation, text, value):
    """Its text is read as the environment's is."""
    assert {"value": value} == read(
        taking(annotation), '[plugins.demo]\nvalue = {env = "TOKEN"}\n', {"TOKEN": text}
    )


@pytest.mark.parametrize(
    ("annotation", "toml", "value"),
    [
        (list[str], '["open", {env = "TOKEN"}]', ["open", "s3cret"]),
        (dict[str, str], '{a = {env = "TOKEN"}, b = "open"}', {"a": "s3cret", "b": "open"}),
        (object, '{a = [{env = "TOKEN"}]}', {"a": ["s3cret"]}),
    ],
)
def test_secrets_may_stand_inside(read, annotation, toml, value):
    """In a list or a table."""
    assert {"value": value} == read(
        taking(annotation), f"[plugins.demo]\nvalue = {toml}\n", {"TOKEN": "s3cret"}
    )


@pytest.mark.parametrize("reference", ['{env = "TOKEN"}', '{file = "token"}'])
def test_a_secret_that_is_not_there_is_named(read, reference):
    """With plugin, key and source, and the variable or file."""
    with pytest.raises(PluginSettingsError, match=r"(?i)token") as caught:
        read(taking(str), f"[plugins.demo]\nvalue = {reference}\n")
    error = caught.value
    assert (error.plugin, error.key, error.source) == ("demo", "value", "busway.toml")


@pytest.mark.parametrize(
    ("annotation", "toml"),
    [
        (int, '{env = "TOKEN"}'),
        (Literal["a"], '{env = "TOKEN"}'),
        (Mode, '{env = "TOKEN"}'),
        (list[int], '[1, {env = "TOKEN"}]'),
        (dict[str, int], '{a = {env = "TOKEN"}, b = 1}'),
        (list[int], '{env = "TOKEN"}'),
    ],
)
def test_an_ill_typed_secret_is_not_shown(read, annotation, toml):
    """The error names the setting, not the secret, and neither does its cause."""
    with pytest.raises(PluginSettingsError, match=r"demo.value.*\*\*\*") as caught:
        read(taking(annotation), f"[plugins.demo]\nvalue = {toml}\n", {"TOKEN": "s3cret"})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_secret_is_shown_as_its_reference(configure, monkeypatch):
    """What a report shows of it, and where it was read."""
    configure('[plugins.demo]\nvalue = {env = "TOKEN"}\nplain = "with s3cret inside"\n')
    monkeypatch.setenv("TOKEN", "s3cret")
    section = Configuration().section("demo")
    assert section.values() == {"value": "s3cret", "plain": "with s3cret inside"}
    assert "s3cret" not in str(section.shown())
    assert "TOKEN" in section.shown()["value"][0]
    assert section.shown()["value"][1] == "busway.toml"


SECRETS = ["s3cret", "back\\slash", 'it\'s "quoted"', "two\nlines", "tab\t"]
SHOWN = {"str": str, "repr": repr, "in a list": lambda text: str([text]), "as a key": KeyError}


@pytest.mark.parametrize("secret", SECRETS, ids=repr)
@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_a_secret_is_scrubbed_however_it_is_written(configure, monkeypatch, secret, show):
    """Errors show values by their repr as often as not."""
    configure('[plugins.demo]\nvalue = {env = "TOKEN"}\n')
    monkeypatch.setenv("TOKEN", secret)
    section = Configuration().section("demo")
    section.values()
    shown = str(show(secret))
    scrubbed = section.scrub(f"cannot log in with {shown}!")
    assert "***" in scrubbed
    assert shown.strip("[]'\"") not in scrubbed


# -- what every section knows --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "enabled"), [("", None), ("enabled = true", True), ("enabled = false", False)]
)
def test_every_section_knows_enabled(configure, toml, enabled):
    """It is no setting of the plugin's."""
    configure(f"[plugins.demo]\n{toml}\n")
    section = Configuration().section("demo")
    assert enabled is section.enabled
    assert check(section, taking(int)) == {}


@pytest.mark.parametrize(("text", "enabled"), [("false", False), ("0", False), ("1", True)])
def test_enabled_comes_from_the_environment_too(configure, monkeypatch, text, enabled):
    """In the usual spellings."""
    configure("")
    monkeypatch.setenv("BUSWAY_DEMO__ENABLED", text)
    assert enabled is Configuration().section("demo").enabled


def test_every_section_knows_distribution(configure):
    """It is no setting of the plugin's."""
    configure('[plugins.demo]\ndistribution = "dist-demo"\n')
    section = Configuration().section("demo")
    assert section.distribution == "dist-demo"
    assert check(section, taking(int)) == {}


@pytest.mark.parametrize(
    ("key", "toml"), [("enabled", "5"), ("enabled", '"no"'), ("distribution", "5")]
)
def test_both_are_checked(configure, key, toml):
    """As any setting is."""
    configure(f"[plugins.demo]\n{key} = {toml}\n")
    with pytest.raises(PluginSettingsError) as caught:
        Configuration().section("demo")
    assert ("demo", key, "busway.toml") == (
        caught.value.plugin,
        caught.value.key,
        caught.value.source,
    )


# -- the file as a whole -------------------------------------------------------------------------


def test_malformed_toml_is_named(configure):
    """File and line."""
    configure("[plugins.demo]\nvalue = = 1\n")
    with pytest.raises(PluginSettingsError, match=r"line 2.*busway\.toml") as caught:
        Configuration()
    assert caught.value.source == "busway.toml"


def test_a_file_that_is_no_utf8_is_named(tmp_path, configure):
    """TOML is UTF-8."""
    configure("").write_bytes(b"[plugins.demo]\nvalue = '\xff'\n")
    with pytest.raises(PluginSettingsError, match=r"cannot be read.*busway\.toml"):
        Configuration()


def test_a_named_file_that_is_missing_is_an_error(tmp_path, monkeypatch):
    """Who sets BUSWAY_CONFIG means it."""
    monkeypatch.setenv("BUSWAY_CONFIG", str(tmp_path / "missing.toml"))
    with pytest.raises(PluginSettingsError, match=r"no file.*missing\.toml") as caught:
        Configuration()
    assert caught.value.source == "BUSWAY_CONFIG"


def test_a_folder_is_no_file(tmp_path, monkeypatch):
    """Neither is it a traceback."""
    monkeypatch.setenv("BUSWAY_CONFIG", str(tmp_path))
    with pytest.raises(PluginSettingsError, match="cannot be read"):
        Configuration()


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        ("[plugin.demo]\nvalue = 1\n", "plugin"),
        ("plugins = 5\n", "plugins"),
        ("[plugins]\ndemo = 5\n", "plugins.demo"),
        ("bus = 5\n", "bus"),
        ("[bus]\nmiddelware = []\n", "bus.middelware"),
        ('[bus]\nmiddleware = "trace"\n', "bus.middleware"),
        ("[bus]\nmiddleware = [1]\n", "bus.middleware"),
        ('[bus]\nmiddleware = ["a", "b", "a"]\n', "bus.middleware"),
    ],
)
def test_what_a_file_may_not_hold_is_named(configure, toml, key):
    """Key and file."""
    configure(toml)
    with pytest.raises(PluginSettingsError) as caught:
        Configuration()
    assert ("", key, "busway.toml") == (caught.value.plugin, caught.value.key, caught.value.source)
    assert key in str(caught.value)


def test_the_order_of_middleware_is_read(configure):
    """A list of plugins' names."""
    configure('[bus]\nmiddleware = ["trace", "ratelimit"]\n')
    assert Configuration().middleware == ("trace", "ratelimit")


def test_there_need_be_no_order_of_middleware(configure):
    """None is the default."""
    configure("[bus]\n")
    assert Configuration().middleware == ()


@pytest.mark.parametrize(
    ("value", "annotation", "wanted"),
    [
        (3, typing.Annotated[int, "a note"], 3),
        (["a", 1], tuple[str, int], ("a", 1)),
        ([1, 2], tuple[int, ...], (1, 2)),
    ],
)
def test_notes_and_tuples_are_understood(value, annotation, wanted):
    """`Annotated` is what it annotates; a list becomes the tuple that is asked for."""
    assert wanted == given_value(value, taking(annotation))


@pytest.mark.parametrize("value", [["a"], ["a", "b"], "a1"])
def test_a_tuple_of_another_shape_is_refused(value):
    """By its length, and by each of its members."""
    with pytest.raises(PluginSettingsError):
        given_value(value, taking(tuple[str, int]))
