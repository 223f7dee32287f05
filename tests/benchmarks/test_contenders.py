"""The contenders that need nothing installed do what the tables say; one that does not is found."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

import pytest
from tests.benchmarks import ours
from tests.benchmarks.character import Character, characterize
from tests.benchmarks.contenders import Contender, Handler, Publish, absence, contender
from tests.benchmarks.given import MIDDLEWARE, Kind
from tests.benchmarks.proof import UnprovenError, prove
from tests.benchmarks.workloads import WORKLOADS, Workload, find

HERE = [
    pytest.param(workload, one, id=workload.bench_name(one.name))
    for workload in WORKLOADS
    for one in workload.contenders
    if one.needs in ("", "pluggy")
]
CONCURRENT = {"busway", "busway publish_many", "busway publish of each", "bare gather"}


@pytest.fixture(autouse=True)
def few_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crowd is a thousand, so that a test takes no second."""
    monkeypatch.setattr(ours, "CROWD", 1_000)


@pytest.mark.parametrize(("workload", "one"), HERE)
async def test_a_contender_runs_all_handlers(workload: Workload, one: Contender) -> None:
    """As often as the workload says, and has waited for them when its publish returns."""
    assert absence(one) == ""
    await prove(workload, one)


@pytest.mark.parametrize("name", ["plain-1", "suspending-100", "sync-100"])
async def test_busway_lacks_nothing(name: str) -> None:
    """By the very check that the other contenders pass through."""
    sync = find(name).kind is Kind.SYNC
    found = await characterize(ours.busway, sync=sync)
    assert found == Character(None if sync else True, isolated=True, failures="returned")
    assert found.lacks == ""


@pytest.mark.parametrize(
    ("workload", "name", "lacks"),
    [
        ("plain-1", "bare await", "sequential, not isolated, raises the first failure"),
        ("plain-1", "bare gather", "not isolated, raises the first failure"),
        ("many", "busway publish_many", ""),
        ("many", "bare gather of all", "not isolated, raises the first failure"),
        ("sync-100", "pluggy", "not isolated, raises the first failure"),
        ("sync-100", "bare calls", "not isolated, raises the first failure"),
    ],
)
async def test_what_a_contender_lacks_is_told(workload: str, name: str, lacks: str) -> None:
    """In the column of the tables."""
    known = find(workload)
    found = await characterize(known.contender(name), sync=known.kind is Kind.SYNC)
    assert found.lacks == lacks


def _spawning(then: str) -> Contender:
    """A contender that starts the handlers and does not wait; of failures it does as told."""

    def failed(task: asyncio.Task[None]) -> None:
        error = task.exception()
        if error is not None and then == "logged":
            logging.getLogger("spawning").error("failed", exc_info=error)
        if error is not None and then == "loop":
            task.get_loop().call_exception_handler({"message": "failed", "exception": error})

    @contender("spawning")
    async def opened(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
        tasks: set[asyncio.Task[None]] = set()

        async def publish() -> None:
            for handle in handlers:
                task = asyncio.create_task(handle())
                task.add_done_callback(failed)
                tasks.add(task)

        yield publish
        await asyncio.gather(*tasks, return_exceptions=True)

    return opened


@pytest.mark.parametrize("known", ["logged", "loop", "lost"])
async def test_where_failures_go_is_found(known: str) -> None:
    """To the log, to the loop's exception handler, or nowhere."""
    assert await characterize(_spawning(known), sync=False) == Character(True, False, known)


@contender("forgetful")
async def forgetful(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    async def publish() -> None:
        for handle in handlers[1:]:
            await handle()

    yield publish


@contender("eager")
async def eager(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    async def publish() -> None:
        for handle in [*handlers, *handlers]:
            await handle()

    yield publish


@pytest.mark.parametrize("one", [forgetful, eager, _spawning("lost")], ids=lambda one: one.name)
async def test_a_contender_that_does_not_run_the_handlers_is_no_contender(one: Contender) -> None:
    """It leaves one out, runs them twice, or does not wait: an error, not a figure."""
    with pytest.raises(UnprovenError, match=f"{one.name}, suspending-100: after 1 publishes"):
        await prove(find("suspending-100"), one)


async def test_the_three_middleware_are_run() -> None:
    """By the bus that is timed with them."""
    seen: list[object] = []

    async def handle(event: object) -> None:
        seen.append(event)

    async with ours.with_middleware.open([handle]) as publish:
        result = await publish()
    assert len(MIDDLEWARE) == 3
    assert seen == [result.event]


def test_a_contender_that_is_not_there_says_why() -> None:
    """Not installed, or installed and not to be imported."""
    assert absence(contender("nobody", needs="no-such-thing")(forgetful.open)) == "not installed"
    broken = contender("broken", needs="pluggy", module="pluggy.no_such_module")(forgetful.open)
    assert absence(broken).startswith("does not import: ModuleNotFoundError: ")
