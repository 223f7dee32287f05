"""Crashes: what a disk may hold after one, at any moment of a run that was recorded.

A file system promises little. What was written is durable when the file was synced after it, and
a name when its directory was. Before that, each block may be there or not, each name too, in any
combination; of the last block, a part. A sync that failed promises nothing, then or later.

A run is recorded in a directory of its own, call by call; a `Moment` is the run up to one of them.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Recorder", "State", "Step", "laid_out", "seen", "states"]

BLOCK = 256
MOST = 8  # blocks whose combinations are all tried; of more, a sample
_NAMES = ("open", "write", "lseek", "ftruncate", "fdatasync", "fsync", "rename", "unlink", "close")
_REAL = {name: getattr(os, name) for name in _NAMES}

State = dict[str, bytes]
"""What a directory holds after a crash."""


@dataclass
class Step:
    """One call that changed something.

    Attributes:
        kind: `write`, `truncate`, `sync`, `create`, `rename`, `unlink`, `sync names` or `ack`.
        file: which file, by its number.
        at: where in it, or its new size; of an `ack`, how many events are durable.
        data: what was written.
        name: what a file was called; of a rename, the new name is `data`.
        failed: whether the call did.
    """

    kind: str
    file: int = 0
    at: int = 0
    data: Any = b""
    name: str = ""
    failed: bool = False


class Recorder:
    """Records what is done in one directory, by the threads of the audit trail.

    Args:
        steps: what was done there before, by somebody who was killed: it is there to be seen, but
            need not be durable.
    """

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self.steps = list(steps)
        self._open: dict[int, list[int]] = {}  # by descriptor: file, position, whether it appends
        self._names, contents = _Replay(self.steps, set(range(len(steps)))).follow()
        self._sizes = {file: len(content) for file, content in contents.items()}

    def _new(self, name: str) -> int:
        self._names[name] = max(self._sizes, default=0) + 1
        self._sizes[self._names[name]] = 0
        return self._names[name]

    def acknowledge(self, events: int) -> None:
        """So many events are durable, says the writer."""
        self.steps.append(Step("ack", at=events))

    def call(self, name: str, *args: Any, **options: Any) -> Any:
        """A call, on its way to the kernel, or to a disk that fails."""
        try:
            result = self.real(name, *args, **options)
        except OSError:
            if name in ("fdatasync", "fsync"):
                self._note(name, None, args, failed=True)
            raise
        self._note(name, result, args)
        return result

    def real(self, name: str, *args: Any, **options: Any) -> Any:
        """To be overridden by a disk that fails."""
        return _REAL[name](*args, **options)

    def _note(self, name: str, result: Any, args: Any, *, failed: bool = False) -> None:
        if name == "open":
            self._note_open(Path(args[0]).name, result, args[1])
        elif name == "close":
            self._open.pop(args[0], None)
        elif name == "rename":
            self._names[args[1]] = self._names.pop(args[0])
            self.steps.append(Step("rename", self._names[args[1]], name=args[0], data=args[1]))
        elif name == "unlink":
            self.steps.append(Step("unlink", self._names.pop(args[0]), name=args[0]))
        elif name == "fsync" and args[0] not in self._open:
            self.steps.append(Step("sync names", failed=failed))
        elif args[0] in self._open:
            self._note_change(name, result, args, failed=failed)

    def _note_open(self, name: str, fd: int, flags: int) -> None:
        if name.endswith(".lock") or not flags & (os.O_WRONLY | os.O_RDWR):
            return
        if name not in self._names:
            self.steps.append(Step("create", self._new(name), name=name))
        self._open[fd] = [self._names[name], 0, flags & os.O_APPEND]

    def _note_change(self, name: str, result: Any, args: Any, *, failed: bool) -> None:
        file, position, appends = opened = self._open[args[0]]
        if name == "lseek":
            opened[1] = result
        elif name == "write":
            at = self._sizes[file] if appends else position
            opened[1] = at + result
            self._sizes[file] = max(self._sizes[file], at + result)
            self.steps.append(Step("write", file, at, bytes(args[1][:result])))
        elif name == "ftruncate":
            self._sizes[file] = args[1]
            self.steps.append(Step("truncate", file, args[1]))
        else:
            self.steps.append(Step("sync", file, failed=failed))

    @contextmanager
    def installed(self) -> Iterator[Recorder]:
        """While this is entered, the trail's calls pass through here."""
        for name in _NAMES:
            setattr(os, name, self._hook(name))
        try:
            yield self
        finally:
            for name, real in _REAL.items():
                setattr(os, name, real)

    def _hook(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if threading.current_thread().name.startswith("busway-audit"):
                return self.call(name, *args, **options)
            return _REAL[name](*args, **options)

        return call


def laid_out(state: State) -> list[Step]:
    """Steps that lead to a state, and make it durable."""
    steps: list[Step] = []
    for file, (name, content) in enumerate(sorted(state.items()), start=1):
        steps += [Step("create", file, name=name), Step("write", file, data=content)]
        steps += [Step("sync", file), Step("sync names")]
    return steps


def seen(steps: list[Step]) -> State:
    """What is there to be seen after these steps, if there is no crash."""
    return _Replay(steps, set(range(len(steps)))).run()


Choice = tuple[int, int, int]
"""What a crash may or may not have left: of the call with this index, the bytes from, to."""


def states(steps: list[Step], chosen: random.Random) -> Iterator[State]:
    """All that the disk may hold after a crash behind the last step.

    Args:
        steps: what was done.
        chosen: picks among the combinations, where there are too many.
    """
    lasting = _lasting(steps)
    blocks = [choice for choice in _choices(steps, lasting) if steps[choice[0]].kind == "write"]
    others = [choice for choice in _choices(steps, lasting) if choice not in blocks]
    seen: set[tuple[tuple[str, bytes], ...]] = set()
    for kept in itertools.product(_subsets(others, chosen), _subsets(blocks, chosen)):
        for tear, full in itertools.product((None, 1, BLOCK // 2), (False, True)):
            replay = _Replay(steps, lasting, frozenset({*kept[0], *kept[1]}), tear, full=full)
            state = replay.run()
            if (found := tuple(sorted(state.items()))) not in seen:
                seen.add(found)
                yield state


def _lasting(steps: list[Step]) -> set[int]:
    """The steps that no crash undoes: the first sync of their file, or of the names, was well."""
    found = set()
    for index, step in enumerate(steps):
        of_names = step.kind in ("create", "rename", "unlink")
        for later in steps[index + 1 :]:
            if later.kind == "sync names" if of_names else _syncs(later, step):
                found |= set() if later.failed else {index}
                break
    return found


def _syncs(later: Step, step: Step) -> bool:
    return later.kind == "sync" and later.file == step.file


def _choices(steps: list[Step], lasting: set[int]) -> list[Choice]:
    found: list[Choice] = []
    for index, step in enumerate(steps):
        if index in lasting:
            continue
        if step.kind == "write":
            end = step.at + len(step.data)
            bounds = [step.at, *range((step.at // BLOCK + 1) * BLOCK, end, BLOCK), end]
            found += [(index, *pair) for pair in itertools.pairwise(bounds)]
        elif step.kind in ("truncate", "create", "rename", "unlink"):
            found.append((index, 0, 0))
    return found


def _subsets(choices: list[Choice], chosen: random.Random) -> Iterator[set[Choice]]:
    if len(choices) <= MOST:
        for count in range(len(choices) + 1):
            yield from map(set, itertools.combinations(choices, count))
        return
    yield set()
    yield set(choices)
    for one in choices:
        yield {one}
        yield {*choices} - {one}
    for _ in range(2**MOST):
        yield set(chosen.sample(choices, chosen.randrange(len(choices))))


class _Replay:
    """One state: the steps again, without what the crash has taken."""

    def __init__(
        self,
        steps: list[Step],
        lasting: set[int],
        kept: frozenset[Choice] = frozenset(),
        tear: int | None = None,
        *,
        full: bool = False,
    ) -> None:
        self._steps = steps
        self._lasting = lasting
        self._kept = kept
        self._tear = tear
        self._full = full
        self._files: dict[int, bytearray] = {}
        self._names: dict[str, int] = {}

    def run(self) -> State:
        """The state that it leads to."""
        names, files = self.follow()
        return {name: bytes(files.get(file, b"")) for name, file in names.items()}

    def follow(self) -> tuple[dict[str, int], dict[int, bytearray]]:
        """The names, and the files."""
        for index, step in enumerate(self._steps):
            if step.kind == "write":
                self._write(index, step)
            elif index in self._lasting or (index, 0, 0) in self._kept:
                self._change(step)
        return self._names, self._files

    def _change(self, step: Step) -> None:
        if step.kind == "truncate":
            content = self._files.setdefault(step.file, bytearray())
            del content[step.at :]
            content.extend(bytes(step.at - len(content)))
        elif step.kind == "create":
            self._names[step.name] = step.file
        elif step.kind == "rename" and self._names.get(step.name) == step.file:
            self._names[str(step.data)] = self._names.pop(step.name)
        elif step.kind == "unlink" and self._names.get(step.name) == step.file:
            del self._names[step.name]

    def _write(self, index: int, step: Step) -> None:
        content = self._files.setdefault(step.file, bytearray())
        if index in self._lasting:
            self._put(content, step.at, step.data)
            return
        end = step.at + len(step.data)
        grows = end > len(content)
        for begin, until in [one[1:] for one in sorted(self._kept) if one[0] == index]:
            part = step.data[begin - step.at : until - step.at]
            if until == end and grows and self._tear is not None:
                part = part[: -self._tear]  # in place a sector is written whole, or not at all
            self._put(content, begin, part)
        if self._full and grows:
            content.extend(bytes(max(0, end - len(content))))

    def _put(self, content: bytearray, at: int, data: bytes) -> None:
        content.extend(bytes(max(0, at - len(content))))
        content[at : at + len(data)] = data
