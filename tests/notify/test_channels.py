"""The channels: what they write, what they do when they cannot, and how URLs name them."""

import errno
import json
import logging
import os
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from busway import Event
from busway_notify import Channel, Kind, Notification, NotificationHandler
from busway_notify.channels import LogChannel, open_channels
from busway_notify.json_lines import JsonLinesChannel

KEYS = {"kind", "key", "recipient", "subject", "body", "event_id", "timestamp"}


def notification(kind=Kind.BRUTE_FORCE, body="one\ntwo\n"):
    at = datetime(2005, 6, 14, tzinfo=UTC)
    return Notification(kind, "10.0.0.1", "ops@example.org", "A subject", body, "id-1", at)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        (Kind.WELCOME, logging.INFO),
        (Kind.BRUTE_FORCE, logging.WARNING),
        (Kind.CRITICAL_ERROR, logging.WARNING),
    ],
)
async def test_log_names_kind_key_recipient_and_subject(kind, level, caplog):
    """One record under `busway.notify`, louder for an alert; the body is not in it."""
    caplog.set_level(logging.INFO, "busway.notify")
    await LogChannel().send(notification(kind))
    [record] = caplog.records
    assert (record.name, record.levelno) == ("busway.notify", level)
    assert record.getMessage() == f"{kind}: 10.0.0.1, to ops@example.org: A subject"


async def test_jsonl_appends_one_object_a_line(tmp_path):
    """Exactly the seven keys, the event's time in ISO 8601, a line each."""
    path = tmp_path / "alerts.jsonl"
    channel = JsonLinesChannel(path)
    await channel.send(notification())
    await channel.send(notification(Kind.WELCOME))
    first, second = lines(path)
    assert first == {
        "kind": "brute_force",
        "key": "10.0.0.1",
        "recipient": "ops@example.org",
        "subject": "A subject",
        "body": "one\ntwo\n",
        "event_id": "id-1",
        "timestamp": "2005-06-14T00:00:00+00:00",
    }
    assert set(second) == KEYS


async def test_jsonl_takes_any_text(tmp_path):
    """A lone surrogate in an id does not cost the alert."""
    path = tmp_path / "alerts.jsonl"
    await JsonLinesChannel(path).send(notification(body="\ud800\u2028ü"))
    assert lines(path)[0]["body"] == "\ud800\u2028ü"


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
async def test_jsonl_makes_folders_and_a_private_file(tmp_path):
    """Missing folders are made; nobody but the owner may read the file."""
    path = tmp_path / "a" / "b" / "alerts.jsonl"
    await JsonLinesChannel(path).send(notification())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_jsonl_touches_nothing_before_the_first_line(tmp_path):
    """A handler that is built and thrown away leaves no file."""
    JsonLinesChannel(tmp_path / "a" / "alerts.jsonl")
    assert list(tmp_path.iterdir()) == []


async def test_jsonl_keeps_its_place_when_the_process_moves(tmp_path, monkeypatch):
    """A relative path is meant from where the channel was made."""
    monkeypatch.chdir(tmp_path)
    channel = JsonLinesChannel("alerts.jsonl")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    await channel.send(notification())
    assert (tmp_path / "alerts.jsonl").exists()


async def test_jsonl_leaves_no_torn_line(tmp_path):
    """A disk that takes half a line: an error, and the file is what it was."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "alerts.jsonl"
    channel = JsonLinesChannel(path)
    await channel.send(notification())
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))
    try:
        with pytest.raises(OSError, match="only 20 of"):
            await channel.send(notification())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    await channel.send(notification())
    assert len(lines(path)) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_jsonl_says_that_the_disk_is_full():
    """What the operating system says is what is raised."""
    with pytest.raises(OSError) as caught:
        await JsonLinesChannel("/dev/full").send(notification())
    assert caught.value.errno == errno.ENOSPC


async def test_jsonl_survives_rotation(tmp_path):
    """A file that is moved away is made anew."""
    path = tmp_path / "alerts.jsonl"
    channel = JsonLinesChannel(path)
    await channel.send(notification())
    path.rename(tmp_path / "alerts.jsonl.1")
    await channel.send(notification())
    assert len(lines(path)) == len(lines(tmp_path / "alerts.jsonl.1")) == 1


def test_jsonl_keeps_lines_whole_between_threads(tmp_path):
    """Eight threads, each with a channel of its own to one file: every line is whole."""
    path = tmp_path / "alerts.jsonl"

    def write():
        channel = JsonLinesChannel(path)
        for _ in range(100):
            with pytest.raises(StopIteration):
                channel.send(notification(body="x" * 2000)).send(None)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [set(line) for line in lines(path)] == [KEYS] * 800


def test_the_default_is_the_log():
    """Nothing set is `log:`."""
    assert [channel.name for channel in open_channels(None)] == ["log:"]


def test_urls_and_objects_may_be_mixed(recorder, tmp_path):
    """The order is that of the setting."""
    opened = open_channels([recorder, f"jsonl:{tmp_path}/a", "log:"])
    assert [channel.name for channel in opened] == ["recorder:", f"jsonl:{tmp_path}/a", "log:"]
    assert all(isinstance(channel, Channel) for channel in opened)


@pytest.mark.parametrize(
    ("channels", "culprit"),
    [
        ([], "at least one"),
        ("log:", "a list"),
        ({"log:": 1}, "a list"),
        (["log:", "pigeon:coop"], r"channels\[1\].*'pigeon:'"),
        (["log"], r"channels\[0\].*'log'"),
        ([""], r"channels\[0\].*''"),
        (["jsonl:"], r"channels\[0\]: jsonl: the path"),
        (["jsonl:  "], "the path"),
        (["jsonl:a\0b"], "the path"),
        (["log:x"], r"channels\[0\]: log: nothing"),
        ([7], r"channels\[0\]: int"),
        ([LogChannel], r"channels\[0\]: type"),
    ],
)
def test_a_channel_that_is_none_is_named(channels, culprit):
    """The error says which, and which are known."""
    with pytest.raises(ValueError, match=culprit) as caught:
        open_channels(channels)
    assert "'jsonl:PATH', 'log:'" in str(caught.value)


def test_a_password_in_a_url_is_not_shown():
    """Of a URL that is not understood, the scheme alone is named."""
    with pytest.raises(ValueError, match="'pigeon:'") as caught:
        open_channels(["pigeon://ops:hunter2@example.org"])
    assert "hunter2" not in str(caught.value)


async def test_a_tilde_is_the_home_directory(tmp_path, monkeypatch):
    """In a setting no shell has expanded it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    handler = NotificationHandler(channels=["jsonl:~/sent.jsonl"])
    await handler.handle(Event("user.created", {"email": "ada@example.org"}))
    assert (tmp_path / "sent.jsonl").read_text().count("\n") == 1
