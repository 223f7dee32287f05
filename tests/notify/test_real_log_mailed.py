"""`busway run` on 1,734 real events, and a mail server that is there, dies, and comes late."""

import json
import os
import subprocess
import sys
import time
from collections import Counter

import pytest

HANDLER = "busway_notify.handler.NotificationHandler"


@pytest.fixture
def running(tmp_path, linux_auth):
    """`running(server, **settings)`: `busway run` on the log, in a process of its own."""
    started = []

    def run(server, **settings):
        settings = {
            "channels": json.dumps([server.url]),
            "admins": '["ops@example.org"]',
            "sender": "busway@example.org",
            "dead_letters": str(tmp_path / "dead.jsonl"),
        } | settings
        told = {f"BUSWAY_NOTIFY__{name.upper()}": value for name, value in settings.items()}
        command = [sys.executable, "-m", "busway_cli", "run", str(linux_auth), "--json"]
        started.append(
            subprocess.Popen(
                command,
                cwd=tmp_path,
                env={**os.environ, "BUSWAY_PLUGINS": "notify", **told},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield run
    for one in started:
        one.kill()
        one.communicate()


def _health(process):
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out)["health"][HANDLER]


def _check(server, health):
    """41 + 43, none twice, nothing left and nothing lost."""
    subjects = [mail.message["Subject"].strip() for mail in server.mails]
    kinds = Counter(subject.partition(":")[0].partition(" in ")[0] for subject in subjects)
    assert kinds == {"Repeated failed logins": 41, "Critical error": 43}
    assert set(server.ids().values()) == {1}
    told = {name: health[name] for name in ("queued", "delivered", "dead_letters", "queue_full")}
    assert told == {"queued": 0, "delivered": 84, "dead_letters": 0, "queue_full": 0}
    assert (health["sent_brute_force"], health["sent_critical_error"]) == (41, 43)


def test_all_mails_arrive(running, mail_server):
    """A server that is there."""
    _check(mail_server, _health(running(mail_server)))


def test_all_mails_arrive_though_the_server_is_stopped_half_way(running, mail_server):
    """It breaks all connections off after 40 mails, and is back after a second."""
    process = running(mail_server)
    mail_server.wait(40)
    mail_server.stop()
    time.sleep(1.0)
    mail_server.start()
    _check(mail_server, _health(process))


def test_all_mails_arrive_though_the_server_comes_late(running, mail_servers):
    """It is started two seconds after the run."""
    server = mail_servers()
    process = running(server)
    time.sleep(2.0)
    server.start()
    _check(server, _health(process))


def test_without_a_server_all_are_dead_letters(running, mail_servers, tmp_path):
    """After `stop_timeout`, each with its reason; the run itself succeeds."""
    health = _health(running(mail_servers(), stop_timeout="1"))
    letters = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]
    assert Counter(letter["kind"] for letter in letters) == {
        "brute_force": 41,
        "critical_error": 43,
    }
    assert (health["dead_letters"], health["delivered"], health["queued"]) == (84, 0, 0)
    assert any("Connect call failed" in letter["reason"] for letter in letters)
