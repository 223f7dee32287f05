"""Processes: forks, and ends without `stop()`."""

import asyncio
import gc
import os
import threading
import weakref

import pytest
from tests.audit.trail import files, login, numbers, python

from busway_audit import AuditLogHandler

HEAD = """
import asyncio, os, sys
from busway.events import Event
from busway_audit import AuditLogHandler

def login(n):
    return Event("user.login", {"n": n})

audit = AuditLogHandler(sys.argv[1])
"""

FORK = """
asyncio.run(audit.handle(login("before")))
if {flushed}:
    asyncio.run(audit.flush())
child = os.fork()
asyncio.run(audit.handle(login("child" if child == 0 else "parent")))
asyncio.run(audit.stop())
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


@forking
@pytest.mark.parametrize("flushed", [False, True])
def test_a_forked_child_writes_a_file_of_its_own(tmp_path, flushed):
    """What was accepted before the fork is the parent's, and is written once."""
    done = python(HEAD + FORK.format(flushed=flushed), tmp_path)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    per_file = [file.read_text().count("\n") for file in files(tmp_path)]
    assert sorted(per_file) == [1, 2]
    assert sorted(numbers(tmp_path)) == ["before", "child", "parent"]


@forking
def test_a_child_that_was_forked_during_a_write_works(tmp_path):
    """The parent's locks are held at the fork; the child has its own."""
    code = """
import threading
import weakref
sync, begun, go = os.fdatasync, threading.Event(), threading.Event()
os.fdatasync = lambda fd: (begun.set(), go.wait(10), sync(fd))
asyncio.run(audit.handle(login("before")))
flush = threading.Thread(target=lambda: asyncio.run(audit.flush()))
flush.start()
begun.wait(10)
child = os.fork()
if child == 0:
    os.fdatasync = sync
    asyncio.run(audit.handle(login("child")))
    asyncio.run(audit.stop())
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
go.set()
flush.join()
asyncio.run(audit.stop())
"""
    done = python(HEAD + code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(numbers(tmp_path)) == ["before", "child"]


@forking
def test_a_childs_exit_writes_nothing_of_the_parents(tmp_path):
    """Through the interpreter's ordinary exit, with the parent's events in memory."""
    code = """
asyncio.run(audit.handle(login("before")))
child = os.fork()
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not os.path.exists(sys.argv[1] + "/none") and not os.listdir(sys.argv[1])
    asyncio.run(audit.stop())
"""
    done = python(HEAD + code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert numbers(tmp_path) == ["before"]


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise ValueError", "audit = None"])
def test_an_exit_without_stop_writes_the_rest(tmp_path, end):
    """However the interpreter ends in good order, and if the handler is dropped before it."""
    code = "for n in range(3):\n    asyncio.run(audit.handle(login(n)))\n"
    python(HEAD + code + end, tmp_path)
    assert numbers(tmp_path) == [0, 1, 2]


def test_an_exit_that_cannot_write_says_how_much_is_lost(tmp_path):
    """On the log, without the payload, and without hanging."""
    blocked = tmp_path / "audit"
    blocked.write_text("in the way")
    done = python(
        HEAD + "import logging; logging.basicConfig()\nasyncio.run(audit.handle(login('secret')))",
        blocked,
    )
    assert "1 events are lost" in done.stderr
    assert "secret" not in done.stderr


async def test_a_handler_that_nobody_holds_is_written_and_freed(tmp_path):
    """No cycle keeps it alive; its thread ends."""
    audit = AuditLogHandler(tmp_path)
    await audit.handle(login(1))
    gc.disable()
    try:
        del audit
        assert numbers(tmp_path) == [1]
    finally:
        gc.enable()


async def test_a_handler_dropped_during_a_write_loses_nothing(tmp_path, monkeypatch):
    """The job holds it until it is done; what was accepted meanwhile follows."""
    release, begun = threading.Event(), threading.Event()
    sync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (begun.set(), release.wait(10), sync(fd)))
    audit = AuditLogHandler(tmp_path)
    await audit.handle(login(1))
    flush = asyncio.create_task(audit.flush())
    await asyncio.to_thread(begun.wait, 10)
    await audit.handle(login(2))
    flush.cancel()
    await asyncio.wait([flush])
    (thread,) = [each for each in threading.enumerate() if each.name.startswith("busway-audit")]
    known = weakref.ref(audit)
    del audit, flush
    assert known() is not None
    release.set()
    await asyncio.to_thread(thread.join, 10)
    assert known() is None
    assert numbers(tmp_path) == [1, 2]
