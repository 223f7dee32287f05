"""Recovery: what the next writer makes of what a crash, or somebody, has left."""

import errno
import os

import pytest
from tests.audit.disk import Disk
from tests.audit.trail import chain, files, login, numbers, own

from busway_audit import AuditLogHandler, verify

KEY = "5a" * 32
SEAL = bytes.fromhex(KEY)


async def write(path, *events, **settings):
    """One writer's life: each event is a batch."""
    audit = AuditLogHandler(path, **settings)
    for n in events:
        await audit.handle(login(n))
        await audit.flush()
    await audit.stop()
    return audit


@pytest.fixture
async def trail(tmp_path):
    """A trail of two batches, and the end of one writer."""
    path = tmp_path / "audit"
    await write(path, 0, 1)
    return path


def segment(path, number=1):
    return path / f"audit-{number:06}.jsonl"


def change(file, old, new):
    data = file.read_bytes()
    assert old in data
    file.write_bytes(data.replace(old, new))


TAILS = {
    "a line cut short": b'{"seq":10,"recorded_at":"2026-',
    "noughts": bytes(5_000),
    "garbage": os.urandom(999).replace(b"\n", b"") + b"\n" + os.urandom(99),
    "an empty line": b"\n",
    "not UTF-8": b'{"seq":\xff\n',
}


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
async def test_what_stands_behind_the_last_batch_is_set_aside(trail, tail):
    """Cut off, kept in a file, and told of by a record."""
    with segment(trail).open("ab") as file:
        file.write(tail)
    await write(trail, 2)
    assert numbers(trail) == [0, 1, 2]
    assert (trail / "audit-000001.torn-1").read_bytes() == tail
    (recovered,) = own(trail, "recovered")
    told = {name: recovered[name] for name in ("segment", "cut", "kept")}
    assert told == {"segment": 1, "cut": len(tail), "kept": "audit-000001.torn-1"}


async def test_a_batch_without_its_commit_is_torn(trail):
    """Whole lines though they are: nobody was told that they are durable."""
    whole = segment(trail).read_bytes()
    await write(trail, "torn")
    lines = segment(trail).read_bytes()[len(whole) :].splitlines(keepends=True)
    segment(trail).write_bytes(whole + b"".join(lines[:2]))
    await write(trail, 2)
    assert numbers(trail) == [0, 1, 2]
    assert own(trail, "recovered")[0]["cut"] == len(b"".join(lines[:2]))


async def test_a_batch_of_which_the_beginning_is_missing_is_torn(trail):
    """Its commit is there; the block before it never reached the disk."""
    whole = segment(trail).read_bytes()
    audit = AuditLogHandler(trail)
    for n in range(5):
        await audit.handle(login(n))
    await audit.flush()
    data = segment(trail).read_bytes()
    await audit.stop()
    segment(trail).write_bytes(whole + bytes(600) + data[len(whole) + 600 :])
    await write(trail, 2)
    assert numbers(trail) == [0, 1, 2]
    assert len(files(trail)) == 1


async def test_several_crashes_are_told_apart(trail):
    """Nothing that was set aside is overwritten."""
    for tail in (b"first", b"second"):
        with segment(trail).open("ab") as file:
            file.write(tail)
        await write(trail, "between")
    assert (trail / "audit-000001.torn-1").read_bytes() == b"first"
    assert (trail / "audit-000001.torn-2").read_bytes() == b"second"


