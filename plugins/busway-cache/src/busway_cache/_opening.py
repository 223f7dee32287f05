"""The setting `cache`: a URL, or what an application has, as a cache."""

from __future__ import annotations

from collections.abc import Collection, MutableMapping
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from busway_cache.cache import Cache, Capability
from busway_cache.mapping import MappingCache
from busway_cache.memory import MemoryCache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["open_cache"]

_KNOWN: Final = (
    "known are 'memory:', 'redis://…', 'rediss://…', 'unix://…', 'cashews+…', and, live, a "
    "redis.asyncio.Redis, a cashews.Cache, a dict, a cache of cachetools, and Cache objects"
)


def open_cache(cache: object) -> tuple[Cache, bool]:
    """The cache that a setting means.

    Args:
        cache: None for `memory:`.

    Returns:
        It, and whether it was made here, so that it is ours to close.

    Raises:
        ValueError: if it is none, or its library is not installed; the message does not repeat
            the URL, which may hold a password.
    """
    if cache is None:
        return MemoryCache(), True
    if isinstance(cache, str):
        return _open_url(cache), True
    if isinstance(cache, Cache) and not isinstance(cache, type):
        return _checked(cache), False
    if isinstance(cache, MutableMapping):
        return MappingCache(cache), True
    library = type(cache).__module__.partition(".")[0]
    try:
        if library == "redis":
            return _open_client(cache), True
        if library == "cashews":
            from busway_cache.cashews_cache import CashewsCache  # an extra

            return CashewsCache(cache), False  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(f"cache: {error}") from None
    raise ValueError(f"cache: {type(cache).__name__} is none; {_KNOWN}")


def _checked(cache: Cache) -> Cache:
    able: object = cache.capabilities
    if not isinstance(able, Collection) or isinstance(able, str):
        raise ValueError(f"cache: capabilities of {type(cache).__name__} are no collection")  # noqa: TRY004
    for one in able:
        if one not in list(Capability):
            known = ", ".join(Capability)
            raise ValueError(f"cache: there is no capability {one!r}; there are {known}")
    return cache


def _open_client(client: object) -> Cache:
    if not type(client).__module__.startswith("redis.asyncio"):
        raise ValueError("it would block the event loop: give a redis.asyncio.Redis")
    from busway_cache.redis_cache import RedisCache  # an extra

    return RedisCache(client)  # type: ignore[arg-type]


def _open_url(url: str) -> Cache:
    scheme = url.partition(":")[0]
    opener = _SCHEMES.get("cashews" if scheme.startswith("cashews+") else scheme)
    if opener is None or ":" not in url:
        raise ValueError(f"cache: unknown scheme {scheme!r}; {_KNOWN}")
    extra = "cashews" if opener is _open_cashews else "redis"
    try:
        return opener(url)
    except ImportError as error:
        raise ValueError(
            f"cache: {scheme}: needs a library that is not installed ({error.name}): "
            f"pip install 'busway-cache[{extra}]'"
        ) from error
    except ValueError as error:
        raise ValueError(f"cache: {scheme}: {error}") from None


def _open_memory(url: str) -> Cache:
    rest, options = _split(url, {"max_entries": int, "ttl": float})
    if rest != "memory:":
        raise ValueError("nothing but options is expected after the colon")
    return MemoryCache(**options)  # type: ignore[arg-type]  # checked there


def _open_redis(url: str) -> Cache:
    from busway_cache.redis_cache import RedisCache  # an extra

    rest, options = _split(url, _REDIS, others=True)
    return RedisCache(rest, **options)  # type: ignore[arg-type]  # checked there


def _open_cashews(url: str) -> Cache:
    import cashews  # an extra

    from busway_cache.cashews_cache import CashewsCache

    rest, options = _split(url.removeprefix("cashews+"), {"ttl": float}, others=True)
    cache = cashews.Cache()
    try:
        if rest.startswith("redis"):
            cache.setup(rest, suppress=False)
        else:
            cache.setup(rest)
    except Exception as error:  # noqa: BLE001 - whatever it is, its message may repeat the URL
        raise ValueError(f"cashews does not take it: {type(error).__name__}") from None
    return CashewsCache(cache, **options)  # type: ignore[arg-type]  # checked there


def _split(
    url: str, known: Mapping[str, Callable[[str], object]], *, others: bool = False
) -> tuple[str, dict[str, object]]:
    """A URL without the options of ours, and those, read."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it is read by this
    except ValueError:  # its message repeats what may be of a password
        raise ValueError(
            "it is no URL of a host and a port that is a number; in a user and a password / ? # [ "
            "] @ : are percent-encoded"
        ) from None
    options: dict[str, object] = {}
    left: list[tuple[str, str]] = []
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        if name in known:
            options[name] = _read(name, text, known[name])
        elif others:
            left.append((name, text))
        else:
            raise ValueError(f"unknown option {name!r}; there are {', '.join(known)}")
    query = urlencode(left)
    rest = urlunsplit(parts._replace(query=query))
    return rest, options


def _read(name: str, text: str, read: Callable[[str], object]) -> object:
    try:
        return read(text)
    except ValueError:
        wanted = {int: "a whole number", float: "a number"}.get(cast("type", read), "yes or no")
        raise ValueError(f"{name}: {wanted} is expected, not {text!r}") from None


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(text)
    return text == "yes"


_REDIS: Final[Mapping[str, Callable[[str], object]]] = {
    "prefix": str,
    "scan": _yes,
    "timeout": float,
    "ttl": float,
}
_SCHEMES: Final[Mapping[str, Callable[[str], Cache]]] = {
    "cashews": _open_cashews,
    "memory": _open_memory,
    "redis": _open_redis,
    "rediss": _open_redis,
    "unix": _open_redis,
}
