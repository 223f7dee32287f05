"""The chain's parts: lines, keys, names and heads."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway_audit._format.chain import NO_HASH, BrokenLine, Seal, key_id, parse_key, split_line
from busway_audit._format.head import HEAD_BYTES, Head, decode_head, encode_head
from busway_audit._format.names import aside_name, head_name, lock_name, parse_segment, segment_name

LOG = "0123456789abcdef" * 2
KEY = bytes(range(32))
HEAD = Head(LOG, 7, 4711, "ab" * 32)


@given(st.binary())
def test_a_hash_is_of_domain_log_and_content(content):
    """With a key, it is the HMAC of just these."""
    hashed = b"busway-audit-1\0" + LOG.encode() + b"\0" + content
    assert Seal(LOG).hash(content) == hashlib.sha256(hashed).hexdigest()
    assert Seal(LOG, KEY).hash(content) == hmac.digest(KEY, hashed, "sha256").hex()


def test_a_line_ends_in_its_hash():
    """Which is that of all before it, and can be taken apart again."""
    line, digest = Seal(LOG).line(b'{"seq":1', NO_HASH)
    before, prev, claimed = split_line(line)
    assert line == before + b',"hash":"' + digest.encode() + b'"}\n'
    assert (prev, claimed) == (NO_HASH, digest)
    assert Seal(LOG).hash(before) == digest


def test_the_hash_does_not_survive_another_log():
    """A line cannot be moved from one trail to another."""
    assert Seal(LOG).hash(b"x") != Seal(LOG[::-1]).hash(b"x")


LINE = Seal(LOG).line(b'{"seq":1', NO_HASH)[0]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\n",
        b"{}\n",
        LINE[:-1],
        LINE + b"\n",
        LINE.upper(),
        LINE.replace(b"prev", b"next"),
        LINE.replace(b'"}\n', b'"} \n'),
        LINE[-100:],
        LINE.replace(b'"hash":"', b'"hash": "'),
    ],
)
def test_what_is_no_whole_line_is_told(broken):
    """Nothing is guessed."""
    with pytest.raises(BrokenLine):
        split_line(broken)


@given(st.binary() | st.binary().map(lambda data: data + LINE[-160:]))
def test_any_bytes_can_be_looked_at(data):
    """They are a line, or a BrokenLine; nothing else comes of it."""
    try:
        before, prev, claimed = split_line(data)
    except BrokenLine:
        return
    assert data == before + f',"hash":"{claimed}"}}\n'.encode()
    assert before.endswith(f',"prev":"{prev}"'.encode())


@pytest.mark.parametrize("key", [KEY, KEY.hex(), KEY.hex().upper()])
def test_a_key_is_32_bytes_or_their_digits(key):
    """As they stand in a file."""
    assert parse_key(key) == KEY


@pytest.mark.parametrize("key", ["", "00", KEY.hex()[:-1], KEY.hex() + "00", "x" * 64, b"short"])
def test_what_is_no_key_is_refused_and_not_repeated(key):
    """An error may be shown where a key must not be."""
    with pytest.raises(ValueError, match="32 bytes") as caught:
        parse_key(key)
    assert not key or str(key) not in str(caught.value)


def test_a_keys_id_tells_nothing_but_which_it_is():
    """16 digits of a hash."""
    assert len(key_id(KEY)) == 16
    assert key_id(KEY) != key_id(KEY[::-1])
    assert key_id(KEY) not in hashlib.sha256(KEY).hexdigest()


@given(st.integers(1, 10_000), st.integers(1, 10_000_000))
def test_a_segments_name_tells_its_slot_and_number(slot, number):
    """And is the only one that does."""
    assert parse_segment(segment_name(slot, number)) == (slot, number)


@pytest.mark.parametrize(
    "name",
    [
        "audit-1.jsonl",
        "audit-0000001.jsonl",
        "audit-w1-000001.jsonl",
        "audit-w02-000001.jsonl",
        "audit-w0-000001.jsonl",
        "audit-000001.jsonl\n",
        "audit-000001.jsonl.gz",
        "audit-000001.torn-1",
        "audit-" + "\u0660" * 6 + ".jsonl",
        "",
    ],
)
def test_no_other_name_is_a_segments(name):
    """So that no two files can claim one place."""
    assert parse_segment(name) is None


def test_the_names_are_those_of_the_readme():
    """Of the first slot, and of another."""
    assert segment_name(1, 1) == "audit-000001.jsonl"
    assert segment_name(2, 10) == "audit-w2-000010.jsonl"
    assert (lock_name(1), lock_name(2)) == ("audit.lock", "audit-w2.lock")
    assert (head_name(1), head_name(2)) == ("audit.head", "audit-w2.head")
    assert aside_name("audit-w2-000010.jsonl", 3) == "audit-w2-000010.torn-3"


def test_a_head_is_read_back_by_its_key_alone():
    """It fills a sector."""
    data = encode_head(HEAD, KEY)
    assert len(data) == HEAD_BYTES
    assert decode_head(data, KEY) == HEAD
    with pytest.raises(ValueError, match="not signed by this key"):
        decode_head(data, bytes(32))


def test_a_head_that_was_changed_is_none():
    """In any of its bits that are not just space."""
    data = bytearray(encode_head(HEAD, KEY))
    for place in range(len(data.rstrip())):
        for bit in range(8):
            data[place] ^= 1 << bit
            with pytest.raises(ValueError):
                decode_head(bytes(data), KEY)
            data[place] ^= 1 << bit


@given(st.binary() | st.text().map(str.encode) | st.just(b'{"hmac":"x"}') | st.just(b"[" * 600))
def test_what_is_no_head_is_told(data):
    """Whatever it is."""
    with pytest.raises(ValueError):
        decode_head(data, KEY)
