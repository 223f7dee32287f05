"""Generations of keys and tags, in fixed space: whether what was loaded may still be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Generations", "Token"]

Token: TypeAlias = tuple[int, ...]

_SLOTS: Final = 1024


class Generations:
    """Counters that an invalidation raises, and an epoch that stands above all of them.

    A counter a key would grow with every key ever invalidated, so keys and tags share a fixed
    number of them. Two that share one cost a load that is not kept, never a stale entry.

    It has no lock of its own: hold the one of the entries, so that looking, keeping and dropping
    are each one step.

    Source: the lease of R. Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section
    3.2.1: a token goes out with each miss, a delete voids it, and a set needs one that is valid.
    """

    def __init__(self, slots: int = _SLOTS) -> None:
        self._epoch = 0
        self._counters = [0] * slots

    def token(self, key: str, tags: Iterable[str]) -> Token:
        """What has to be the same when the value of a key comes, for it to be kept."""
        counters = self._counters
        of_tags = (counters[self._slot("tag", tag)] for tag in tags)
        return (self._epoch, counters[self._slot("key", key)], *of_tags)

    def bump(self, keys: Iterable[str], tags: Iterable[str]) -> None:
        """Void the tokens of these."""
        for key in keys:
            self._counters[self._slot("key", key)] += 1
        for tag in tags:
            self._counters[self._slot("tag", tag)] += 1

    def bump_all(self) -> None:
        """Void all tokens."""
        self._epoch += 1

    def _slot(self, kind: str, name: str) -> int:
        return hash((kind, name)) % len(self._counters)
