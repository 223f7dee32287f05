"""The audit trail and whatever a payload may hold: one line each, none forged, no secret in it.

Payloads of all the values that the README's table names, and of others, nested in one another,
with hostile keys and texts; some of them stand under keys that are to be redacted, and hold a
canary. They are written through a trail, sealed or not, in batches; then each must be there as
one record, in order, and the canary nowhere in any file.
"""

from __future__ import annotations

import asyncio
import base64
import random
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from tests.audit.test_encoding import odd
from tests.audit.test_redaction import Login, Struct
from tests.audit.trail import events

from busway.events import Event
from busway_audit import AuditLogHandler, verify

__all__ = ["pieces", "run", "sample"]

CANARY = "canary-4711-secret"
KEY = "5a" * 32
MEMORY = Path("/dev/shm")
HIDDEN = ("password", "Access-Token", "authorization", "apiToken", "PASSWORD")

hostile = st.sampled_from(
    [
        '","hash":"' + "0" * 64 + '"}\n',
        '"}\n{"seq":1,"recorded_at":"2026-01-01","record":"commit","first":1,"events":0',
        '\n{"seq":2}\n',
        ',"prev":"' + "0" * 64,
        "\\",
        '\\"',
        "\u2028",
        "\x85",
        "\x00",
        "\ud800",
        "record",
        "seq",
        "hash",
        "__items__",
    ]
)
texts = hostile | st.text(st.characters(), max_size=20)
secrets = st.sampled_from(
    [
        CANARY,
        [CANARY],
        {CANARY: CANARY},
        {1: CANARY, "1": CANARY},
        CANARY.encode(),
        {CANARY},
        Login("ada", CANARY),
        Struct(CANARY),
    ]
)
hiding = st.one_of(
    st.builds(Login, texts, secrets),
    st.builds(lambda key, value: {key: value}, st.sampled_from(HIDDEN), secrets),
    st.builds(lambda key, value: {key: value, 1: 1, "1": 2}, st.sampled_from(HIDDEN), secrets),
    st.just(Struct(CANARY)),
)
values = st.recursive(
    odd | texts | hiding,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(texts, inner, max_size=4)
        | st.dictionaries(st.none() | st.integers() | st.binary(), inner, max_size=3)
        | inner.map(lambda value: Login("ada", {"n": value}))
    ),
    max_leaves=12,
)
payloads = st.dictionaries(texts, values, max_size=5)
batches = st.lists(st.lists(payloads, max_size=4), min_size=1, max_size=4)


def pieces() -> list[str]:
    """A thousand trails each; and short ones to sample."""
    return [
        *(f"40 trails, seed {number}" for number in range(8)),
        *(f"1000 trails, seed {number}" for number in range(10)),
    ]


def sample(chosen: int) -> list[str]:
    """A short one."""
    return [random.Random(chosen).choice(pieces()[:8])]


def run(piece: str) -> dict[str, int]:
    """Write the trails.

    Raises:
        AssertionError: if a record is missing, forged or out of order, or the canary is found.
    """
    counts = {"trails": 0, "events": 0}

    @seed(piece)
    @settings(
        max_examples=int(piece.partition(" ")[0]),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(batches, st.booleans(), texts)
    def check(events_of: list[list[dict[str, Any]]], sealed: bool, text: str) -> None:
        counts["trails"] += 1
        counts["events"] += sum(map(len, events_of))
        _check(events_of, KEY if sealed else None, text)

    check()
    return counts


def _check(payloads_of: list[list[dict[str, Any]]], key: str | None, text: str) -> None:
    if not any(payloads_of):
        return
    text = text.encode("utf-8", "replace").decode()
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as folder:
        path = Path(folder) / "audit"
        written = [
            [Event("audit.log", payload, source=text, metadata={text: text}) for payload in batch]
            for batch in payloads_of
        ]
        asyncio.run(_write(path, key, written))
        seal = bytes.fromhex(key) if key else None
        expected = [event.id for batch in written for event in batch]
        assert [event["id"] for event in events(path, seal)] == expected
        assert all(event["metadata"] == {text: text} for event in events(path, seal))
        assert verify(path, print, keys=[seal] if seal else []).events == len(expected)
        data = b"".join(file.read_bytes() for file in path.iterdir())
        assert CANARY.encode() not in data
        assert base64.b64encode(CANARY.encode())[:-4] not in data


async def _write(path: Path, key: str | None, batches_of: list[list[Event]]) -> None:
    audit = AuditLogHandler(path, key=key, redact_key=key, rotate_bytes=3_000)
    for batch in batches_of:
        for event in batch:
            await audit.handle(event)
        await audit.flush()
    await audit.stop()
