"""The audit trail after a crash: at every moment, in every state that a disk may be left in.

A run is recorded, call by call. For a crash behind each call, every combination of blocks, names
and sizes that were not durable yet, whole or torn, is laid out as a directory. There, what was
acknowledged must be found by whoever reads it, and the next writer must recover, and go on:
nothing acknowledged lost, nothing torn or altered accepted, and the chain whole.

The runs named `… twice` crash once more, in the recovery from a crash. Those named `… killed` are
killed first, which takes nothing, and crash while the next writer goes on.
"""

from __future__ import annotations

import asyncio
import errno
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.audit.crashes import Recorder, State, Step, laid_out, seen, states
from tests.audit.trail import login, numbers

from busway_audit import AuditLogHandler, Finding, verify
from busway_audit.exceptions import TrailError

__all__ = ["pieces", "run", "sample"]

KEY = "5a" * 32
MEMORY = Path("/dev/shm")
SHARDS = {"": 4, " killed": 4, " twice": 24}
BETWEEN = -1  # acknowledges the event of the writer that goes on
TWICE = 4  # states of each moment in which the recovery is crashed, too

Scenario = Callable[["Run"], Coroutine[Any, Any, None]]


class Failing(Recorder):
    """A recorder whose disk fails at some calls of one kind."""

    fails: tuple[str, range, int] = ("", range(0), 0)

    def real(self, name: str, *args: Any, **options: Any) -> Any:
        kind, when, number = self.fails
        if name == kind:
            self.made = getattr(self, "made", 0) + 1
            if self.made in when:
                if name == "write":
                    super().real(name, args[0], args[1][: len(args[1]) // 2])
                    self._note(name, len(args[1]) // 2, args)
                raise OSError(number, "says the proof")
        return super().real(name, *args, **options)


class Run:
    """One run on a recorded disk.

    Attributes:
        accepted: how many events were.
    """

    def __init__(self, path: Path, recorder: Failing) -> None:
        self.path = path
        self.recorder = recorder
        self.accepted = 0

    def writer(self, **settings: Any) -> AuditLogHandler:
        return AuditLogHandler(self.path, rotate_daily=False, **settings)

    async def write(self, audit: AuditLogHandler, *sizes: int) -> None:
        for size in sizes:
            for _ in range(size):
                await audit.handle(login(self.accepted))
                self.accepted += 1
            with suppress(OSError):
                await audit.flush()
                self.recorder.acknowledge(self.accepted)


async def batches(run: Run) -> None:
    audit = run.writer()
    await run.write(audit, 1, 2, 1)
    await audit.stop()


async def rotation(run: Run) -> None:
    audit = run.writer(rotate_bytes=1_000)
    await run.write(audit, 1, 1, 1)
    await audit.stop()


async def sealed(run: Run) -> None:
    audit = run.writer(key=KEY, rotate_bytes=1_800)
    await run.write(audit, 1, 1, 1)
    await audit.stop()


async def restart(run: Run) -> None:
    for _ in range(2):
        audit = run.writer()
        await run.write(audit, 1)
        await audit.stop()


async def failed_sync(run: Run) -> None:
    run.recorder.fails = ("fdatasync", range(2, 3), errno.EIO)
    await batches(run)


async def failed_sync_of_names(run: Run) -> None:
    run.recorder.fails = ("fsync", range(2, 3), errno.EIO)
    await rotation(run)


async def full(run: Run) -> None:
    run.recorder.fails = ("write", range(2, 4), errno.ENOSPC)
    await batches(run)


SCENARIOS: dict[str, tuple[Scenario, str | None]] = {
    "batches": (batches, None),
    "rotation": (rotation, None),
    "sealed": (sealed, KEY),
    "restart": (restart, None),
    "failed sync": (failed_sync, None),
    "failed sync of names": (failed_sync_of_names, None),
    "full": (full, None),
}


def pieces() -> list[str]:
    """Each run with each way to crash, in shards."""
    return [
        f"{name}{way} {shard}/{shards}"
        for name in SCENARIOS
        for way, shards in SHARDS.items()
        for shard in range(1, shards + 1)
    ]


def sample(seed: int) -> list[str]:
    """A shard of a run, and one of one that crashes twice."""
    chosen = random.Random(seed)
    kinds = [[one for one in pieces() if ("twice" in one) is twice] for twice in (False, True)]
    return [chosen.choice(kind) for kind in kinds]


def run(piece: str) -> dict[str, int]:
    """Try every state of one piece.

    Raises:
        AssertionError: if an event that was acknowledged is lost, or one is altered, doubled or
            out of order, or a crash is taken for tampering, or the trail cannot be gone on with.
    """
    name, _, shard = piece.rpartition(" ")
    scenario, key = SCENARIOS[name.removesuffix(" twice").removesuffix(" killed")]
    number, of = map(int, shard.split("/"))
    chosen = random.Random(piece)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as folder:
        proof = _Proof(Path(folder), key, chosen)
        steps, accepted = proof.record(scenario)
        for moment in range(number, len(steps) + 1, of):
            if name.endswith(" twice"):
                proof.crash_twice(steps[:moment], accepted)
            elif name.endswith(" killed"):
                proof.crash_after(steps[:moment], accepted)
            else:
                proof.crash(steps[:moment], accepted)
        return dict(proof.counts)


class _Proof:
    """What is tried in one piece.

    Attributes:
        counts: how many moments and states were tried, and how many of these were torn.
    """

    def __init__(self, folder: Path, key: str | None, chosen: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._path = folder / "audit"
        self._settings: dict[str, Any] = {"rotate_daily": False, "key": key}
        self._keys = [] if key is None else [bytes.fromhex(key)]
        self._chosen = chosen

    def record(self, scenario: Scenario) -> tuple[list[Step], int]:
        """The steps of a run, and how many events were accepted in it."""
        self._lay_out({})
        one = Run(self._path, Failing())
        with one.recorder.installed():
            asyncio.run(scenario(one))
        return one.recorder.steps, one.accepted

    def crash(self, steps: list[Step], accepted: int) -> None:
        """Crash behind the last step, and let the next writer go on."""
        self.counts["moments"] += 1
        for state in states(steps, self._chosen):
            self._lay_out(state)
            self._read_as_it_is(_acknowledged(steps), state)
            asyncio.run(self._go_on("after"))
            self._check(_acknowledged(steps), accepted, must=["after"], may=[])

    def crash_twice(self, steps: list[Step], accepted: int) -> None:
        """Crash behind the last step; and again, wherever the next writer has got to."""
        found = list(states(steps, self._chosen))
        for state in self._chosen.sample(found, min(TWICE, len(found))):
            before = [*laid_out(state), Step("ack", at=_acknowledged(steps))]
            self.crash_after(before, accepted)

    def crash_after(self, steps: list[Step], accepted: int) -> None:
        """Kill the writer behind the last step; crash wherever the next one has got to."""
        self._lay_out(seen(steps))
        recorder = Recorder(steps)
        with recorder.installed():
            asyncio.run(self._go_on("between", recorder))
        for moment in range(len(steps), len(recorder.steps) + 1):
            done = recorder.steps[:moment]
            told = ["between"] * any(step.at == BETWEEN for step in done)
            self.counts["moments"] += 1
            for state in states(done, self._chosen):
                self._lay_out(state)
                self._read_as_it_is(_acknowledged(steps), state)
                asyncio.run(self._go_on("after"))
                must = [*told, "after"]
                self._check(_acknowledged(steps), accepted, must=must, may=["between"])

    async def _go_on(self, what: str, recorder: Recorder | None = None) -> None:
        audit = AuditLogHandler(self._path, **self._settings)
        await audit.handle(login(what))
        await audit.flush()
        if recorder is not None:
            recorder.acknowledge(BETWEEN)
        await audit.stop()

    def _read_as_it_is(self, acknowledged: int, state: State) -> None:
        """What was acknowledged can be read, and no crash is taken for tampering."""
        found: list[Finding] = []
        try:
            told = verify(self._path, found.append, keys=self._keys)
        except TrailError:
            assert acknowledged == 0
            return
        assert not told.tampered, (found, {n: c[-900:] for n, c in state.items()})
        assert told.events >= acknowledged, f"{told.events} of {acknowledged} can be read"
        self.counts["states"] += 1
        self.counts["torn"] += told.torn

    def _check(self, acknowledged: int, accepted: int, *, must: list[str], may: list[str]) -> None:
        """Every event that is there is whole, once, in order; those that must be are there."""
        key = self._keys[0] if self._keys else None
        found = numbers(self._path, key)
        first = [n for n in found if isinstance(n, int)]
        assert first == list(range(len(first))), found
        assert acknowledged <= len(first) <= accepted, f"{found}, {acknowledged} acknowledged"
        assert found[len(first) :] in (must, [*may, *must]), found
        assert verify(self._path, print, keys=self._keys).whole

    def _lay_out(self, state: State) -> None:
        shutil.rmtree(self._path, ignore_errors=True)
        self._path.mkdir(mode=0o700)
        for name, content in state.items():
            (self._path / name).write_bytes(content)


def _acknowledged(steps: list[Step]) -> int:
    return max((step.at for step in steps if step.kind == "ack"), default=0)
