"""`busway run --to` and `busway work --from`, over live brokers, in processes of their own."""

from __future__ import annotations

import json
import signal
import time

import pytest
from tests.cli.conftest import busway, compiled, line
from tests.cli.test_signals import wait_for

__all__ = ["busway", "compiled", "line"]

LOG = """
    def handle(self, event):
        with open("handled", "a") as file:
            file.write(f"{event.payload['n']}\\n")
"""


def handled(busway):
    file = busway.directory / "handled"
    return [int(one) for one in file.read_text().split()] if file.exists() else []


@pytest.fixture
def url(server, subject):
    return f"{server.url}?subject={subject}"


def test_a_file_goes_out_and_a_worker_handles_it(busway, line, url):
    """Here nobody handles it; there everybody does, once, and both report."""
    name = busway.handler("log", LOG)
    events = "".join(line(n=n) for n in range(20))
    sent = busway("run", "--to", url, "--json", stdin=events)
    assert sent.returncode == 0, sent.stderr
    report = json.loads(sent.stdout)
    assert (report["read"], report["published"], report["failed"]) == (20, 20, 0), sent.stderr
    ((destination, counts),) = report["handlers"].items()
    assert destination == f"to {url.partition('?')[0].replace('guest:guest@', '')}"
    assert counts["ok"] == report["health"][destination]["sent"] == 20
    assert handled(busway) == []
    worked = busway("work", "--from", url, "--idle-exit", "4", "--json")
    assert worked.returncode == 0, worked.stderr
    report = json.loads(worked.stdout)
    assert list(report) == [*json.loads(sent.stdout), "duplicates"]
    assert (report["read"], report["published"], report["duplicates"]) == (20, 20, 0)
    assert report["handlers"][name]["ok"] == 20
    assert handled(busway) == list(range(20))


def test_what_was_sent_twice_is_a_duplicate(busway, line, url):
    """Known by its id, to a worker or, as with JetStream, to the broker; a table says so."""
    busway.handler("log", LOG)
    event = json.dumps({**json.loads(line(n=1)), "id": "one"}) + "\n"
    assert busway("run", "--to", url, stdin=event * 3).returncode == 0
    worked = busway("work", "--from", url, "--idle-exit", "4")
    assert worked.returncode == 0, worked.stderr
    head, row = worked.stdout.splitlines()[:2]
    assert head.split()[-1] == "duplicates"
    came = 1 if url.startswith("nats") else 3
    assert row.split() == [str(came), "0", "1", "0", "0", "0", str(came - 1)]
    assert handled(busway) == [1]


def test_what_fails_is_handled_again(busway, line, url):
    """The failure is reported, and so is what became of it."""
    name = busway.handler(
        "once",
        """
        def handle(self, event):
            if not os.path.exists("tried"):
                open("tried", "w")
                raise RuntimeError("not yet")
        """,
    )
    assert busway("run", "--to", url, stdin=line(n=1)).returncode == 0
    slow = f"{url}&retry_delay=0.1&ack_wait=1"
    worked = busway("work", "--from", slow, "--idle-exit", "4", "--json")
    assert worked.returncode == 1
    report = json.loads(worked.stdout)
    assert (report["read"], report["published"], report["failed"]) == (2, 2, 1)
    assert report["handlers"][name] == {"ok": 1, "failed": 1, "cancelled": 0, "skipped": 0}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_receiving_and_drains(busway, line, redis, subject, number, code):
    """What is being handled ends, and is acknowledged; the rest is the next worker's."""
    busway.handler(
        "slow",
        """
        async def handle(self, event):
            os.write(2, b"begun\\n")
            await asyncio.sleep(0.5)
            open(f"done-{event.payload['n']}", "w")
        """,
    )
    url = f"{redis.url}?subject={subject}"
    events = "".join(line(n=n) for n in range(3))
    assert busway("run", "--to", url, stdin=events).returncode == 0
    process = busway.start("work", "--from", url, "--json")
    wait_for(process, b"begun")
    process.send_signal(number)
    out, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"stopped at event" in told
    report = json.loads(out)
    done = len(list(busway.directory.glob("done-*")))
    assert report["published"] == done == 1
    rest = json.loads(busway("work", "--from", url, "--idle-exit", "4", "--json").stdout)
    assert rest["published"] == 2
    assert len(list(busway.directory.glob("done-*"))) == 3


def test_workers_of_a_group_share(busway, line, redis, subject):
    """And another group gets all of it."""
    busway.handler("log", LOG)
    url = f"{redis.url}?subject={subject}"
    workers = [
        busway.start("work", "--from", url, "--group", "shared", "--idle-exit", "4", "--json")
        for _ in range(2)
    ]
    events = "".join(line(n=n) for n in range(200))
    assert busway("run", "--to", url, stdin=events).returncode == 0
    reports = [json.loads(one.communicate(timeout=60)[0]) for one in workers]
    assert sum(one["published"] for one in reports) == 200
    assert sorted(handled(busway)) == list(range(200))
    other = busway("work", "--from", url, "--group", "other", "--idle-exit", "4", "--json")
    assert json.loads(other.stdout)["published"] == 200


def test_a_killed_worker_s_events_go_to_another(busway, line, server, subject):
    """After `ack_wait`."""
    busway.handler(
        "stuck",
        """
        async def handle(self, event):
            if not os.path.exists("let go"):
                os.write(2, b"begun\\n")
                await asyncio.sleep(3600)
            open(f"done-{event.payload['n']}", "w")
        """,
    )
    url = f"{server.url}?subject={subject}&ack_wait=0.5"
    assert busway("run", "--to", url, stdin=line(n=1) + line(n=2)).returncode == 0
    process = busway.start("work", "--from", url)
    wait_for(process, b"begun")
    process.kill()
    process.wait(60)
    (busway.directory / "let go").touch()
    worked = busway("work", "--from", url, "--idle-exit", "4", "--json")
    assert json.loads(worked.stdout)["published"] == 2
    assert len(list(busway.directory.glob("done-*"))) == 2


@pytest.mark.parametrize("command", [["work", "--from"], ["run", "--to"]])
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nowhere", "a URL is expected"),
        ("ftp://host", "no plugin speaks ftp://; there are amqp://, amqps://, kafka://, nats://"),
        ("redis://localhost?concurrency=x", "concurrency: a number is expected"),
    ],
)
def test_a_url_that_will_not_do_is_refused(busway, command, url, told):
    """In one line, before anything is read."""
    done = busway(*command, url)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""


def test_a_worker_whose_broker_is_away_could_not_run(busway):
    """It says so, without a secret."""
    done = busway("work", "--from", "redis://u:s3cret@127.0.0.1:1", "--json")
    assert done.returncode == 2
    assert "nothing can be received: BrokerAwayError: redis://127.0.0.1:1" in done.stderr
    assert "s3cret" not in done.stderr


def test_what_is_not_acknowledged_is_a_failure(busway, line):
    """The run does not go on to the next one, and does not exit with 0."""
    begun = time.monotonic()
    events = "".join(line(n=n) for n in range(5))
    done = busway("run", "--to", "redis://127.0.0.1:1?timeout=0.5", "--json", stdin=events)
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["published"] == 0
    assert "cannot be reached" in done.stderr
    assert time.monotonic() - begun < 30
