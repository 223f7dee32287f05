"""Redaction: what stands under certain keys is seen by no handler."""

from __future__ import annotations

import copy
import gc
from collections import OrderedDict
from enum import Enum
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busway import Event
from busway_middleware import REDACTED, RedactionMiddleware

CANARY = "s3cret-canary"
KEY = "ab" * 32


def redacted(payload, **settings):
    return RedactionMiddleware(**settings)(Event("user.login", payload)).payload


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "Password",
        "access_token",
        "accessToken",
        "X-Auth-Token",
        "Authorization",
        "user[password]",
        "password:",
        b"token",
    ],
)
def test_a_key_that_is_named_is_hidden(key):
    """Or ends in the name as a word of its own, whatever the case and spelling."""
    assert redacted({key: CANARY, "user_id": 7}) == {key: REDACTED, "user_id": 7}


class Field(str, Enum):  # noqa: UP042 - its str() is not its value
    SECRET = "password"


def test_a_key_is_the_text_that_it_is():
    """Whatever its own `str()` says; and no key makes an equal one known as harmless."""
    redaction = RedactionMiddleware()
    for key in (Field.SECRET, "password"):
        event = Event("user.login", {key: CANARY})
        assert redaction(event).payload == {"password": REDACTED}


@pytest.mark.parametrize("key", ["tokens", "token_count", "passwords", "detoken", 7, None])
def test_other_keys_are_not(key):
    """A word within a word is none."""
    assert redacted({key: "open"}) == {key: "open"}


def test_patterns_are_for_the_whole_key():
    """As of file names, whatever the case."""
    assert redacted({"card_7": 1, "Card_Nr": 2, "discard_7": 3}, redact=["card_*"]) == {
        "card_7": REDACTED,
        "Card_Nr": REDACTED,
        "discard_7": 3,
    }


def test_at_whatever_depth():
    """In mappings, lists and tuples, of whatever make."""
    found = redacted(
        {
            "a": [{"b": ({"token": CANARY}, 1)}],
            "c": MappingProxyType({"d": OrderedDict(token=CANARY)}),
        }
    )
    assert found == {"a": [{"b": ({"token": REDACTED}, 1)}], "c": {"d": {"token": REDACTED}}}


def test_in_metadata_too():
    """A header that was copied there, say."""
    event = Event("user.login", metadata={"authorization": CANARY, "origin": "shop"})
    metadata = RedactionMiddleware()(event).metadata
    assert metadata == {"authorization": REDACTED, "origin": "shop"}


def test_the_event_that_was_given_is_not_changed():
    """Its publisher still holds it; what need not be copied is not."""
    payload = {"list": [{"token": CANARY}], "rest": {"x": [1]}}
    before = copy.deepcopy(payload)
    event = Event("user.login", payload)
    made = RedactionMiddleware()(event)
    assert payload == before
    assert made.id == event.id
    assert made.payload["rest"] is payload["rest"]


def test_an_event_without_secrets_is_the_very_one():
    """It is not copied."""
    event = Event("user.login", {"user_id": 7, "roles": ["admin"]})
    assert RedactionMiddleware()(event) is event


def test_within_itself_and_too_deep_is_hidden():
    """What cannot be looked at is not let through."""
    cycle = {"token": CANARY}
    cycle["self"] = [cycle]
    assert redacted(cycle) == {"token": REDACTED, "self": [REDACTED]}
    deep = {"token": CANARY}
    for _ in range(500):
        deep = {"deep": deep}
    assert CANARY not in repr(redacted(deep))


def test_parts_that_are_shared_do_not_keep_it_busy():
    """2 to the 60th paths lead to one secret."""
    shared = {"token": CANARY}
    for _ in range(60):
        shared = {"a": shared, "b": shared}
    found = redacted(shared)
    for _ in range(60):
        assert found["a"] is found["b"]
        found = found["a"]
    assert found == {"token": REDACTED}


