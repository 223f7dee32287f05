"""Lines: whatever bytes come, each line is an event, or named with its number and reason."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway import Event, EventError
from busway_cli._input import Input
from busway_cli._lines import Lines, parse_event

GOOD = {"type": "user.login", "payload": {}, "timestamp": "2024-01-01T00:00:00Z"}


def bad(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


BAD_LINES = {
    "invalid UTF-8": b'{"type": "\xff"}',
    "UTF-8 of a surrogate": b'{"a": "\xed\xa0\x80"}',
    "a lone surrogate": b'{"a": "\\ud800"}',
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "NUL": b"\x00",
    "NUL after an event": json.dumps(GOOD).encode() + b"\x00",
    "no JSON": b"hello",
    "half an event": json.dumps(GOOD).encode()[:-5],
    "two events": json.dumps(GOOD).encode() * 2,
    "a list": b"[1]",
    "a number": b"1",
    "null": b"null",
    "nested too deep": b"[" * 100_000,
    "nested too deep in a payload": bad().replace(b"{}", b'{"a": ' + b"[" * 100_000),
    "too many digits": bad().replace(b"{}", b'{"n": ' + b"1" * 10_000 + b"}"),
    "NaN": bad().replace(b"{}", b'{"n": NaN}'),
    "an unknown type": bad(type="no.such"),
    "a type that is no string": bad(type=["user.login"]),
    "an escape sequence as type": bad(type="\x1b[31m\nbusway: all is well"),
    "a naive timestamp": bad(timestamp="2024-01-01T00:00:00"),
    "a timestamp that is a number": bad(timestamp=1704067200),
    "a timestamp out of range": bad(timestamp="0001-01-01T00:00:00+23:59"),
    "a payload that is a list": bad(payload=[]),
    "an unknown key": bad(extra=1),
    "metadata that is no string": bad(metadata={"a": 1}),
    "an id that is a number": bad(id=1),
    "no payload": json.dumps({"type": "user.login", "timestamp": GOOD["timestamp"]}).encode(),
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_what_is_no_event_is_an_event_error(line):
    """Each kind of bad line raises EventError, and no other exception."""
    with pytest.raises(EventError) as caught:
        parse_event(line)
    assert str(caught.value)


@given(st.binary() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from([*GOOD]), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_line_crashes(line):
    """Of any bytes, and any JSON: an event, nothing, or EventError."""
    try:
        event = parse_event(line)
    except EventError:
        return
    assert (event is None) == (not line.strip())


@given(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["user.login", "audit.log"]),
            "payload": st.dictionaries(st.text(), st.integers() | st.text() | st.none()),
            "timestamp": st.datetimes(timezones=st.timezones()).map(lambda t: t.isoformat()),
        }
    )
)
def test_an_event_is_read_as_from_dict_reads_it(data):
    """A line's event is what `Event.from_dict` makes of its JSON."""
    try:
        expected = Event.from_dict(data)
    except EventError:
        expected = None
    line = json.dumps(data).encode("utf-8", "replace") + b"\r\n"
    try:
        event = parse_event(line)
    except EventError:
        event = None
    if expected is None or event is None:
        assert event is expected
    else:
        assert event.replace(id=expected.id) == expected


@given(st.lists(st.binary(max_size=8) | st.sampled_from([b"\n", b"a\r\nb", b"\n\n"]), max_size=20))
def test_lines_are_the_input_byte_for_byte(chunks):
    """However the bytes come in: joined, the lines are the input; each ends where it should."""

    class Chunks:
        def __init__(self) -> None:
            self.left = [one for one in chunks if one]

        async def read(self) -> bytes:
            return self.left.pop(0) if self.left else b""

    async def read_all() -> list[bytes]:
        lines, found = Lines(Chunks()), []
        while batch := await lines.read():
            found += batch
        return found

    found = asyncio.run(read_all())
    assert b"".join(found) == b"".join(chunks)
    assert all(one.endswith(b"\n") for one in found[:-1])
    assert all(one and one.count(b"\n") <= 1 for one in found)


async def test_a_file_is_read_from_where_it_stands():
    """A descriptor that was read from already has that much less to read."""
    with tempfile.TemporaryFile() as file:
        file.write(b"skipped\nrest")
        file.flush()
        os.lseek(file.fileno(), 8, os.SEEK_SET)
        source = Input(file.fileno())
        assert source.size == 4
        assert [await source.read(), await source.read()] == [b"rest", b""]


