"""`busway outbox`: what is not delivered, and what is to become of it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from tests.outbox.conftest import Durable, bus_with, rows, stopped
from tests.outbox.test_relay import left_behind

from busway import Event
from busway_outbox.commands import outbox as command


def call(*arguments, code=0):
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == code, (done.output, done.exception)
    return done


def told(*arguments, code=0):
    return [json.loads(line) for line in call(*arguments, "--json", code=code).stdout.splitlines()]


@pytest.fixture
async def filled(make, url):
    """Rows: 1 done, 2 dead, 3 failed, 4 at work elsewhere, 5 to be published."""
    outbox = make(max_attempts=1)
    async with stopped(outbox):
        await bus_with(outbox, Durable()).publish(Event("user.created"))
        await outbox.flush()
        await bus_with(outbox, Durable(failures=1)).publish(Event("user.login"))
        await outbox.flush()
    outbox = make(wait_initial=100.0)
    async with stopped(outbox):
        await bus_with(outbox, Durable(failures=1)).publish(Event("user.login"))
        await outbox.flush()
    left_behind(url, Event("user.login"), handler="other_handler", lease=100.0)
    left_behind(url, Event("user.login"), handler="*")
    return url


def test_status_counts_by_state(filled):
    """And tells the age of the oldest."""
    (counts,) = told("status", "--url", filled)
    assert {state: one["rows"] for state, one in counts.items()} == {
        "pending": 0,
        "running": 2,
        "failed": 1,
        "done": 1,
        "dead": 1,
    }
    assert all(0 <= one["oldest_seconds"] < 60 for one in counts.values())
    text = call("status", "--url", filled).stdout
    assert "dead             1  oldest" in text


def test_list_shows_what_is_not_done(filled):
    """The oldest first, with what went wrong."""
    listed = told("list", "--url", filled)
    assert [(one["seq"], one["state"], one["handler"]) for one in listed] == [
        (2, "dead", "tests.Durable"),
        (3, "failed", "tests.Durable"),
        (4, "running", "other_handler"),
        (5, "running", "*"),
    ]
    assert listed[0]["error"] == "ValueError: not yet"
    text = call("list", "--url", filled).stdout
    assert "attempts 1  due in 1m  ValueError: not yet" in text
    assert "(to be published)" in text


def test_list_can_be_narrowed(filled):
    """By state, by handler, by number."""
    assert [one["seq"] for one in told("list", "--url", filled, "--state", "done")] == [1]
    assert [one["seq"] for one in told("list", "--url", filled, "--handler", "other_*")] == [4]
    assert told("list", "--url", filled, "--handler", "otherXhandler") == []
    assert len(told("list", "--url", filled, "--limit", "2")) == 2


def test_a_limit_that_no_database_takes_is_refused(filled):
    """By the option's name."""
    assert "--limit" in call("list", "--limit", str(10**30), "--url", filled, code=2).stderr


def test_retry_brings_back_what_is_dead(filled):
    """With all its attempts."""
    assert told("retry", "2", "--url", filled) == [{"retried": 1}]
    assert rows(filled, "state, attempts")[1] == ("pending", 0)


def test_retry_takes_all_if_it_is_told_so(filled):
    """All that are dead or have failed; nothing that is done or at work."""
    assert told("retry", "--all", "--url", filled) == [{"retried": 2}]
    states = [row[0] for row in rows(filled, "state")]
    assert states == ["done", "pending", "pending", "running", "running"]


def test_discard_deletes(filled):
    """By handler; what is at work stays."""
    assert told("discard", "--handler", "tests.*", "--url", filled) == [{"discarded": 2}]
    assert [row[0] for row in rows(filled, "seq")] == [1, 4, 5]


def test_a_row_that_is_not_there_is_named(filled):
    """The others are changed all the same; exit code 1."""
    done = call("discard", "2", "99", "4", "--url", filled, code=1)
    assert "1 discarded" in done.stdout
    assert "no row for that: 4, 99" in done.stderr


@pytest.mark.parametrize("name", ["retry", "discard"])
def test_nothing_is_changed_unless_it_is_said_what(filled, name):
    """A usage error."""
    assert "say which" in call(name, "--url", filled, code=2).stderr
    assert "exclude each other" in call(name, "1", "--all", "--url", filled, code=2).stderr


def test_purge_deletes_what_is_over(filled):
    """What is done, or dead; as long as it is said."""
    assert told("purge", "--older", "1h", "--url", filled) == [{"purged": 0}]
    assert told("purge", "--url", filled) == [{"purged": 1}]
    assert told("purge", "--state", "dead", "--url", filled) == [{"purged": 1}]
    assert [row[0] for row in rows(filled, "seq")] == [3, 4, 5]
    assert "no span of time" in call("purge", "--older", "soon", "--url", filled, code=2).stderr


def test_the_outbox_is_that_of_the_settings(tmp_path, monkeypatch):
    """`[plugins.outbox] url`, or its default; one that is not there is not made."""
    monkeypatch.chdir(tmp_path)
    assert "there is no outbox sqlite:" in call("status", code=2).stderr
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "busway.toml").write_text('[plugins.outbox]\nurl = "sqlite:shop.db"\n')
    assert "shop.db" in call("status", code=2).stderr
    left_behind(f"sqlite:{tmp_path / 'shop.db'}", Event("user.login"))
    assert len(told("list")) == 1


@pytest.mark.parametrize("name", ["status", "list", "purge", "retry", "discard"])
def test_another_database_is_left_as_it_is(url, name):
    """A slip in --url must not put an outbox into it, nor end in a traceback."""
    arguments = ("--all",) if name in ("retry", "discard") else ()
    scheme, _, path = url.partition(":")
    if scheme == "sqlite":
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE shop (name)")
        before = Path(path).read_bytes()
    refused = call(name, *arguments, "--json", "--url", url, code=2)
    assert "busway_outbox" in refused.stderr
    if scheme == "sqlite":
        assert Path(path).read_bytes() == before
    with pytest.raises((sqlite3.OperationalError, psycopg.errors.UndefinedTable)):
        rows(url)


def test_an_outbox_that_refuses_is_told_in_one_line(tmp_path):
    """Without a password, and without a traceback."""
    (tmp_path / "no.db").write_text("this is no database at all, and long enough to tell" * 10)
    assert (
        "file is not a database"
        in call("status", "--url", f"sqlite:{tmp_path}/no.db", code=2).stderr
    )
    url = "postgresql://me:secret@127.0.0.1:1/shop"
    refused = call("status", "--url", url, code=2).stderr
    assert "127.0.0.1" in refused
    assert "secret" not in refused
    assert "a database on a disk is expected" in call("status", "--url", "mysql://x", code=2).stderr
