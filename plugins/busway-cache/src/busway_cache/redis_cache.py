"""The cache that several processes share: values, generations and epoch in redis."""

from __future__ import annotations

import asyncio
import json
import secrets
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from redis.exceptions import NoScriptError, RedisError

from busway_cache import _redis_scripts as scripts
from busway_cache._globs import compiled, literal, stars_alone
from busway_cache._look import MISS, Look
from busway_cache._redis_clients import Clients
from busway_cache._redis_names import BATCH, batches, encoded, slot, slots_of, text_of
from busway_cache._settings import seconds
from busway_cache.cache import Capability
from busway_cache.loading import LoadingCache

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from redis.asyncio import Redis

__all__ = ["RedisCache"]

_Token: TypeAlias = tuple[bytes, ...]

_STATE: Final = "busway:coherence"


class RedisCache(LoadingCache):
    """A redis that several processes share.

    Every read asks the server, so an invalidation by one process holds for all when it returns.
    While the server cannot be reached nothing cached is served; when it is back, the epoch begins
    anew before anything is, by whichever process has lost it, and whenever the server has been
    started again, whatever snapshot it came back with.

    Keys are invalidated under `prefix`, and stand there as they are: what the application itself
    has written at `prefix` + key is dropped, too (`UNLINK`), and so are the members of the set
    `prefix` + `tag:` + tag. Only what `get_or_load` has kept has tokens.

    Ordering: one script a step; no two overlap.
    Threads: any; each loop has a client of its own.

    Args:
        source: a URL (`redis://`, `rediss://`, `unix://`), or a `redis.asyncio.Redis`, whose
            settings are taken and which itself is not used.
        ttl: seconds from before its load for which a value is kept. It bounds what other
            processes may see when this one fails to invalidate and does not live to repeat it.
        prefix: before every key.
        scan: whether it can do patterns, by `SCAN`, which walks all keys of the server.
        timeout: seconds for each step, connecting to the server among it.
        dumps: encodes a value; JSON unless set, by which a tuple comes back as a list.
        loads: decodes what `dumps` made.

    Raises:
        ValueError: if one of them is none of that.
    """

    shared: bool = True

    def __init__(
        self,
        source: str | Redis,
        *,
        ttl: float = 300.0,
        prefix: str = "",
        scan: bool = False,
        timeout: float = 1.0,
        dumps: Callable[[object], str | bytes] = json.dumps,
        loads: Callable[[bytes], object] = json.loads,
    ) -> None:
        super().__init__(ttl=seconds("ttl", ttl))
        able = {Capability.KEYS, Capability.TAGS}
        self.capabilities: frozenset[Capability] = frozenset(
            {*able, Capability.PATTERNS} if scan else able
        )
        self._prefix = prefix
        self._state = encoded(prefix + _STATE)
        self._dumps = dumps
        self._loads = loads
        self._timeout = seconds("timeout", timeout)
        self._clients = Clients(source)
        self._epoch = b""  # the newest that an answer has told
        self._newest = Lock()

    async def close(self) -> None:
        """Close the connections of all loops that run; they are opened again when needed."""
        await self._clients.close()

    async def _look(self, key: str, tags: Collection[str]) -> Look:
        slots = slots_of(key, tags)
        token, value, now = cast(
            "tuple[list[bytes], bytes | None, bytes]",
            await self._run(scripts.LOOK, [self._key(key)], slots),
        )
        found = MISS if value is None else self._decoded(value)
        return Look(tuple(token), found, float(now))

    async def _keep(
        self,
        key: str,
        value: object,
        look: Look,
        tags: tuple[str, ...],
        kept_for: float | None,
    ) -> None:
        written = self._dumps(value)  # what cannot be encoded is the caller's error
        epoch, loads, *generations = cast("_Token", look.token)
        slots = slots_of(key, tags)
        held = [text for pair in zip(slots, generations, strict=True) for text in pair]
        # by the server's clock: how long it takes to get there does not lengthen its life
        until = int((look.at + cast("float", kept_for)) * 1000)
        try:
            await self._run(scripts.KEEP, [self._key(key)], [until, written, epoch, loads, *held])
        except (RedisError, OSError):  # the value is good, it is only not kept
            self._counts.add("unkept")

    async def _drop(
        self, keys: tuple[str, ...], tags: tuple[str, ...], patterns: tuple[str, ...]
    ) -> None:
        for some in batches([encoded(key) for key in keys]):
            await self._drop_some(some, ())
        for some in batches([encoded(tag) for tag in tags]):
            await self._drop_some((), some)
        if patterns:
            await self._run(scripts.LOADS, [], [])  # from here on, none that matches is kept
        for pattern in patterns:
            await self._drop_matching(pattern)

    async def _drop_some(self, keys: Collection[bytes], tags: Collection[bytes]) -> None:
        prefix = encoded(self._prefix)
        slots = [*(slot(b"key", key) for key in keys), *(slot(b"tag", tag) for tag in tags)]
        names = [*(prefix + key for key in keys), *(prefix + b"tag:" + tag for tag in tags)]
        await self._run(scripts.DROP, names, [len(keys), prefix, *slots])

    async def _drop_matching(self, pattern: str) -> None:
        # The server's own globs differ, and count bytes: it is asked for more, and we look closer.
        asked = encoded(literal(self._prefix) + stars_alone(pattern))
        length, glob = len(encoded(self._prefix)), compiled((pattern,))
        found: set[bytes] = set()
        cursor = -1
        while cursor:
            async with asyncio.timeout(self._timeout):
                cursor, names = await self._clients.here().scan(
                    max(cursor, 0), match=asked, count=BATCH
                )
            keys = (name[length:] for name in cast("list[bytes]", names))
            found.update(key for key in keys if glob.match(text_of(key)))
        found.discard(_STATE.encode())
        for some in batches(list(found)):
            await self._drop_some(some, ())

    async def _flush(self) -> None:
        await self._run(scripts.FLUSH, [], [])

    async def _run(
        self, script: str, keys: Sequence[bytes], arguments: Sequence[bytes | str | int]
    ) -> list[object]:
        given = [self._state, *keys, self._epoch, secrets.token_hex(16), *arguments]
        epoch, *found = await self._send(script, 1 + len(keys), given)
        with self._newest:
            self._epoch = max(self._epoch, cast("bytes", epoch))
        return found

    async def _send(
        self, script: str, count: int, given: Sequence[bytes | str | int]
    ) -> list[object]:
        client = self._clients.here()
        async with asyncio.timeout(self._timeout):
            try:
                answer = await client.evalsha(scripts.DIGESTS[script], count, *given)
            except NoScriptError:  # the server has not seen it yet
                answer = await client.eval(script, count, *given)
        return cast("list[object]", answer)

    def _decoded(self, value: bytes) -> object:
        try:
            return self._loads(value)
        except Exception:  # noqa: BLE001 - another version of the application has written it
            return MISS

    def _key(self, key: str) -> bytes:
        return encoded(self._prefix + key)