def test_bad_lines_are_named_and_the_rest_goes_on(busway):
    """Every bad line has one line on stderr, with its number; the good ones are published."""
    lines = [one for line in BAD_LINES.values() if b"\n" not in line for one in (line, bad())]
    done = busway("run", "--json", stdin=b"\n".join(lines))
    report = json.loads(done.stdout)
    half = len(lines) // 2
    assert done.returncode == 1
    assert (report["read"], report["rejected"], report["published"]) == (2 * half, half, half)
    told = done.stderr.splitlines()
    numbers = [int(one.split(" ")[2]) for one in told]
    assert numbers == list(range(1, 2 * half, 2))
    assert all(
        one.startswith(f"busway: line {n} is no event: ")
        for one, n in zip(told, numbers, strict=True)
    )
    assert "\x1b" not in done.stderr
    assert max(map(len, told)) < 1000


def test_rejects_are_kept_byte_for_byte(busway, line):
    """`--rejects` holds the bad lines and nothing else, with their ends or without."""
    kept = [b"\xff\xfe\x00\r\n", b"  not json \n", b"\x00\n", b"[" * 10_000 + b"\n", b"no end"]
    stdin = line().encode().join([b"", *kept])
    done = busway("run", "--rejects", "bad.jsonl", stdin=stdin)
    assert done.returncode == 1
    assert (busway.directory / "bad.jsonl").read_bytes() == b"".join(kept)


def test_rejects_are_emptied_at_the_start(busway, line):
    """The file holds what this run rejected: it is created, or emptied, in any case."""
    (busway.directory / "bad.jsonl").write_text("old")
    assert busway("run", "--rejects", "bad.jsonl", stdin=line()).returncode == 0
    assert (busway.directory / "bad.jsonl").read_bytes() == b""


@pytest.mark.parametrize("file", ["events.jsonl", "-"])
def test_rejects_may_not_be_the_input(busway, line, file):
    """Emptying the input would lose it: refused, by whatever name it goes."""
    path = busway.directory / "events.jsonl"
    path.write_text(line())
    (busway.directory / "link").symlink_to(path)
    with path.open("rb") as stdin:
        process = busway.start("run", file, "--rejects", "link", stdin=stdin)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 2
    assert told == b"busway: --rejects link: that is the input itself\n"
    assert path.read_text() == line()


def test_rejects_that_cannot_be_written(busway, line):
    """A file that cannot be opened is a refusal, before anything is published."""
    busway.handler("says", "def handle(self, event): print('published')")
    done = busway("run", "--rejects", "no/such/dir", stdin=line())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "busway: --rejects no/such/dir: No such file or directory\n"


def test_rejects_on_a_full_disk(busway, line):
    """It is told once that lines are no longer kept; the run goes on."""
    done = busway("run", "--json", "--rejects", "/dev/full", stdin="bad\n" + line() + "bad\n")
    assert done.returncode == 1
    assert json.loads(done.stdout)["published"] == 1
    told = "busway: /dev/full: No space left on device; rejected lines are no longer kept"
    assert done.stderr.splitlines().count(told) == 1
    assert len(done.stderr.splitlines()) == 3


def test_blank_lines_are_skipped_and_numbered(busway, line):
    """Blank lines are not read as events, and count in the numbers."""
    done = busway("run", "--json", stdin="\n \t\r\n" + line() + "\r\nbad\n\n")
    report = json.loads(done.stdout)
    assert (report["read"], report["published"], report["rejected"]) == (2, 1, 1)
    assert done.stderr.startswith("busway: line 5 is no event: ")


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(lambda one: b"\xef\xbb\xbf" + one + one, id="byte order mark"),
        pytest.param(lambda one: one.replace(b"\n", b"\r\n") * 2, id="CRLF"),
        pytest.param(lambda one: one + one[:-1], id="no newline at the end"),
        pytest.param(lambda one: b"\xef\xbb\xbf\n" + one * 2, id="nothing but a mark"),
        pytest.param(lambda one: one * 2, id="the same event twice"),
    ],
)
def test_forms_of_a_file(busway, line, whole):
    """What editors and other systems do to a file makes no difference."""
    (busway.directory / "e").write_bytes(whole(line().encode()))
    done = busway("run", "e", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["published"] == 2


def test_a_mark_is_taken_from_the_first_line_only(busway, line):
    """A byte order mark later on is no part of JSON."""
    done = busway("run", "--json", stdin=line().encode() + b"\xef\xbb\xbf" + line().encode())
    assert (done.returncode, json.loads(done.stdout)["rejected"]) == (1, 1)


def test_a_very_long_line(busway, line):
    """An event of 10 MB is an event."""
    done = busway("run", "--json", stdin=line(text="x" * 10_000_000) + line())
    assert json.loads(done.stdout)["published"] == 2


def test_big_numbers_are_whole(busway, line):
    """An integer beyond 64 bits reaches the handlers as it was written."""
    name = busway.handler(
        "keeps",
        """
        def handle(self, event): self.n = event.payload["n"]
        def health(self): return {"n": str(self.n)}
        """,
    )
    done = busway("run", "--json", stdin=line(n=2**200))
    assert json.loads(done.stdout)["health"][name] == {"n": str(2**200)}
