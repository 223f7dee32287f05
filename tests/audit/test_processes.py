"""Processes: several on one path, forks, and ends without `stop()`."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import weakref

import pytest
from tests.audit.trail import chain, files, login, numbers, own, python, slots

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


async def test_handlers_on_one_path_have_a_slot_each(tmp_path):
    """Ten of them at once; each continues a chain of its own."""
    audits = [AuditLogHandler(tmp_path) for _ in range(10)]
    for n, audit in enumerate(audits):
        await audit.handle(login(n))
    await asyncio.gather(*(audit.flush() for audit in audits))
    assert sorted(audit.health()["slot"] for audit in audits) == list(range(1, 11))
    assert slots(tmp_path) == list(range(1, 11))
    assert sorted(numbers(tmp_path)) == list(range(10))
    for audit in audits:
        await audit.stop()


async def test_a_slot_that_is_free_again_is_taken_by_the_next(tmp_path):
    """The lowest one; its chain goes on."""
    first, second = AuditLogHandler(tmp_path), AuditLogHandler(tmp_path)
    for n, audit in enumerate((first, second)):
        await audit.handle(login(n))
        await audit.flush()
    await first.stop()
    third = AuditLogHandler(tmp_path)
    await third.handle(login(2))
    await third.stop()
    await second.stop()
    assert [r["payload"]["n"] for r in chain(tmp_path, 1) if "record" not in r] == [0, 2]
    assert slots(tmp_path) == [1, 2]


def test_a_slot_whose_writer_was_killed_is_free(tmp_path):
    """The kernel lets go of the lock; what was durable stays."""
    code = """
asyncio.run(audit.handle(login(0)))
asyncio.run(audit.flush())
print("durable", flush=True)
sys.stdin.read()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", HEAD + code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout.readline() == b"durable\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    audit = AuditLogHandler(tmp_path)
    asyncio.run(audit.handle(login(1)))
    asyncio.run(audit.stop())
    assert numbers(tmp_path) == [0, 1]
    assert slots(tmp_path) == [1]
    assert len(own(tmp_path, "started")) == 2
    assert len(own(tmp_path, "stopped")) == 1


@forking
@pytest.mark.parametrize("flushed", [False, True])
def test_a_forked_child_writes_a_chain_of_its_own(tmp_path, flushed):
    """What was accepted before the fork is the parent's, and is written once."""
    done = python(HEAD + FORK.format(flushed=flushed), tmp_path)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert sorted(numbers(tmp_path)) == ["before", "child", "parent"]
    assert len(own(tmp_path, "started")) == 2


