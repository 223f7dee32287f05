"""What was detected survives a restart, and a broken file stops nothing."""

import json
import multiprocessing
import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from busway import Event
from busway_notify import NotificationHandler

START = datetime(2005, 6, 14, tzinfo=UTC)
ALL = ["address", "account", "spraying", "login"]


def failure(second, address="203.0.113.9", user="root", **given):
    at = START + timedelta(seconds=second)
    return Event("user.login_failed", {"ip_address": address, "user_id": user}, at, **given)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept" / "state.json"


async def detect(path, events, **wanted):
    """What a handler sends, from start to stop."""
    sent = []

    class Keeper:
        name, addresses_people = "keeper:", False

        async def send(self, notification):
            sent.append((str(notification.kind), notification.key, notification.body))

    handler = NotificationHandler(channels=[Keeper()], state=str(path), **wanted)
    for event in events:
        await handler.handle(event)
    await handler.stop()
    return sent


async def test_failures_before_a_restart_count(path):
    """Three, a restart, and two more: an attack."""
    assert await detect(path, map(failure, range(3))) == []
    assert len(await detect(path, map(failure, (3, 4)))) == 1


async def test_a_cooldown_survives(path):
    """An attack that was told is not told again, and what was held back is."""
    assert len(await detect(path, map(failure, range(7)))) == 1
    assert await detect(path, [failure(8)]) == []
    [(_, _, body)] = await detect(path, [failure(604)])
    assert "not sent since the last one: 3" in body


async def test_an_event_that_is_delivered_again_after_a_restart_is_one(path):
    """A log that is read again makes no attack; here the ids are the same."""
    events = [failure(second) for second in range(4)]
    assert await detect(path, events) == []
    assert await detect(path, events) == []


async def test_all_rules_remember(path):
    """Accounts, spraying, logins and errors, too."""
    before = [failure(n, f"203.0.113.{n}") for n in range(4)]
    before += [failure(n, "198.51.100.1", f"user{n}") for n in range(9)]
    before += [Event("error.occurred", {"severity": "critical"}, START)]
    await detect(path, before, detect=ALL)
    after = [
        failure(9, "203.0.113.4"),
        failure(9, "198.51.100.1", "user9"),
        Event("user.login", {"ip_address": "198.51.100.1"}, START + timedelta(seconds=20)),
        Event("error.occurred", {"severity": "critical"}, START + timedelta(seconds=20)),
    ]
    kinds = [kind for kind, _, _ in await detect(path, after, detect=ALL)]
    assert kinds == ["brute_force", "password_spraying", "login_after_failures"]


async def test_neither_addresses_nor_users_are_in_the_file(path):
    """Digests are, and nobody but the owner may read them."""
    await detect(path, [failure(0, "203.0.113.9", "canary")], detect=ALL)
    assert "203.0.113.9" not in path.read_text()
    assert "canary" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"{}",
        b'{"version": 1}',
        b'{"version": 2, "keys": {}}',
        b'{"version": 1, "keys": {"address": [["zz"]]}}',
        b'{"version": 1, "keys": {"address": [["00", null, 0, [["never", 1]]]]}}',
        b'{"version": 1, "keys": {"address": 7}}',
        b'{"version": 1, "keys": {"address": [["00", 5, "x", []]]}}',
    ],
)
async def test_a_broken_file_is_set_aside(path, caplog, content):
    """It is told, and kept for whoever wants to look; detection begins anew, and saves again."""
    path.parent.mkdir()
    path.write_bytes(content)
    assert len(await detect(path, map(failure, range(5)))) == 1
    assert "state.json is not understood, and set aside" in caplog.text
    assert path.with_name("state.json.broken").read_bytes() == content
    assert json.loads(path.read_text())["version"] == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
async def test_no_file_stops_a_handler(path, data):
    """A saved state with any bytes changed: understood, or set aside."""
    path.unlink(missing_ok=True)
    events = [failure(n, f"203.0.113.{n % 3}", id=str(n)) for n in range(9)]
    await detect(path, events, detect=ALL)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    await detect(path, map(failure, range(5)), detect=ALL)


async def test_a_disk_that_refuses_stops_nothing(tmp_path, caplog):
    """It is logged."""
    (tmp_path / "file").write_text("")
    assert len(await detect(tmp_path / "file" / "state.json", map(failure, range(5)))) == 1
    assert "could not be saved" in caplog.text


async def test_a_file_that_cannot_be_read_is_not_set_aside(path, caplog):
    """It is not broken: its disk is, or who may read it."""
    path.parent.mkdir()
    path.symlink_to(path)  # not even root can read that
    assert len(await detect(path, [])) == 0
    assert "could not be read" in caplog.text
    assert not path.with_name("state.json.broken").is_symlink()


def test_several_may_save_at_once(path, caplog):
    """`stop`, say, while the thread of the minute is at it: each waits for the other."""
    save = NotificationHandler(channels=["log:"], state=str(path))._detection.memory.save
    threads = [threading.Thread(target=lambda: [save() for _ in range(40)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (caplog.text, [one.name for one in path.parent.iterdir()]) == ("", ["state.json"])


async def test_it_is_saved_every_minute(path):
    """While events come, in a thread; what a killed process has lost is a minute."""
    handler = NotificationHandler(channels=["log:"], state=str(path))
    await handler.handle(failure(0))
    assert not path.exists()
    memory = handler._detection.memory
    memory._saved -= 61
    await handler.handle(failure(1))
    for thread in threading.enumerate():
        if thread.name == "busway-notify-memory":
            thread.join(10)
    assert path.exists()


def test_it_is_saved_at_the_interpreter_s_exit(path):
    """Without `stop`."""
    code = f"""
import asyncio
from busway import Event
from busway_notify import NotificationHandler
handler = NotificationHandler(state={str(path)!r})
asyncio.run(handler.handle(Event("user.login_failed", {{"ip_address": "203.0.113.9"}})))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert len(json.loads(path.read_text())["keys"]["address"]) == 1


def _child(handler):
    handler._detection.memory.save()
    os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_leaves_the_file_alone(path):
    """It is the parent's."""
    handler = NotificationHandler(state=str(path))
    child = multiprocessing.get_context("fork").Process(target=_child, args=(handler,))
    child.start()
    child.join(30)
    assert not path.exists()
