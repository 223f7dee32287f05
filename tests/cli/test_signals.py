"""Signals: the first stops, drains and reports; the second hurries; the third ends it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess

import pytest

SIGNALS = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)


def wait_for(process: subprocess.Popen[bytes], text: bytes) -> None:
    """Read stderr until a line has the text."""
    told = b""
    while text not in told:
        ready, _, _ = select.select([process.stderr], [], [], 60)
        told = process.stderr.readline() if ready else b""
        if not told:
            pytest.fail(f"it never said {text!r}")


def send(process: subprocess.Popen[bytes], data: str) -> None:
    process.stdin.write(data.encode())
    process.stdin.flush()


@SIGNALS
def test_while_waiting_for_input(busway, line, number, code):
    """A run that waits on a pipe stops, flushes its handlers and reports."""
    busway.handler(
        "buffer",
        """
        flushed = 0
        def handle(self, event): os.write(2, b"handled\\n")
        async def stop(self): self.flushed = 1
        def health(self): return {"flushed": self.flushed}
        """,
    )
    process = busway.start("run", "--json")
    send(process, line() + line()[:-1])
    wait_for(process, b"handled")
    process.send_signal(number)
    assert process.wait(60) == code  # its input is still open
    out, told = process.communicate(timeout=60)
    report = json.loads(out)
    assert (report["published"], report["rejected"]) == (1, 0)
    assert report["health"]["plugin_buffer.Plugin"] == {"flushed": 1}
    name = signal.Signals(number).name.encode()
    assert told == b"busway: " + name + b": stopped at line 1, draining; once more to hurry\n"


@SIGNALS
def test_the_audit_trail_is_durable_and_ended(busway, line, number, code):
    """What was accepted is written, and that the trail ends here."""
    busway.handler("buffer", "def handle(self, event): os.write(2, b'handled\\n')")
    busway.names.append("audit")
    process = busway.start("run", "--json")
    send(process, line() + line())
    wait_for(process, b"handled")
    wait_for(process, b"handled")
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == code
    (health,) = (told for name, told in json.loads(out)["health"].items() if "Audit" in name)
    assert (health["durable"], health["pending"]) == (2, 0)
    records = (busway.directory / "audit/audit-000001.jsonl").read_text().splitlines()
    kinds = [json.loads(record).get("record", "event") for record in records]
    assert kinds[3:] == ["event", "event", "commit", "stopped", "commit"]


@SIGNALS
def test_what_is_under_way_is_drained(busway, line, number, code):
    """The event being handled and those published in the background are handled to their end."""
    name = busway.handler(
        "slow",
        """
        async def handle(self, event):
            if event.type == "user.login":
                EventBus.get_instance().publish_soon(Event("audit.log"))
                os.write(2, b"handling\\n")
            while not os.path.exists("go"):
                await asyncio.sleep(0.01)
        """,
    )
    process = busway.start("run", "--json")
    send(process, line() * 3)
    wait_for(process, b"handling")
    process.send_signal(number)
    wait_for(process, b"draining")
    (busway.directory / "go").touch()
    out, _ = process.communicate(timeout=60)
    report = json.loads(out)
    assert process.returncode == code
    assert (report["published"], report["nested"]) == (1, 1)
    assert report["handlers"][name]["ok"] == 2


def test_the_second_hurries(busway, line):
    """A second signal cancels the handlers; those are stopped all the same, and it reports."""
    name = busway.handler(
        "stuck",
        """
        stopped = 0
        async def handle(self, event):
            os.write(2, b"handling\\n")
            await asyncio.Event().wait()
        async def stop(self): self.stopped = 1
        def health(self): return {"stopped": self.stopped}
        """,
    )
    process = busway.start("run", "--json")
    send(process, line() * 3)
    wait_for(process, b"handling")
    process.send_signal(signal.SIGINT)
    wait_for(process, b"draining")
    process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=20)  # drain_timeout is 30 s
    report = json.loads(out)
    assert process.returncode == 130
    assert report["handlers"][name] == {"ok": 0, "failed": 0, "cancelled": 1, "skipped": 0}
    assert report["health"][name] == {"stopped": 1}
    assert b"Traceback" not in told


def test_while_the_loop_sleeps_undisturbed(busway, line):
    """Signals that end no sleep of the loop, as those that come just before it, are met too."""
    busway.handler(
        "stuck",
        """
        async def handle(self, event):
            import signal, threading
            def interrupt():
                sys.stdin.buffer.raw.read(1)  # the main thread sleeps in the loop, or soon will
                signal.pthread_kill(threading.get_ident(), signal.SIGINT)
            for _ in range(2):
                threading.Thread(target=interrupt).start()
            os.write(2, b"handling\\n")
            await asyncio.Event().wait()
        """,
    )
    (busway.directory / "events").write_text(line())
    process = busway.start("run", "events", "--json")
    wait_for(process, b"handling")
    send(process, ".")
    wait_for(process, b"draining")
    send(process, ".")
    out, _ = process.communicate(timeout=20)  # drain_timeout is 30 s
    assert (process.returncode, json.loads(out)["published"]) == (130, 1)


def test_while_handlers_never_suspend(busway, line):
    """The signal is met between two events, though the loop does not come round."""
    busway.handler(
        "busy",
        """
        n = 0
        def handle(self, event):
            self.n += 1
            if self.n == 3:
                os.write(2, b"third\\n")
                while not os.path.exists("go"):
                    pass
        """,
    )
    (busway.directory / "events").write_text(line() * 200)
    process = busway.start("run", "events", "--json")
    wait_for(process, b"third")
    process.send_signal(signal.SIGTERM)
    (busway.directory / "go").touch()
    out, told = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["published"]) == (143, 3)
    assert b"stopped at line 3" in told


def test_the_third_frees_the_loop(busway, line):
    """A handler that blocks the loop for good is freed by the third signal; then it reports."""
    name = busway.handler(
        "hangs",
        """
        stopped = 0
        def handle(self, event):
            import signal
            meet = signal.getsignal(signal.SIGINT)
            signal.signal(signal.SIGINT, lambda *args: (os.write(2, b"met\\n"), meet(*args)))
            os.write(2, b"hanging\\n")
            while True:
                time.sleep(0.01)
        async def stop(self): self.stopped = 1
        def health(self): return {"stopped": self.stopped}
        """,
    )
    process = busway.start("run", "--json")
    send(process, line())
    wait_for(process, b"hanging")
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        wait_for(process, b"met")
    out, told = process.communicate(timeout=60)
    report = json.loads(out)
    assert (process.returncode, report["published"], report["failed"]) == (130, 1, 1)
    assert report["health"][name] == {"stopped": 1}
    assert b"Traceback" not in told


def test_while_a_handler_starts(busway, line):
    """A signal during the start lets the start end, publishes nothing, and stops."""
    busway.handler(
        "starts",
        """
        async def start(self, bus):
            os.write(2, b"starting\\n")
            while not os.path.exists("go"):
                await asyncio.sleep(0.01)
        def handle(self, event): pass
        async def stop(self): os.write(2, b"stopping\\n")
        """,
    )
    (busway.directory / "events").write_text(line())
    process = busway.start("run", "events", "--json")
    wait_for(process, b"starting")
    process.send_signal(signal.SIGTERM)
    (busway.directory / "go").touch()
    out, told = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["published"]) == (143, 0)
    assert b"stopping" in told


def test_while_a_pipe_has_no_writer(busway):
    """A named pipe that nobody has opened for writing keeps no signal waiting."""
    os.mkfifo(busway.directory / "pipe")
    busway.handler(
        "says",
        """
        async def start(self, bus): os.write(2, b"started\\n")
        def handle(self, event): pass
        """,
    )
    process = busway.start("run", "pipe", "--json")
    wait_for(process, b"started")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["read"]) == (130, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_run_begins(busway, number):
    """While plugins are imported there is nothing to drain: it ends with the signal's code."""
    busway.handler("slow", "def handle(self, event): ...")
    module = busway.site / "plugin_slow.py"
    module.write_text(
        "import os, time\nos.write(2, b'importing\\n')\ntime.sleep(60)\n" + module.read_text()
    )
    process = busway.start("run", "--json")
    assert process.stderr.readline() == b"importing\n"
    process.send_signal(number)
    out, told = process.communicate(timeout=30)
    assert (process.returncode, out) == (128 + number, b"")
    assert b"Traceback" not in told
