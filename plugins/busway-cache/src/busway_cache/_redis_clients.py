"""A redis client for each event loop, since its connections belong to one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Final

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Clients"]

_CLOSING: Final = 1.0  # seconds that another loop gets for closing its client
_POOLS: Final = (BlockingConnectionPool, ConnectionPool)
_OWN: Final = {
    "decode_responses",
    "encoding",
    "encoding_errors",
    "retry",
    "retry_on_error",
    "retry_on_timeout",
}
"""What no client's settings decide: the cache speaks in bytes, and fails soon."""


class Clients:
    """Clients of one server, each made when its loop first asks; they wait for ever.

    Args:
        source: a URL, or a client whose settings are taken; it is not used itself.

    Raises:
        ValueError: if it is neither, or has options that the client does not know.
    """

    def __init__(self, source: str | Redis) -> None:
        self._make: Callable[[], ConnectionPool] = _maker(source)
        try:
            self._make().make_connection()  # type: ignore[no-untyped-call]  # connects to nothing yet
        except (TypeError, RedisError) as error:
            raise ValueError(f"the client takes no such options: {error}") from None
        self._lock = Lock()
        self._clients: dict[asyncio.AbstractEventLoop, Redis] = {}

    def here(self) -> Redis:
        """The running loop's."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = Redis.from_pool(self._make())
            with self._lock:  # a client holds its loop: nothing else would end those of closed ones
                alive = {one: its for one, its in self._clients.items() if not one.is_closed()}
                self._clients = {**alive, loop: client}
        return client

    async def close(self) -> None:
        """Close those of loops that run; the next to ask gets a new one."""
        with self._lock:
            clients, self._clients = self._clients, {}
        here = asyncio.get_running_loop()
        for loop, client in clients.items():
            with suppress(RedisError, OSError, TimeoutError):
                if loop is here:
                    await client.aclose()
                elif loop.is_running():
                    closing = asyncio.run_coroutine_threadsafe(client.aclose(), loop)
                    await asyncio.wait_for(asyncio.wrap_future(closing), _CLOSING)


def _maker(source: str | Redis) -> Callable[[], ConnectionPool]:
    """What makes a loop's pool of connections."""
    options = parse_url(source) if isinstance(source, str) else _options(source)
    taken = {name: value for name, value in options.items() if name not in _OWN}
    # One more try at once: a connection of the pool may have died while it was idle.
    once_more = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    # The client's own bound on sending is asyncio.wait_for, which on Python 3.11 swallows a
    # cancellation that comes as it ends (python/cpython#86296): whoever calls keeps the time.
    bounds = {"socket_timeout": None, "socket_connect_timeout": None, "timeout": None}
    options = {**taken, **bounds, "retry": once_more}
    return lambda: BlockingConnectionPool(**options)  # type: ignore[arg-type]  # checked there


def _options(client: Redis) -> dict[str, object]:
    pool = getattr(client, "connection_pool", None)
    if not isinstance(pool, ConnectionPool) or type(pool) not in _POOLS:
        raise ValueError(
            f"a redis.asyncio.Redis of one server is expected, not {type(client).__name__} "
            f"with {type(pool).__name__}"
        )
    return {"connection_class": pool.connection_class, **pool.connection_kwargs}
