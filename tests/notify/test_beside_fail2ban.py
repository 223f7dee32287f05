"""Beside fail2ban: its own filter and its own counting, on the failures of the same real log."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from busway import Event
from busway_notify import NotificationHandler

REGEX, PYTHON = shutil.which("fail2ban-regex"), "/usr/bin/python3"
FILTER = Path("/etc/fail2ban/filter.d/sshd.conf")
pytestmark = pytest.mark.skipif(
    REGEX is None or not FILTER.exists(), reason="fail2ban is not installed"
)

JAIL = """
import sys
from fail2ban.server.failmanager import FailManager, FailManagerEmpty
from fail2ban.server.mytime import MyTime
from fail2ban.server.ticket import FailTicket
failures, banned = FailManager(), {}
failures.setMaxRetry(5)
failures.setMaxTime(600)
for line in sys.stdin:
    who, at = line.split()
    at = int(at)
    MyTime.setTime(at)
    if at < banned.get(who, 0):
        continue  # its packets are dropped
    failures.addFailure(FailTicket(who, at))
    try:
        failures.toBan(who)
    except FailManagerEmpty:
        continue
    banned[who] = at + 600
    print(who, at)
"""
"""A jail with maxretry, findtime and bantime as our threshold, window and cooldown are by default.

It is fail2ban's counting without its firewall.
"""


def _failures(log):
    """The failed logins of the log, in its order."""
    events = [Event.from_dict(json.loads(line)) for line in log.read_text().splitlines()]
    return [event for event in events if event.type == "user.login_failed"]


def _auth_log(events, path):
    """The lines that sshd would have written of them; their program is kept."""
    lines = []
    for event in events:
        program, _, process = str(event.correlation_id).rpartition("-")
        who = event.payload["user_id"]
        who = f"invalid user {who}" if event.payload["reason"] == "invalid user" else who
        lines.append(
            f"{event.timestamp.isoformat()} combo {program}[{process}]: Failed password for {who} "
            f"from {event.payload['ip_address']} port 4711 ssh2\n"
        )
    path.write_text("".join(lines))


def _found(path, *options):
    """What fail2ban's filter finds: address and second."""
    command = [REGEX, *options, "-o", "row", str(path), str(FILTER)]
    rows = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300).stdout
    return re.findall(r"^\['([^']*)',\s*(\d+)", rows, re.MULTILINE)


def _banned(found):
    """Whom fail2ban bans, and when."""
    told = "".join(f"{who} {at}\n" for who, at in found)
    done = subprocess.run(
        [PYTHON, "-c", JAIL], input=told, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [(who, int(at)) for who, at in map(str.split, done.stdout.splitlines())]


async def _alerted(events):
    """Whom we alert on, and when."""
    sent = []

    class Keeper:
        name, addresses_people = "keeper:", False

        async def send(self, notification):
            sent.append((notification.key, int(notification.timestamp.timestamp())))

    handler = NotificationHandler(channels=[Keeper()])
    for event in events:
        await handler.handle(event)
    return sent


async def test_they_act_on_the_same_addresses_at_the_same_second(linux_auth, tmp_path):
    """41 times, on 39 addresses, and neither does at any other time."""
    events = _failures(linux_auth)
    path = tmp_path / "auth.log"
    _auth_log(events, path)
    found = _found(path, "--raw")
    assert (len(events), len(found)) == (490, 489)  # one is not sshd's, and has no address
    theirs, ours = _banned(found), await _alerted(events)
    # fail2ban takes the beginning of this name for an address
    named, cut = "68.143.156.89.nw.nuvox.net", "68.143.156.89"
    ours = [(cut if who == named else who, at) for who, at in ours]
    assert sorted(ours) == sorted(theirs)
    assert (len(dict(ours)), len(ours)) == (39, 41)


async def test_an_ipv6_network_is_one_to_us_and_many_to_fail2ban(tmp_path):
    """Five addresses of a /64: we alert, and fail2ban, which counts each by itself, does not."""
    events = [
        Event.from_dict(
            {
                "type": "user.login_failed",
                "payload": {
                    "user_id": "root",
                    "ip_address": f"2001:db8::{n}",
                    "reason": "bad password",
                },
                "timestamp": f"2026-01-01T00:00:0{n}+00:00",
                "correlation_id": f"sshd-{n}",
            }
        )
        for n in range(1, 6)
    ]
    path = tmp_path / "auth.log"
    _auth_log(events, path)
    found = _found(path, "--raw")
    assert len(found) == 5
    assert _banned(found) == []
    assert [key for key, _ in await _alerted(events)] == ["2001:db8::/64"]


async def test_late_lines_are_failures_to_us(tmp_path):
    """Five failures within the window, in any order: fail2ban goes by the last of them."""
    events = [
        Event.from_dict(
            {
                "type": "user.login_failed",
                "payload": {
                    "user_id": "root",
                    "ip_address": "203.0.113.9",
                    "reason": "bad password",
                },
                "timestamp": f"2026-01-01T00:{minute:02}:00+00:00",
                "correlation_id": "sshd-1",
            }
        )
        for minute in (0, 1, 2, 3, 50, 4)
    ]
    path = tmp_path / "auth.log"
    _auth_log(events, path)
    assert _banned(_found(path, "--raw")) == []
    assert len(await _alerted(events)) == 1
