"""Dead letters: what could not be handled is kept whole, and can be handed in again."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busway import Event, EventError, SkipHandler
from busway_resilience import DeadLetterInterceptor, read_dead_letters
from busway_resilience._letters import decode, encode

EVENT = "user.login"


@pytest.fixture
def path(tmp_path):
    """Where dead letters go; the folder is not there yet."""
    return tmp_path / "dead" / "letters.jsonl"


async def test_what_a_handler_fails_on_is_kept(bus, hear, fails, outcome, path):
    """With the handler, the error and the time; the error is the outcome as it is."""
    error = ConnectionError("nobody listens")
    bus.add_interceptor(DeadLetterInterceptor(dead_letter=path))
    hear(fails(error))
    event = Event(EVENT, {"user_id": 7}, source="web", metadata={"traceparent": "00-a-b-01"})
    before = datetime.now(UTC)
    assert outcome(await bus.publish(event)) == ("failed", error)
    (letter,) = read_dead_letters(path)
    assert letter.event == event
    assert (letter.handler, letter.error) == ("worker", "ConnectionError: nobody listens")
    assert before <= datetime.fromisoformat(letter.time) <= datetime.now(UTC)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = {"dead_letters": 1, "lost_dead_letters": 0, "dead_letter_error": ""}
    assert bus.health()["dead-letter"] == told


@pytest.mark.parametrize("error", [SkipHandler("no"), asyncio.CancelledError()])
async def test_what_is_skipped_or_cancelled_is_not(bus, hear, fails, outcome, path, error):
    """Neither is a failure to handle it."""
    bus.add_interceptor(DeadLetterInterceptor(dead_letter=path))
    hear(fails(error))
    assert outcome(await bus.publish(Event(EVENT)))[1] is error
    assert not path.exists()


async def test_cancelling_the_publisher_passes(bus, hear, gate, path):
    """Nothing is written."""
    bus.add_interceptor(DeadLetterInterceptor(dead_letter=path))
    hear(gate)
    task = asyncio.create_task(bus.publish(Event(EVENT)))
    await gate.until(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not path.exists()


async def test_each_handler_that_failed_has_its_own(bus, hear, fails, path):
    """One event, two handlers, two letters."""
    bus.add_interceptor(DeadLetterInterceptor(dead_letter=path))
    hear(fails(ValueError("a")), name="one")
    hear(fails(), name="well")
    hear(fails(KeyError("b")), name="two")
    await bus.publish(Event(EVENT))
    found = [(letter.handler, letter.error) for letter in read_dead_letters(path)]
    assert found == [("one", "ValueError: a"), ("two", "KeyError: 'b'")]


async def test_a_letter_can_be_delivered_again(bus, hear, fails, path):
    """To its handler alone; if that fails again, it is kept again, once."""
    function, other = fails(ValueError("first"), ValueError("second")), fails()
    bus.add_interceptor(DeadLetterInterceptor(dead_letter=path))
    handler = hear(function)
    hear(other, name="other")
    await bus.publish(Event(EVENT))
    for wanted in ("failed", "ok"):
        letter = list(read_dead_letters(path))[-1]
        assert (await bus.deliver(letter.event, handler)).status == wanted
    assert [letter.error for letter in read_dead_letters(path)] == [
        "ValueError: first",
        "ValueError: second",
    ]
    assert (function.calls, other.calls) == (3, 1)


async def test_busway_run_reads_them(bus, hear, fails, path, tmp_path):
    """The file is one of events."""
    bus.add_interceptor(DeadLetterInterceptor(dead_letter=path))
    hear(fails(*(ValueError("why\nnot") for _ in range(3))))
    for number in range(3):
        await bus.publish(Event(EVENT, {"user_id": number, "at": datetime.now(UTC)}))
    done = subprocess.run(
        [sys.executable, "-m", "busway_cli", "run", "--json", str(path)],
        cwd=tmp_path,
        env={**os.environ, "BUSWAY_PLUGINS": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["read"], report["published"], report["rejected"]) == (3, 3, 0)


class Colour(Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    password: str = dataclasses.field(default="", repr=False)


class Broken:
    def __repr__(self):
        raise RuntimeError


def cycle():
    made = []
    made.append(made)
    return made


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (datetime(2026, 3, 2, tzinfo=UTC), "2026-03-02T00:00:00+00:00"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Decimal("1.50"), "1.50"),
        (b"\xff\x00", "/wA="),
        (Colour.RED, "red"),
        ({"b", "a"}, ["a", "b"]),
        ((1, 2), [1, 2]),
        (Point(3), {"x": 3, "password": ""}),
        (float("nan"), {"__repr__": "nan"}),
        ([1.5, {"ratio": float("nan")}], [1.5, {"ratio": {"__repr__": "nan"}}]),
        (cycle(), [{"__repr__": "[[...]]"}]),
        ({(1, 2): 3}, {"(1, 2)": 3}),
        (10**50, 10**50),
        ("\ud800", "\ud800"),
        (Broken(), {"__repr__": "<Broken, whose repr raised RuntimeError>"}),
    ],
)
def test_what_json_lacks_has_a_form(value, kept):
    """One value without any costs no other."""
    line = encode(Event(EVENT, {"value": value, "user_id": 7}), "worker", ValueError())
    event, _ = decode(line)
    assert event.payload == {"value": kept, "user_id": 7}


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@settings(deadline=None)
@given(
    payload=st.dictionaries(st.text(), _JSON, max_size=4),
    source=st.text(),
    metadata=st.dictionaries(st.text(), st.text(), max_size=3),
    message=st.text(),
)
def test_an_event_survives_the_round_trip(payload, source, metadata, message):
    """On one line, whatever is in it."""
    event = Event(EVENT, payload, source=source, metadata=metadata)
    line = encode(event, "worker", ValueError(message))
    assert line.count(b"\n") == 1
    found, told = decode(line)
    assert found == event
    assert told["deadletterhandler"] == "worker"


def test_a_message_is_cut():
    """An error may bring a whole document."""
    _, told = decode(encode(Event(EVENT), "worker", ValueError("x" * 10**6)))
    assert len(told["deadlettererror"]) < 1_100


def test_an_error_that_cannot_be_shown_is_named():
    """What a handler raises is its own matter, down to `__str__`."""

    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    _, told = decode(encode(Event(EVENT), "worker", MuteError()))
    assert told["deadlettererror"] == "MuteError"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
async def test_a_full_disk_is_told_and_hides_no_error(bus, hear, fails, outcome, caplog):
    """The handler's error is the outcome; the loss is logged without the payload, and counted."""
    error = ValueError("boom")
    bus.add_interceptor(DeadLetterInterceptor(dead_letter="/dev/full"))
    hear(fails(error))
    event = Event(EVENT, {"password": "s3cret-canary"})
    assert outcome(await bus.publish(event)) == ("failed", error)
    told = [one.getMessage() for one in caplog.records if one.name == "busway.resilience"]
    assert len(told) == 1
    assert event.id in told[0]
    assert "No space left" in told[0]
    assert "s3cret-canary" not in told[0]
    health = bus.health()["dead-letter"]
    assert (health["dead_letters"], health["lost_dead_letters"]) == (0, 1)
    assert "No space left" in health["dead_letter_error"]


