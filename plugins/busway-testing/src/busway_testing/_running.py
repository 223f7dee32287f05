"""Run what a plugin does, within bounds, and fail a test of the kit in its author's terms."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["BRAKE", "fail", "run"]

BRAKE: Final = 10.0
"""Seconds after which what does not end is taken for hanging. Nothing that is well comes near."""

_T = TypeVar("_T")


def run(main: Coroutine[object, None, _T]) -> _T:
    """Run something on a loop of its own; what does not end in time is cancelled, and fails."""

    async def braked() -> _T:
        async with asyncio.timeout(BRAKE):
            return await main

    try:
        return asyncio.run(braked())
    except TimeoutError as error:
        fail(f"it had not ended after {BRAKE:g} s", error)


def fail(told: str, error: BaseException | None = None) -> NoReturn:
    """Fail a test of the kit.

    Args:
        told: what is wrong, and what to do.
        error: what was raised; its traceback is shown below.
    """
    trace = [] if error is None else ["\n\n", *traceback.format_exception(error)]
    pytest.fail("".join([told, *trace]), pytrace=False)
