"""Templates: names alone, values as an f-string has them, none of which means more than itself."""

import datetime as dt
import uuid
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway import Event
from busway_cache import CacheInvalidationHandler, Capability
from busway_cache._globs import matching
from busway_cache._templates import Templates


def drop(capability, template, payload, *, patterns=True):
    made = Templates({capability: {"user.updated": [template]}})
    found = made.drop(Event("user.updated", payload), patterns=patterns)
    return {kind.value: list(names) for kind, names in found.names.items() if names}, found


VALUES = st.one_of(
    st.text(min_size=1),
    st.integers(),
    st.floats(),
    st.uuids(),
    st.decimals(),
    st.dates(),
    st.datetimes(),
)


@given(VALUES, VALUES)
def test_a_key_is_what_an_f_string_makes(a, b):
    """The application writes its keys so, whatever is in the values."""
    names, found = drop(Capability.KEYS, "x:{a}/{{}}{b}", {"a": a, "b": b})
    assert names == {"keys": [f"x:{a}/{{}}{b}"]}
    assert not found.lacking


@given(st.text(min_size=1), st.text())
def test_a_value_in_a_pattern_means_itself(value, other):
    """No star in a payload drops what is somebody else's."""
    names, _ = drop(Capability.PATTERNS, "page:*:{a}", {"a": value})
    assert matching([f"page:x:{value}"], names["patterns"])
    if "\\" not in value and not other.endswith(value):
        assert not matching([f"page:{other}"], names["patterns"])


@pytest.mark.parametrize(
    "value",
    [None, "", True, b"7", [7], {"id": 7}, (7,), {7}, object(), 10**5000],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_name_clears_the_namespace(value):
    """All that it could have been is in it."""
    names, found = drop(Capability.KEYS, "user:{a}", {"a": value})
    assert names == {"patterns": ["user:*"]}
    assert found.lacking == ["user:{a}"]


def test_a_value_that_cannot_be_written_clears_the_namespace():
    """A payload's own code may raise."""

    class Hostile(str):
        __slots__ = ()

        def __format__(self, spec):
            raise RuntimeError

    assert drop(Capability.KEYS, "user:{a}", {"a": Hostile("x")})[0] == {"patterns": ["user:*"]}


def test_what_stands_before_the_first_name_is_literal():
    """Its own stars are escaped in a key, and stay in a pattern."""
    assert drop(Capability.KEYS, "a*:{a}", {})[0] == {"patterns": ["a[*]:*"]}
    assert drop(Capability.PATTERNS, "a*:{a}:b", {})[0] == {"patterns": ["a*:*"]}


@pytest.mark.parametrize(
    ("capability", "template", "patterns"),
    [
        (Capability.KEYS, "{a}", True),
        (Capability.PATTERNS, "{a}:*", True),
        (Capability.KEYS, "user:{a}", False),
        (Capability.TAGS, "user:{a}", True),
    ],
)
def test_without_a_namespace_it_is_everything(capability, template, patterns):
    """Where nothing stands before the name, or a namespace cannot be dropped."""
    names, found = drop(capability, template, {}, patterns=patterns)
    assert (names, found.everything) == ({}, True)


def test_a_name_is_dropped_once():
    """However many templates make it."""
    made = Templates({Capability.KEYS: {"user.updated": ["{a}", "{b}", "x"]}})
    found = made.drop(Event("user.updated", {"a": "x", "b": "x"}), patterns=True)
    assert list(found.names[Capability.KEYS]) == ["x"]


@pytest.mark.parametrize(
    "template",
    ["{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{}", "{0}", "{a b}", "{", "}", "{a", "", "{a:{b}}"],
)
@pytest.mark.parametrize("setting", list(Capability))
def test_a_template_that_is_more_than_names_is_refused(setting, template):
    """A payload must not reach into objects; the setting, type and template are named."""
    with pytest.raises(ValueError, match=rf"^{setting}: user\.updated: .* is no template"):
        CacheInvalidationHandler(**{setting: {"user.updated": [template]}})


@pytest.mark.parametrize("table", [7, [], {"user.updated": "x"}, {"user.updated": [7]}])
@pytest.mark.parametrize("setting", list(Capability))
def test_a_table_that_is_none_is_refused(setting, table):
    """By the name of the setting."""
    with pytest.raises(ValueError, match=rf"^{setting}: "):
        CacheInvalidationHandler(**{setting: table})


def test_what_it_publishes_itself_is_no_cause():
    """It would answer itself for ever."""
    with pytest.raises(ValueError, match=r"^keys: cache\.invalidated"):
        CacheInvalidationHandler(keys={"cache.invalidated": ["x"]})


def test_the_values_that_are_written():
    """The documented ones."""
    values = ["a", 7, 1.5, Decimal("1.0"), uuid.UUID(int=1), dt.date(2026, 1, 2)]
    names, _ = drop(Capability.KEYS, "{a}{b}{c}{d}{e}{f}", dict(zip("abcdef", values, strict=True)))
    assert names == {"keys": ["a71.51.000000000-0000-0000-0000-0000000000012026-01-02"]}