FAULTS = {
    "a batch that is refused": Disk(errno.ENOSPC, position=2, strikes=50),
    "a sync behind the cut": Disk(errno.EIO, position=2, calls=("fdatasync",)),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_what_was_cut_off_is_told_of_by_a_later_writer(trail, fault):
    """If the one that did it could not write any more."""
    with segment(trail).open("ab") as file:
        file.write(b"torn")
    audit = AuditLogHandler(trail)
    await audit.handle(login(2))
    with fault.installed(), pytest.raises(OSError):
        await audit.stop()
    await audit.stop()
    await write(trail, 3)
    assert numbers(trail) == [0, 1, 2, 3]
    (recovered,) = own(trail, "recovered")
    told = {name: recovered[name] for name in ("segment", "cut", "kept")}
    assert told == {"segment": 1, "cut": 4, "kept": "audit-000001.torn-1"}


@pytest.mark.parametrize("left", [b"", b'{"seq":12,"rec', bytes(700)], ids=["empty", "torn", "0"])
async def test_a_segment_that_was_only_begun_is_set_aside(tmp_path, left):
    """Nothing in it was durable; its number is used again."""
    await write(tmp_path, 0, 1, rotate_bytes=1)
    assert [one["segment"] for one in own(tmp_path, "segment")] == [1, 2]
    segment(tmp_path, 3).write_bytes(left)
    await write(tmp_path, 2, rotate_bytes=1)
    assert numbers(tmp_path) == [0, 1, 2]
    kept = [file.read_bytes() for file in tmp_path.glob("*.torn-*")]
    assert kept == ([left] if left else [])


async def test_the_very_first_batch_can_be_torn(tmp_path):
    """Then there was no trail yet; a new one begins, under an id of its own."""
    await write(tmp_path, 0)
    log = own(tmp_path, "segment")[0]["log"]
    os.truncate(segment(tmp_path), 700)
    await write(tmp_path, 1)
    assert numbers(tmp_path) == [1]
    assert own(tmp_path, "segment")[0]["log"] != log


async def test_damage_before_the_last_batch_is_left_as_it_is(trail, caplog):
    """No torn batch has another behind it: a new segment is begun, and it is told."""
    change(segment(trail), b'"n":0', b'"n":7')
    damaged = segment(trail).read_bytes()
    await write(trail, 2)
    assert segment(trail).read_bytes() == damaged
    assert not list(trail.glob("*.torn-*"))
    header = segment(trail, 2).read_text().partition("\n")[0]
    assert '"because":"damaged"' in header
    assert f'"previous_size":{len(damaged)}' in header
    assert "damaged" in caplog.text


@pytest.mark.parametrize("kind", ["changed", "doubled", "deleted", "header changed"])
async def test_a_last_batch_that_no_crash_has_torn_is_damage(tmp_path, kind):
    """A crash leaves holes: no whole line that is another, or in another place."""
    audit = AuditLogHandler(tmp_path)
    for n in range(3):
        await audit.handle(login(n))
    await audit.flush()
    lines = segment(tmp_path).read_bytes().splitlines(keepends=True)
    await audit.stop()
    if kind == "changed":
        lines[3] = lines[3].replace(b'"n":1', b'"n":7')
    elif kind == "doubled":
        lines.insert(3, lines[3])
    elif kind == "deleted":
        del lines[3]
    else:
        lines[0] = lines[0].replace(b'"segment":1', b'"segment":2')
    segment(tmp_path).write_bytes(b"".join(lines))
    await write(tmp_path, "after")
    assert segment(tmp_path).read_bytes() == b"".join(lines)
    assert '"because":"damaged"' in segment(tmp_path, 2).read_text()
    assert not list(tmp_path.glob("*.torn-*"))
    assert verify(tmp_path, print).tampered


async def test_behind_damage_the_chain_goes_on_from_its_last_line(trail):
    """So that nothing but the damage is in doubt."""
    last = chain(trail)[-1]
    change(segment(trail), b'"n":0', b'"n":7')
    await write(trail, 2)
    first = segment(trail, 2).read_text().partition("\n")[0]
    assert first.startswith(f'{{"seq":{last["seq"] + 1},')
    assert f'"prev":"{last["hash"]}"' in first


async def test_a_header_that_is_damaged_costs_the_trail_its_id(tmp_path):
    """But for that of an older segment, if there is one."""
    await write(tmp_path, 0)
    await write(tmp_path, 1)
    change(segment(tmp_path), b'"version":1', b'"version":7')
    await write(tmp_path, 2)
    assert '"because":"damaged"' in segment(tmp_path, 2).read_text()
    log = segment(tmp_path, 2).read_text().partition('"log":"')[2][:32]
    change(segment(tmp_path, 2), b'"version":1', b'"version":7')
    await write(tmp_path, 3)
    assert f'"log":"{log}"' not in segment(tmp_path, 1).read_text()
    assert '"because":"damaged"' in segment(tmp_path, 3).read_text()


async def test_a_head_tells_a_cut_tail_from_a_whole_trail(tmp_path, caplog):
    """Cut at the end of a batch, no line looks wrong; the next writer says what is missing."""
    await write(tmp_path, 0, 1, key=KEY)
    lines = segment(tmp_path).read_bytes().splitlines(keepends=True)
    head_seq = len(lines)
    commits = [n for n, line in enumerate(lines) if b'"record":"commit"' in line]
    segment(tmp_path).write_bytes(b"".join(lines[: commits[0] + 1]))
    await write(tmp_path, 2, key=KEY)
    header = own(tmp_path, "segment", SEAL)[1]
    assert (header["because"], header["head_seq"]) == ("cut", head_seq)
    assert "cut" in caplog.text


async def test_a_head_tells_damage_from_a_torn_batch(tmp_path):
    """The last batch was durable, as the head says: no crash can have torn it."""
    await write(tmp_path, 0, key=KEY)
    size = segment(tmp_path).stat().st_size
    os.truncate(segment(tmp_path), size - 1)
    await write(tmp_path, 1, key=KEY)
    header = segment(tmp_path, 2).read_text().partition("\n")[0]
    assert '"because":"damaged"' in header
    assert segment(tmp_path).stat().st_size == size - 1


async def test_without_a_trail_the_head_tells_that_there_was_one(tmp_path):
    """All segments were deleted: the new trail begins with that."""
    await write(tmp_path, 0, key=KEY)
    segment(tmp_path).unlink()
    await write(tmp_path, 1, key=KEY)
    (header,) = own(tmp_path, "segment", SEAL)
    assert header["because"] == "cut"
    assert header["head_seq"] > 0


@pytest.mark.parametrize("left", [None, b"", b"x" * 512])
async def test_a_head_that_is_lost_is_told_of(tmp_path, left, caplog):
    """Nobody can say any more whether something is missing."""
    await write(tmp_path, 0, key=KEY)
    (tmp_path / "audit.head").unlink()
    if left is not None:
        (tmp_path / "audit.head").write_bytes(left)
    await write(tmp_path, 1, key=KEY)
    assert [one.get("because") for one in own(tmp_path, "segment", SEAL)] == [None, "head lost"]
    assert numbers(tmp_path, SEAL) == [0, 1]
    assert "head lost" in caplog.text


async def test_a_trail_can_be_sealed_from_some_day_on(tmp_path):
    """And under another key, and no more: each time in a new segment that says so."""
    other = "a5" * 32
    for n, key in enumerate([None, KEY, KEY, other, None]):
        await write(tmp_path, n, key=key)
    headers = [file.read_text().partition("\n")[0] for file in files(tmp_path)]
    seals = ["sha256", "hmac-sha256", "hmac-sha256", "sha256"]
    assert [f'"seal":"{seal}"' in header for seal, header in zip(seals, headers, strict=True)]
    assert ['"because":"key changed"' in header for header in headers] == [False, True, True, True]
    assert '"n":1' in files(tmp_path)[1].read_text()
    assert '"n":2' in files(tmp_path)[1].read_text()


async def test_a_torn_batch_is_found_under_another_key_too(tmp_path):
    """By what the lines say of themselves."""
    await write(tmp_path, 0, key=KEY)
    with segment(tmp_path).open("ab") as file:
        file.write(b'{"seq":9,"reco')
    await write(tmp_path, 1)
    assert (tmp_path / "audit-000001.torn-1").read_bytes() == b'{"seq":9,"reco'
    assert '"because":"key changed"' in segment(tmp_path, 2).read_text()


async def test_a_start_recovers_though_no_event_comes(trail):
    """What is torn is not left lying until there is something to write."""
    from busway import EventBus

    with segment(trail).open("ab") as file:
        file.write(b"torn")
    bus = EventBus()
    bus.subscribe(AuditLogHandler(trail))
    async with bus:
        assert len(own(trail, "recovered")) == 1
