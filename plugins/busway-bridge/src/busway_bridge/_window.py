"""The window: which events were handled lately, in bounded memory."""

from __future__ import annotations

from asyncio import Future, shield
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["Window"]


class Window:
    """The last keys that were done, and those under way.

    Args:
        size: how many keys that are done are remembered; the oldest are forgotten first.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._done: OrderedDict[Hashable, None] = OrderedDict()
        self._under_way: dict[Hashable, Future[bool]] = {}

    def __len__(self) -> int:
        return len(self._done)

    async def begin(self, key: Hashable) -> bool:
        """Whether to do it: not if it is done, nor if somebody else does it now, and does."""
        while key not in self._done:
            other = self._under_way.get(key)
            if other is None:
                self._under_way[key] = Future()
                return True
            if await shield(other):  # the other's, and others wait for it
                break
        return False

    def end(self, key: Hashable, *, done: bool) -> None:
        """It is done, and remembered; or it is not, and may be begun again."""
        if done and self._size:
            self._done[key] = None
            if len(self._done) > self._size:
                self._done.popitem(last=False)
        self._under_way.pop(key).set_result(done)