def test_values_that_are_made_when_asked_for_are_not_mixed_up():
    """A mapping may give a new object each time, where the last one has been."""

    class Lazy(dict):
        def items(self):
            for number in range(50):
                yield f"n{number}", {"token": number} if number % 2 else {"open": number}
                gc.collect(0)

    found = redacted({"lazy": Lazy()})["lazy"]
    assert found == {f"n{number}": {"token": REDACTED} for number in range(1, 50, 2)}


def test_a_keyed_hash_tells_equal_values_apart_from_others():
    """And nothing else: not the value, and nothing to those with another key."""
    first = redacted({"token": CANARY, "nested": {"password": CANARY}}, redact_key=KEY)
    other = redacted({"token": CANARY + "!"}, redact_key=KEY)
    stranger = redacted({"token": CANARY}, redact_key="cd" * 32)
    assert first["token"] == first["nested"]["password"] != other["token"]
    assert stranger["token"] != first["token"]
    assert first["token"].startswith("[redacted:")
    assert CANARY not in repr(first)


def test_what_no_hash_can_be_made_of_is_hidden_all_the_same():
    """A payload cannot stop its event by how deep it is nested."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert redacted({"token": deep}, redact_key=KEY) == {"token": REDACTED}


def test_equal_mappings_have_equal_hashes():
    """In whatever order their keys stand."""
    one = redacted({"token": {"a": 1, "b": 2}}, redact_key=KEY)
    assert one == redacted({"token": {"b": 2, "a": 1}}, redact_key=KEY)


@pytest.mark.parametrize("value", [{1: 2, "a": 3}, object(), {1, 2}, b"x", "\ud800"])
def test_whatever_it_is_can_be_hashed(value):
    """JSON has no form for some of it."""
    assert redacted({"token": value}, redact_key=KEY)["token"].startswith("[redacted:")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(payload=st.dictionaries(st.text(max_size=5), _JSON, max_size=4), place=st.integers(0, 9))
def test_no_handler_sees_the_canary(payload, place):
    """Wherever in a payload it stands; all else is as it was."""
    holders = [payload]
    for one in holders:
        inner = one.values() if isinstance(one, dict) else one
        holders += [each for each in inner if isinstance(each, (dict, list))]
    holder = holders[place % len(holders)]
    if isinstance(holder, dict):
        holder["api_token"] = CANARY
    else:
        holder.append({"api_token": CANARY})
    wanted = eval(repr(payload).replace(CANARY, REDACTED))
    assert redacted(payload, redact=["api_token"]) == wanted


async def test_what_was_hidden_is_counted(bus, hear):
    """In the health of the bus: events, not values."""
    bus.add_middleware(RedactionMiddleware())
    heard = hear()
    await bus.publish(Event("user.login", {"password": CANARY, "token": CANARY}))
    await bus.publish(Event("user.login", {"user_id": 7}))
    assert CANARY not in repr(heard.events)
    assert bus.health()["redact"] == {"redacted": 1}


def test_keys_that_are_data_do_not_fill_the_memory():
    """Those that were looked at are remembered, up to a number, if they are short."""
    middleware = RedactionMiddleware()
    for number in range(25_000):
        middleware(Event("user.login", {f"key{number}": 1}))
    middleware(Event("user.login", {"long" * 1_000: 1}))
    assert len(middleware._known) <= 10_000
    assert max(map(len, middleware._known)) <= 100


@pytest.mark.parametrize("key", ["abc", "g" * 64, "ab" * 31, b"x"])
def test_a_key_that_is_none_is_not_repeated(key):
    """The error names the setting alone."""
    with pytest.raises(ValueError, match=r"^redact_key: .* makes one$") as caught:
        RedactionMiddleware(redact_key=key)
    assert str(key) not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "culprit"), [({"redact": "token"}, "redact"), ({"redact_key": 7}, "redact_key")]
)
def test_a_setting_that_is_wrong_is_named(settings, culprit):
    """A str would be a list of letters."""
    with pytest.raises(TypeError, match=f"^{culprit}: "):
        RedactionMiddleware(**settings)
