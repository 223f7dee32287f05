"""Events come back as they were, or are refused."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway import Event
from busway_outbox import OutboxError
from busway_outbox._encoding import decode, encode

TEXT = st.text(st.characters(codec=None), max_size=8)  # lone surrogates, too
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    PLAIN | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
TIMES = st.datetimes(timezones=st.just(dt.UTC))


class Colour(enum.StrEnum):
    RED = "red"


def _typed(value):
    """A value with the types in it: 1 is not True, and 1.0 not 1."""
    if isinstance(value, dict):
        return {key: _typed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_typed(one) for one in value]
    return type(value), repr(value)


@given(
    st.dictionaries(TEXT, VALUES, max_size=4),
    TIMES,
    TEXT,
    st.none() | TEXT,
    st.dictionaries(TEXT, TEXT, max_size=3),
)
def test_an_event_comes_back_as_it_was(payload, timestamp, source, correlation_id, metadata):
    """All its fields, and the types of all its values; on one line of ASCII."""
    event = Event("user.created", payload, timestamp, source, correlation_id, metadata=metadata)
    text = encode(event)
    back = decode(text)
    assert back == event
    assert _typed(dict(back.payload)) == _typed(payload)
    assert text.isascii()
    assert "\n" not in text
    assert "\0" not in text


@pytest.mark.parametrize(
    "value",
    [
        (1,),
        {1},
        b"x",
        dt.datetime(2026, 1, 1),
        uuid.uuid4(),
        decimal.Decimal(1),
        Colour.RED,
        float("inf"),
        object(),
        OrderedDict(),
        {1: 2},
        {Colour.RED: 1},
    ],
)
def test_what_json_lacks_is_refused_wherever_it_is(value):
    """The error names the place."""
    for payload, place in (
        ({"a": value}, "payload.a"),
        ({"a": [0, {"b": value}]}, "payload.a[1].b"),
    ):
        with pytest.raises(OutboxError) as refused:
            encode(Event("user.created", payload))
        assert place in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("payload", {"a": 1, Colour.RED: 2}, "payload has the key"),
        ("payload", OrderedDict(a=1), "its payload is a OrderedDict"),
        ("metadata", {"a": Colour.RED}, "metadata.a is a Colour"),
        ("metadata", {Colour.RED: "a"}, "metadata has the key"),
        ("source", Colour.RED, "its source is a Colour"),
        ("correlation_id", Colour.RED, "its correlation_id is a Colour"),
        ("causation_id", Colour.RED, "its causation_id is a Colour"),
        ("id", Colour.RED, "its id is a Colour"),
    ],
)
def test_what_json_lacks_is_refused_in_each_field(field, value, fault):
    """A str of a class of its own is a str to the core, and would come back as a plain one."""
    with pytest.raises(OutboxError, match=fault):
        encode(Event("user.created", **{field: value}))


def test_what_is_too_deep_or_too_large_is_refused():
    """And not by a RecursionError that ends something else."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(OutboxError, match="cannot be recorded"):
        encode(Event("user.created", {"a": deep}))
    with pytest.raises(OutboxError, match="cannot be recorded"):
        encode(Event("user.created", {"a": 10**5_000}))
    while deep:
        deep = deep.pop()


def test_what_holds_itself_is_refused():
    """It would never end."""
    mine = {}
    mine["me"] = mine
    with pytest.raises(OutboxError, match="holds itself"):
        encode(Event("user.created", {"a": mine}))


def test_an_event_of_a_class_of_its_own_is_refused():
    """It would come back as a plain one."""

    class Special(Event):
        pass

    with pytest.raises(OutboxError, match="it is a Special"):
        encode(Special("user.created"))
