"""The suite runs on what its environment asks for: see `tests/conftest.py`."""

from __future__ import annotations

import asyncio
import os

from busway import EventBus


def asked_for_loop() -> str:
    """The module that the loop comes from."""
    return "uvloop" if os.environ.get("TEST_LOOP") == "uvloop" else "asyncio"


async def test_loop_of_an_async_test() -> None:
    """It is the one asked for."""
    assert type(asyncio.get_running_loop()).__module__.split(".")[0] == asked_for_loop()


def test_loop_that_a_test_makes() -> None:
    """So is the one that `asyncio.run` makes, or a Runner, in any thread."""

    async def module() -> str:
        return type(asyncio.get_running_loop()).__module__.split(".")[0]

    async def main() -> list[str]:
        return [await module(), await asyncio.to_thread(asyncio.run, module())]

    assert asyncio.run(main()) == [asked_for_loop()] * 2
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        assert runner.run(module()) == asked_for_loop()


def test_debug_mode() -> None:
    """Buses are in debug mode if `BUSWAY_DEBUG` says so."""
    assert EventBus().debug is (os.environ.get("BUSWAY_DEBUG", "") not in ("", "0"))


def test_plain_mode_where_a_test_needs_it(plain: None) -> None:
    """Whatever is asked for, a test may have its buses plain."""
    assert EventBus().debug is False


async def test_debug_mode_of_the_loop() -> None:
    """Loops are in asyncio's debug mode if `PYTHONASYNCIODEBUG` says so."""
    wanted = bool(os.environ.get("PYTHONASYNCIODEBUG"))
    assert asyncio.get_running_loop().get_debug() >= wanted
    assert await asyncio.to_thread(asyncio.run, _debug()) >= wanted


async def _debug() -> bool:
    return asyncio.get_running_loop().get_debug()
