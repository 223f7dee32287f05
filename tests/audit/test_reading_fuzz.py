"""Whatever stands in the files: readers end, say so, and show no line that was not written."""

from __future__ import annotations

import io
import itertools
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.audit.by_the_book import KEY, Book, digest

from busway_audit import Finding, TrailError, verify
from busway_audit._format.chain import key_id
from busway_audit._reading.events import Wanted, events_of
from busway_audit._reading.export import write_csv, write_jsonl
from busway_audit._reading.tail import tail
from busway_audit._reading.trail import slots_of

NAMES = ["audit-000001.jsonl", "audit-000002.jsonl", "audit-w2-000001.jsonl", "audit.head"]
KEYS = {key_id(KEY): KEY}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
times = st.sampled_from(
    [
        "2026-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:60Z",
        "",
    ]
)
seqs = st.sampled_from([0, 1, 2, 3, -1, 10**18, 2**63, 2**64, 1.5, "1", None, True])
fields = st.fixed_dictionaries(
    {},
    optional={
        "seq": seqs,
        "recorded_at": times | values,
        "record": st.sampled_from(["segment", "commit", "gap", "started", "", "x"]) | values,
        "version": st.sampled_from([1, 2]) | values,
        "log": st.sampled_from(["0" * 32, "é" * 32, "0"]) | values,
        "slot": seqs,
        "segment": seqs,
        "seal": st.sampled_from(["sha256", "hmac-sha256", "none"]) | values,
        "key_id": st.sampled_from(["", key_id(KEY)]) | values,
        "previous_size": seqs,
        "because": st.sampled_from(["rotated", "damaged", "sync failed"]) | values,
        "first": seqs,
        "events": seqs,
        "id": st.text(max_size=4) | values,
        "type": st.text(max_size=4) | values,
        "payload": st.dictionaries(st.text(max_size=4), values, max_size=3) | values,
        "metadata": values,
        "timestamp": times | values,
        "prev": st.sampled_from(["0" * 64, "x"]),
    },
)


header = {
    "seq": 1,
    "recorded_at": "2026-01-01T00:00:00Z",
    "record": "segment",
    "version": 1,
    "log": "0" * 32,
    "slot": 1,
    "segment": 1,
    "seal": "sha256",
    "previous_size": 0,
}
event = {
    "seq": 2,
    "recorded_at": "2026-01-01T00:00:00Z",
    "id": "x",
    "type": "user.login",
    "payload": {},
    "timestamp": "2026-01-01T00:00:00Z",
}
commit = {"seq": 3, "recorded_at": "2026-01-01T00:00:00Z", "record": "commit", "first": 1}
nearly = st.builds(
    lambda right, wrong, names: right | {name: wrong[name] for name in names if name in wrong},
    st.sampled_from([header, event, commit | {"events": 1}]),
    fields,
    st.sets(st.sampled_from([*header, *event, *commit]), max_size=2),
)


def chained(made: list[dict[str, object]]) -> bytes:
    """Lines of these fields, of which the hashes are those of a bare chain."""
    prev, content = "0" * 64, b""
    for one in made:
        before = json.dumps(one | {"prev": prev}).encode()[:-1]
        prev = digest("0" * 32, before, None)
        content += before + b',"hash":"' + prev.encode() + b'"}\n'
    return content


lines = st.one_of(
    st.binary(max_size=40),
    fields.map(lambda made: json.dumps(made).encode() + b"\n"),
    st.lists(nearly, max_size=2).map(chained),
    st.lists(nearly, max_size=4).map(lambda made: chained([header, event, *made])),
    st.sampled_from([b"\n", b"\0" * 8, b"[" * 100_000 + b"\n", b"{}\n"]),
)


@contextmanager
def trail(files: dict[str, bytes]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        yield Path(folder)


def shown(path: Path, keys: dict[str, bytes]) -> list[bytes]:
    """The lines that readers show as events; all of them show the same."""
    findings: list[Finding] = []
    exported, table = io.BytesIO(), io.BytesIO()
    try:
        write_jsonl(events_of(slots_of(path), keys, findings.append), exported)
        write_csv(events_of(slots_of(path), keys, findings.append), table)
        entries, follow = tail(path, Wanted(), None, keys, findings.append)
        tailed = [entry.line for entry in entries]
        tailed += [entry.line for entry in follow.poll()]
        last, _ = tail(path, Wanted(("*",)), 5, keys, findings.append)
        tailed += [entry.line for entry in last]
    except (TrailError, OSError):
        return exported.getvalue().splitlines(keepends=True)
    return [*exported.getvalue().splitlines(keepends=True), *tailed]


def passes(path: Path, keys: dict[str, bytes]) -> bool:
    try:
        return verify(path, str, keys=keys.values()).whole
    except (TrailError, OSError):
        return False


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(lines, max_size=6).map(b"".join)))
def test_no_content_crashes_a_reader(files):
    """Any bytes, any JSON, and lines that only their hash makes look right."""
    with trail(files) as path:
        for keys in ({}, KEYS):
            passes(path, keys)
            shown(path, keys)
        for name in files:
            try:
                verify(path / name, str)
            except (TrailError, OSError):
                continue


@given(st.data())
def test_nothing_is_shown_that_the_key_did_not_seal(data):
    """However the files are cut up, put together and added to."""
    with tempfile.TemporaryDirectory() as folder:
        book = Book(Path(folder), key=KEY)
        book.batch(3)
        book.rotate()
        book.batch(2)
        Book(Path(folder), slot=2, key=KEY).batch(2)
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    written = set(itertools.chain(*(one.splitlines(keepends=True) for one in files.values())))
    pieces = st.sampled_from(sorted(written)) | lines
    name = data.draw(st.sampled_from(NAMES[:3]))
    kept = files[name].splitlines(keepends=True)
    begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(kept))] * 2)))
    changed = b"".join([*kept[:begin], *data.draw(st.lists(pieces, max_size=4)), *kept[end:]])
    with trail({**files, name: changed}) as path:
        assert set(shown(path, KEYS)) <= written
        assert passes(path, KEYS) == (changed == files[name])


@given(st.data())
def test_a_key_file_does_not_hold_a_head_that_it_did_not_sign(data):
    """Whatever stands there: the trail passes only with its own."""
    with tempfile.TemporaryDirectory() as folder:
        book = Book(Path(folder), key=KEY)
        book.batch(2)
        own = book.head_path.read_bytes()
        forged = data.draw(fields.map(json.dumps) | st.text() | st.sampled_from([own.decode()]))
        book.head_path.write_bytes(forged.encode("utf-8", "replace").ljust(511) + b"\n")
        assert passes(Path(folder), KEYS) == (book.head_path.read_bytes() == own)