TORN = """
import asyncio, resource, sys
from busway import Event, EventBus
from busway_resilience import DeadLetterInterceptor

class Fails:
    event_types = ["user.login"]
    async def handle(self, event):
        raise ValueError("boom")

async def main(path):
    bus = EventBus()
    interceptor = DeadLetterInterceptor(dead_letter=path)
    bus.add_interceptor(interceptor)
    bus.subscribe(Fails())
    for number in range(50):
        await bus.publish(Event("user.login", {"n": number}))
    print(interceptor.health()["dead_letters"], interceptor.health()["lost_dead_letters"])

resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits here")
def test_what_is_in_the_file_is_whole(path):
    """When the room ends within a line, nothing of that line stays."""
    done = subprocess.run(
        [sys.executable, "-c", TORN, str(path)], capture_output=True, text=True, check=True
    )
    kept, lost = map(int, done.stdout.split())
    assert kept > 3
    assert kept + lost == 50
    assert [letter.event.payload["n"] for letter in read_dead_letters(path)] == list(range(kept))
    assert path.read_bytes().endswith(b"\n")


async def test_a_place_that_cannot_be_is_told_likewise(bus, hear, fails, outcome, tmp_path):
    """Once it can be, what comes then is kept."""
    (tmp_path / "file").write_text("")
    bus.add_interceptor(DeadLetterInterceptor(dead_letter=tmp_path / "file" / "letters"))
    hear(fails(ValueError(), ValueError()))
    assert outcome(await bus.publish(Event(EVENT)))[0] == "failed"
    assert "NotADirectoryError" in bus.health()["dead-letter"]["dead_letter_error"]
    (tmp_path / "file").unlink()
    await bus.publish(Event(EVENT))
    told = {"dead_letters": 1, "lost_dead_letters": 1, "dead_letter_error": ""}
    assert bus.health()["dead-letter"] == told


def test_threads_write_whole_lines(bus, hear, path):
    """Eight loops in eight threads, 100 letters each."""
    bus.add_interceptor(DeadLetterInterceptor(dead_letter=path))

    async def fail(event):
        raise ValueError(event.payload["n"])

    async def publish(first):
        await bus.publish_many([Event(EVENT, {"n": first + n}) for n in range(100)])

    hear(fail)
    threads = [threading.Thread(target=lambda n=n: asyncio.run(publish(100 * n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = sorted(letter.event.payload["n"] for letter in read_dead_letters(path))
    assert found == list(range(800))


WRITES = """
import asyncio, sys
from busway import Event, EventBus
from busway_resilience import DeadLetterInterceptor

class Fails:
    event_types = ["user.login"]
    async def handle(self, event):
        raise ValueError("boom")

async def main(path, first):
    bus = EventBus()
    bus.add_interceptor(DeadLetterInterceptor(dead_letter=path))
    bus.subscribe(Fails())
    for n in range(first, first + 100):
        await bus.publish(Event("user.login", {"n": n, "long": "x" * 5000}))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def test_processes_write_whole_lines(path):
    """Three of them, 100 letters each, longer than what a pipe takes in one piece."""
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITES, str(path), str(100 * n)]) for n in range(3)
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    found = sorted(letter.event.payload["n"] for letter in read_dead_letters(path))
    assert found == list(range(300))


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"type": "no.such"}', b"\xff", b"[" * 100_000])
def test_a_line_that_is_none_is_named(tmp_path, line):
    """With its number."""
    good = encode(Event(EVENT), "worker", ValueError())
    (tmp_path / "letters").write_bytes(good + line + b"\n")
    letters = read_dead_letters(tmp_path / "letters")
    next(letters)
    with pytest.raises(EventError, match=r"^line 2 of "):
        next(letters)


@pytest.mark.parametrize(
    ("path", "error"),
    [("", ValueError), ("a\0b", ValueError), (7, TypeError), ("~no-such-user/x", ValueError)],
)
def test_a_path_that_is_none_is_refused(path, error):
    """With the setting's name."""
    with pytest.raises(error, match=r"^dead_letter: "):
        DeadLetterInterceptor(dead_letter=path)