@forking
def test_a_child_does_not_keep_its_parents_slot(tmp_path):
    """The parent is killed; its child lives on, and the slot is free all the same."""
    code = """
asyncio.run(audit.handle(login("parent")))
asyncio.run(audit.flush())
if os.fork() == 0:
    asyncio.run(audit.handle(login("child")))
    asyncio.run(audit.flush())
    print("durable", flush=True)
    sys.stdin.read()
    asyncio.run(audit.stop())
    os._exit(0)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", HEAD + code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with parent:
        assert parent.stdout.readline() == b"durable\n"
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        audit = AuditLogHandler(tmp_path)
        asyncio.run(audit.handle(login("next")))
        asyncio.run(audit.flush())
        assert audit.health()["slot"] == 1
        asyncio.run(audit.stop())
        parent.stdin.close()
        parent.stdout.read()
    assert sorted(numbers(tmp_path)) == ["child", "next", "parent"]
    assert slots(tmp_path) == [1, 2]


@forking
def test_a_child_that_was_forked_during_a_write_works(tmp_path):
    """The parent's locks are held at the fork; the child has its own."""
    code = """
import threading
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
    assert not os.listdir(sys.argv[1])
    asyncio.run(audit.stop())
"""
    done = python(HEAD + code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert numbers(tmp_path) == ["before"]


@forking
def test_a_multiprocessing_child_writes_the_rest(tmp_path):
    """It ends without the interpreter's exit, but in an order of its own."""
    code = """
import multiprocessing

def work():
    asyncio.run(audit.handle(login("child")))

multiprocessing.set_start_method("fork")
child = multiprocessing.Process(target=work)
child.start()
child.join()
assert child.exitcode == 0
"""
    done = python(HEAD + code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert numbers(tmp_path) == ["child"]


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise ValueError", "audit = None"])
def test_an_exit_without_stop_writes_the_rest(tmp_path, end):
    """However the interpreter ends in good order, and if the handler is dropped before it."""
    code = "for n in range(3):\n    asyncio.run(audit.handle(login(n)))\n"
    python(HEAD + code + end, tmp_path)
    assert numbers(tmp_path) == [0, 1, 2]
    assert len(own(tmp_path, "stopped")) == 1


def test_what_is_accepted_while_the_interpreter_exits_is_written(tmp_path):
    """By who was registered before the trail's own last flush, and so comes after it."""
    code = """
import atexit
atexit.register(lambda: asyncio.run(audit.handle(login("late"))))
asyncio.run(audit.handle(login("early")))
"""
    done = python(HEAD + code, tmp_path)
    assert not done.stderr
    assert numbers(tmp_path) == ["early", "late"]


@pytest.mark.parametrize(
    "before", ["", "asyncio.run(audit.handle(login(0)))\n"], ids=["first", "after a stop"]
)
def test_the_first_event_may_come_while_the_interpreter_exits(tmp_path, before):
    """Of all, or the first after a `stop`: it is written, too."""
    code = """
import atexit
atexit.register(lambda: asyncio.run(audit.handle(login("late"))))
"""
    end = "asyncio.run(audit.stop())"
    done = python(HEAD + before + end + code, tmp_path)
    assert not done.stderr
    assert numbers(tmp_path) == [*([0] if before else []), "late"]


@pytest.mark.parametrize("then", ["audit.flush()", "audit.stop()"])
def test_an_exit_in_which_no_thread_can_be_started_writes_all(tmp_path, then):
    """As that of Python 3.12 is: who publishes writes, too."""
    code = f"""
import atexit, threading

def refuse(thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")

def late():
    threading.Thread.start = refuse
    asyncio.run(audit.handle(login("late")))
    asyncio.run({then})
    print(audit.health()["durable"])

atexit.register(late)
"""
    done = python(HEAD + code, tmp_path)
    assert not done.stderr
    assert done.stdout == "1\n"
    assert numbers(tmp_path) == ["late"]


@pytest.mark.parametrize("mended", [False, True])
def test_nobody_waits_for_room_while_the_interpreter_exits(tmp_path, mended):
    """If there is room, the event is written; if there is none, it is refused, and all ends."""
    blocked = tmp_path / "audit"
    blocked.write_text("in the way")
    code = f"""
import atexit

def late():
    if {mended}:
        os.unlink(sys.argv[1])
    asyncio.run(audit.handle(login("late")))

audit = AuditLogHandler(sys.argv[1], buffer_size=1, max_pending=1)
atexit.register(late)
asyncio.run(audit.handle(login("early")))
"""
    done = python(HEAD + code, blocked)
    assert ("BufferFullError" in done.stderr) is not mended
    if mended:
        assert numbers(blocked) == ["early", "late"]


def test_what_is_dropped_while_the_interpreter_exits_is_told(tmp_path):
    """The disk refuses at first; the gap is written all the same."""
    blocked = tmp_path / "audit"
    blocked.write_text("in the way")
    code = """
import atexit

def late():
    asyncio.run(audit.handle(login("dropped")))
    os.unlink(sys.argv[1])
    asyncio.run(audit.handle(login("dropped")))

audit = AuditLogHandler(sys.argv[1], buffer_size=1, max_pending=1, when_full="drop")
atexit.register(late)
asyncio.run(audit.handle(login("early")))
"""
    python(HEAD + code, blocked)
    assert numbers(blocked) == ["early"]
    assert sum(gap["events"] for gap in own(blocked, "gap")) == 2


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
    """No cycle keeps it alive; its thread ends, and its slot is free."""
    audit = AuditLogHandler(tmp_path)
    await audit.handle(login(1))
    thread = audit._writer._thread
    gc.disable()
    try:
        del audit
        assert numbers(tmp_path) == [1]
    finally:
        gc.enable()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()
    await _write(tmp_path, 2)
    assert len(files(tmp_path)) == 1


async def test_a_handler_dropped_during_a_write_loses_nothing(tmp_path, monkeypatch):
    """What is being written is carried through; what was accepted meanwhile follows."""
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
    known = weakref.ref(audit)
    threading.Timer(0.05, release.set).start()
    del audit, flush
    assert known() is None
    assert numbers(tmp_path) == [1, 2]


async def test_a_collector_that_comes_by_in_the_writers_thread_does_no_harm(tmp_path):
    """A handler in a cycle can be collected anywhere: there, with the lock held."""
    audit = AuditLogHandler(tmp_path)
    await audit.handle(login(1))
    writer, thread = audit._writer, audit._writer._thread
    cycle = [audit]
    cycle.append(cycle)
    gc.disable()
    try:
        del audit, cycle
        appender = writer._flusher.appender
        append = appender.append

        def collect(lines, events):
            gc.collect()
            append(lines, events)

        appender.append = collect
        writer.flush()
        await asyncio.to_thread(thread.join, 10)
    finally:
        gc.enable()
    assert not thread.is_alive()
    assert numbers(tmp_path) == [1]
    assert len(own(tmp_path, "stopped")) == 1


async def _write(path, n):
    audit = AuditLogHandler(path)
    await audit.handle(login(n))
    await audit.stop()
