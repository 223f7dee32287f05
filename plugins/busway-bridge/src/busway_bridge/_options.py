"""The options of a connection: those of the plugin's settings, or those of a URL; checked."""

from __future__ import annotations

import os
import re
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Final, cast
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

__all__ = ["SCHEMES", "Options", "from_url"]

SCHEMES: Final = {
    "redis": "redis",
    "rediss": "redis",
    "nats": "nats",
    "tls": "nats",
    "amqp": "rabbit",
    "amqps": "rabbit",
    "kafka": "kafka",
}
"""FastStream's name of the broker, by the scheme of its URL."""

_NUMBERS: Final = {
    "concurrency": (1, 10_000),
    "max_deliveries": (0, 1_000_000),
    "dedupe_window": (0, 100_000_000),
    "buffer": (1, 1_000_000),
    "maxlen": (0, 2**62),
}
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(:[0-9]*)?")
_SECONDS: Final = ("ack_wait", "retry_delay", "timeout")


@dataclass(frozen=True, slots=True)
class Options:
    """How to speak to a broker.

    Attributes:
        url: where it is; the only one that may hold a secret.
        subjects: what is received.
        group: who shares the receiving.
        origin: who is sending.
        concurrency: how many events are handled at once.
        ack_wait: how many seconds after the death of a worker its events are given to another.
        retry_delay: seconds before an event that failed is delivered again.
        max_deliveries: after how many an event that fails is a dead letter; 0 for never.
        dedupe_window: how many events are remembered.
        buffer: how many may wait for the broker.
        timeout: seconds in which it must have acknowledged one.
        maxlen: how many entries a Redis stream keeps, about; 0 for all.
    """

    url: str = field(repr=False)
    subjects: tuple[str, ...] = ()
    group: str = "busway"
    origin: str = ""
    concurrency: int = 1
    ack_wait: float = 30.0
    retry_delay: float = 1.0
    max_deliveries: int = 5
    dedupe_window: int = 100_000
    buffer: int = 1_000
    timeout: float = 30.0
    maxlen: int = 0

    def __post_init__(self) -> None:
        """Check them.

        Raises:
            ValueError: if one is not as described; it names it, and never shows the URL.
        """
        if self.kind is None:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise ValueError(f"url: one that begins with {known} is expected")
        for name, (least, most) in _NUMBERS.items():
            value: object = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise ValueError(
                    f"{name}: a whole number from {least} to {most} is expected, not {value!r}"
                )
        for name in _SECONDS:
            seconds: object = getattr(self, name)
            if (
                isinstance(seconds, bool)
                or not isinstance(seconds, int | float)
                or not 0 < seconds < 1e9
            ):
                raise ValueError(f"{name}: seconds, more than 0, are expected, not {seconds!r}")
        for name, words in (("subjects", self.subjects), ("group", (self.group,))):
            for word in words:
                if not word or not word.isprintable() or " " in word or "," in word:
                    raise ValueError(f"{name}: {word!r} is no name: no spaces, no commas")

    @property
    def kind(self) -> str | None:
        """Which broker it is; None if none that is known."""
        return SCHEMES.get(self.url.partition("://")[0])

    @property
    def via(self) -> str:
        """The URL without credentials and options: for logs, errors and `metadata`."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"

    def named(self) -> Options:
        """With an origin: host and program, if none is given."""
        return self if self.origin else replace(self, origin=_here())


def from_url(url: str, **more: object) -> Options:
    """The options in a URL's query; what is left of it is the client's.

    Args:
        url: `redis://localhost?subject=orders,users&group=billing&concurrency=8`.
        more: options that count where the URL says nothing.

    Raises:
        ValueError: if one is wrong; it names it.
    """
    parts = _split(url)
    known = Options.__dataclass_fields__
    given: dict[str, object] = {}
    subjects: list[str] = []
    left: list[tuple[str, str]] = []
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        if name == "subject":
            subjects += text.split(",")
        elif name in known and name not in ("url", "subjects"):
            given[name] = _read(name, text)
        else:
            left.append((name, text))
    rest = urlunsplit(parts._replace(query=urlencode(left)))
    named = {**more, **given, **({"subjects": tuple(subjects)} if subjects else {})}
    return Options(url=rest, **cast("dict[str, str]", named))  # type: ignore[arg-type]


def _split(url: str) -> SplitResult:
    """A password that is not quoted would be taken for a port or a path, and shown."""
    with suppress(ValueError):
        parts = urlsplit(url)
        hosts = parts.netloc.rpartition("@")[2].split(",")
        if (
            all(map(_HOST.fullmatch, hosts))
            and "@" not in parts.path + parts.query + parts.fragment
        ):
            return parts
    raise ValueError(
        "url: SCHEME://USER:PASSWORD@HOST:PORT/PATH is expected; quote what is special in any of "
        "them: / as %2F, ? as %3F, # as %23, @ as %40"
    )


def _read(name: str, text: str) -> object:
    try:
        if name in _NUMBERS:
            return int(text)
        return float(text) if name in _SECONDS else text
    except ValueError:
        raise ValueError(f"{name}: a number is expected, not {text!r}") from None


def _here() -> str:
    path = PurePath(sys.argv[0] if sys.argv else "")
    # `python -m shop` runs shop/__main__.py, as every other package does
    program = (path.parent.name if path.stem == "__main__" else path.stem) or "python"
    return f"{socket.gethostname() or os.uname().nodename}/{program}"
