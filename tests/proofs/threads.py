"""Proof of the registry and the counts: eight threads on one bus for ten seconds.

Each thread has a loop of its own, and publishes, subscribes, unsubscribes and recomposes at random
on the one bus. Handlers that stay must have had every event once; every handler as often as all
threads' results together tell; and nothing may be left on the bus, on its way, or as a task.
"""

from __future__ import annotations

import random

from tests.core.bus.crowd import run_crowd

__all__ = ["pieces", "run", "sample"]


def pieces() -> list[str]:
    """Seconds and seed; six times ten seconds, and short ones to sample."""
    return [*(f"1 s, seed {seed}" for seed in range(8)), *(f"10 s, seed {n}" for n in range(6))]


def run(piece: str) -> dict[str, int]:
    """Run a piece; AssertionError if a count does not agree."""
    seconds, seed = piece.split(" s, seed ")
    return run_crowd(seconds=float(seconds), seed=int(seed))


def sample(seed: int) -> list[str]:
    """One second of it."""
    return [random.Random(seed).choice(pieces()[:8])]
