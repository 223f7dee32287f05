"""When a failed delivery is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["Backoff"]

_BASE = 2.0
_MOST = 1_000.0  # doublings: a float ends there, and a wait_max came long before


@dataclass(frozen=True, slots=True)
class Backoff:
    """The schedule of stamina: exponential, bounded, with jitter.

    Attributes:
        initial: seconds after the first failure.
        most: seconds at most, jitter included.
        jitter: seconds that are added at most, at random, so that what failed together is not
            tried again together.

    Source: `stamina`'s `wait_initial`, `wait_max` and `wait_jitter`, after Marc Brooker,
        "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. It is computed here, since
        stamina waits in the process, and a row waits in the database.
    """

    initial: float
    most: float
    jitter: float

    def seconds(self, attempts: int) -> float:
        """How long to wait after so many attempts.

        >>> [Backoff(1.0, 300.0, 0.0).seconds(n) for n in (1, 2, 3, 20)]
        [1.0, 2.0, 4.0, 300.0]
        """
        grown: float = self.initial * _BASE ** min(float(attempts - 1), _MOST)
        return min(self.most, grown + random.uniform(0.0, self.jitter))  # noqa: S311 - no secret
