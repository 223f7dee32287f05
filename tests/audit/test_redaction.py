"""Redaction at the door: what stands under certain keys is never written."""

import dataclasses
import enum
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.audit.trail import events

from busway.events import Event
from busway_audit import AuditLogHandler
from busway_audit._accepting.encoding import Encoding
from busway_audit._accepting.redaction import Redaction

KEY = bytes.fromhex("5a" * 32)
CANARY = "canary-4711"


def written(payload, names=("password", "token", "authorization"), key=None, **fields):
    """What the writer would write of an event."""
    encoding = Encoding(Redaction(names, key))
    fields = encoding.encode(Event("user.login", payload, **fields))
    return json.loads(b"{%s}" % fields)


def hides(name, key):
    return written({key: CANARY}, [name])["payload"] != {key: CANARY}


@pytest.mark.parametrize(
    "key",
    [
        *("token", "Token", "TOKEN", "access_token", "access-token", "X-Auth-Token", "x.token"),
        *("accessToken", "AccessToken", "APIToken", "access token", "user[token]", "token:"),
    ],
)
def test_a_name_means_every_key_that_ends_in_it(key):
    """As a word of its own, whatever the case."""
    assert hides("token", key)


@pytest.mark.parametrize("key", ["tokens", "token_count", "tokenizer", "tok", "", "kentoken"])
def test_it_means_no_other(key):
    """`tokens: 500` is no secret."""
    assert not hides("token", key)


@pytest.mark.parametrize(
    ("name", "key"), [("api_key", "apiKey"), ("apiKey", "API-KEY"), ("api key", "my.api_key")]
)
def test_a_name_of_several_words_is_found_in_other_spellings(name, key):
    """Where they are joined by a hyphen or a space, too."""
    assert hides(name, key)


def test_a_pattern_is_one_of_the_whole_key():
    """As of file names, whatever the case."""
    assert hides("*pass*", "myPassphrase")
    assert hides("pin?", "PIN1")
    assert not hides("pin?", "pin")
    assert not hides("pass*", "bypass")


def test_the_defaults_hide_what_is_most_often_forgotten(tmp_path):
    """Without any setting; no other default is as safe."""
    import asyncio

    async def main():
        audit = AuditLogHandler(tmp_path)
        payload = {"user": "ada", "password": CANARY, "headers": {"Authorization": CANARY}}
        await audit.handle(Event("user.login", payload, metadata={"token": CANARY}))
        await audit.stop()

    asyncio.run(main())
    (event,) = events(tmp_path)
    hidden = "[redacted]"
    assert event["payload"] == {
        "user": "ada",
        "password": hidden,
        "headers": {"Authorization": hidden},
    }
    assert event["metadata"] == {"token": hidden}


def test_nothing_need_be_hidden():
    """An empty list hides nothing."""
    payload = {"password": "x", "n": [{"token": "y"}]}
    assert written(payload, [])["payload"] == payload


@dataclasses.dataclass
class Login:
    user: str
    password: object


class Struct(msgspec.Struct):
    token: str


class Key(enum.Enum):
    TOKEN = "token"


ODD = [
    Login("ada", CANARY),
    {"a": [{"b": ({"password": CANARY},)}]},
    {"password": {"deep": [CANARY]}},
    {"password": [CANARY, {CANARY: CANARY}]},
    {"password": CANARY, 1: "a", "1": "b"},
    {1: {"token": CANARY, None: 1, "null": 2}},
    {Key.TOKEN: CANARY},
    Struct(CANARY),
    [Struct(CANARY), {1}],
    {"token": Login("ada", CANARY)},
    {"token": CANARY, "odd": "\ud800"},
    msgspec.Raw(json.dumps({"token": CANARY}).encode()),
]


@pytest.mark.parametrize("value", ODD, ids=[type(value).__name__ for value in ODD])
@pytest.mark.parametrize("key", [None, KEY])
def test_it_is_found_at_every_depth_and_in_every_form(value, key):
    """In attributes, in keys that are no strings, in lists of pairs."""
    assert CANARY not in json.dumps(written({"v": value}, key=key))


def test_a_keyed_hash_stands_for_equal_values():
    """Equal ones can be told to be equal, wherever they stand; nothing else of them."""
    told = written({"token": "a", "b": {"token": "a"}, "password": "b"}, key=KEY)["payload"]
    assert told["token"] == told["b"]["token"] != told["password"]
    assert told["token"].startswith("[redacted:")
    other = written({"token": "a"}, key=bytes(32))["payload"]
    assert other["token"] != told["token"]


def test_a_hash_does_not_depend_on_the_company():
    """The same value, beside something odd and without."""
    plain = written({"token": {"b": 1, "a": [1.5, None]}}, key=KEY)
    odd = written({"token": {"b": 1, "a": [1.5, None]}, "odd": {1}}, key=KEY)
    assert plain["payload"]["token"] == odd["payload"]["token"]


@given(st.text())
def test_any_key_can_be_named(name):
    """What is no pattern is taken as it stands."""
    if name and not set("*?[") & set(name):
        name = name.encode("utf-8", "replace").decode()
        assert hides(name, name)


def test_keys_that_are_data_do_not_fill_the_memory():
    """An id as a key, ten thousand times: what is remembered of them is bounded."""
    redaction = Redaction(["token"])
    for n in range(30_000):
        assert redaction.hides_none({f"id-{n}": 1})
    assert len(redaction._known) <= 10_000
