"""An outbox: one queued channel, what waits for it, and the lanes that carry it there."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Final

import stamina

from busway_notify._text import MAX_REASON, one_line, text_of
from busway_notify.exceptions import DeliveryError, RecipientsRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from busway_notify._delivery.dead_letters import DeadLetters
    from busway_notify._delivery.parcel import Parcel
    from busway_notify._queued import Queued, Session

__all__ = ["LATE", "Outbox", "Patience"]

LATE: Final = "it was not delivered by the time that this stopped"

_LANES: Final = 4
"""How many notifications one channel sends at a time: one that has to wait holds up no others."""
_MOST_RETRY_AFTER: Final = 60.0
"""Seconds that a server may put us off at a time; it cannot have us forget an alert."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long delivery goes on.

    Attributes:
        timeout: seconds for one try.
        retry_for: seconds from when a notification was queued, after which it is not tried again.
    """

    timeout: float
    retry_for: float


class Outbox:
    """A bounded queue, and up to four lanes that each send one notification after another.

    A lane keeps its connection until the queue is empty. A try that fails is made again, by
    stamina: after half a second, doubled each time to 5 s at most, and up to a second of jitter;
    or when the server asks for it, within a minute.

    Threads: `offer` and the attributes may be used from any thread, the rest in the delivery's.

    Args:
        channel: where it goes.
        size: how many notifications may be on their way at once.
        patience: how long it is tried.
        letters: what could not be delivered.
        losing: called with the channel's name when it begins to lose notifications.

    Attributes:
        lanes: how many lanes there are now.
        delivered: how many notifications reached all their recipients but those refused.
        refused: how many the full queue did not take.
    """

    def __init__(
        self,
        channel: Queued,
        size: int,
        patience: Patience,
        letters: DeadLetters,
        losing: Callable[[str, str], None],
    ) -> None:
        self.channel = channel
        self.lanes = 0
        self.delivered = 0
        self.refused = 0
        self._size = size
        self._patience = patience
        self._letters = letters
        self._losing = losing
        self._is_losing = False
        self._waiting: deque[Parcel] = deque()
        self._in_hand = 0
        self._lock = Lock()

    @property
    def pending(self) -> int:
        """How many notifications are on their way."""
        return len(self._waiting) + self._in_hand

    def offer(self, parcel: Parcel) -> bool:
        """Take a notification in, if there is room; if not, it is counted."""
        with self._lock:
            if self.pending >= self._size:
                self.refused += 1
                return False
            self._waiting.append(parcel)
            return True

    def wants_lane(self) -> bool:
        """Whether more waits than the lanes there are will take next."""
        return len(self._waiting) > 0 and self.lanes < _LANES

    async def serve(self) -> None:
        """Be a lane: carry one parcel after another, until none waits."""
        session = self.channel.session()
        try:
            while (parcel := self._take()) is not None:
                await self._carry(session, parcel)
            async with asyncio.timeout(self._patience.timeout):
                await session.close()
        except TimeoutError:
            pass  # it did not say goodbye
        finally:
            session.abort()

    def give_up(self, reason: str) -> None:
        """End what waits: it will not be delivered."""
        while (parcel := self._take()) is not None:
            self.end(parcel, DeliveryError(reason))
            self._in_hand -= 1

    def end(self, parcel: Parcel, error: DeliveryError | None) -> None:
        """Settle a parcel: delivered, or not, for those of its recipients who are left."""
        if error is None:
            self.delivered += 1
            self._is_losing = False
            parcel.is_taken = True
        else:
            self._lose(parcel, parcel.notification.recipient, str(error))
        parcel.settle(parcel.is_taken)

    def _take(self) -> Parcel | None:
        with self._lock:
            if not self._waiting:
                return None
            self._in_hand += 1
            return self._waiting.popleft()

    async def _carry(self, session: Session, parcel: Parcel) -> None:
        try:
            await self._try_again_and_again(session, parcel)
        except DeliveryError as error:
            self.end(parcel, error)
        except BaseException:
            why = f"; the last try: {parcel.problem}" if parcel.problem else ""
            self.end(parcel, DeliveryError(f"{LATE}{why}"))
            raise
        finally:
            self._in_hand -= 1

    async def _try_again_and_again(self, session: Session, parcel: Parcel) -> None:
        left = parcel.put_at + self._patience.retry_for - time.monotonic()
        async for attempt in stamina.retry_context(
            _again, attempts=None, timeout=max(0.001, left), wait_initial=0.5, wait_max=5.0
        ):
            with attempt:
                parcel.tries += 1
                try:
                    await self._try(session, parcel)
                except DeliveryError as error:
                    parcel.problem = str(error)
                    raise
        if parcel.notification.recipient:
            self.end(parcel, None)
        else:  # those who are left have been refused for good
            self.delivered += parcel.is_taken
            parcel.settle(parcel.is_taken)

    async def _try(self, session: Session, parcel: Parcel) -> None:
        try:
            async with asyncio.timeout(self._patience.timeout):
                await session.send(parcel.notification)
        except RecipientsRefusedError as error:
            self._part(parcel, error)
        except DeliveryError as error:
            error.args = (self._tell(error),)
            raise
        except TimeoutError:
            session.abort()
            told = f"no answer within {self._patience.timeout:g} s"
            raise DeliveryError(told) from None
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - see below
            # whatever it is, another try may help; and no channel ends the delivery of others
            session.abort()
            # `from None`: what a library puts into its errors may be a secret
            raise DeliveryError(self._tell(error)) from None

    def _part(self, parcel: Parcel, error: RecipientsRefusedError) -> None:
        """Go on with those who were refused for now; those refused for good have lost it."""
        refused = error.refused
        left = [one for one in parcel.notification.recipients if one in refused]
        parcel.is_taken |= len(left) < len(parcel.notification.recipients)
        for recipient in [one for one in left if refused[one].is_final]:
            self._lose(parcel, recipient, self._tell(refused[recipient]))
        again = [one for one in left if not refused[one].is_final]
        parcel.notification = replace(parcel.notification, recipient=", ".join(again))
        if again:
            raise DeliveryError(self._tell(refused[again[0]]))

    def _lose(self, parcel: Parcel, recipient: str, reason: str) -> None:
        with suppress(Exception):  # what logs may raise
            self._letters.add(self.channel.name, parcel, recipient, reason)
        if not self._is_losing:
            self._is_losing = True
            self._losing(self.channel.name, reason)

    def _tell(self, error: BaseException) -> str:
        text = text_of(error)
        if not isinstance(error, DeliveryError):
            text = f"{type(error).__name__}: {text}"
        for secret in self.channel.secrets:
            text = text.replace(secret, "…")
        return one_line(text, MAX_REASON)


def _again(error: Exception) -> bool | float:
    """Whether another try may help, and when, if the server has said."""
    if not isinstance(error, DeliveryError) or error.is_final:
        return False
    if error.retry_after is None:
        return True
    return min(max(error.retry_after, 0.5), _MOST_RETRY_AFTER)
