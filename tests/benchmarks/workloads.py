"""The workloads: which handlers, and which contenders side by side."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Final

from tests.benchmarks import bare, ours, peer_buses, peers
from tests.benchmarks.contenders import Contender
from tests.benchmarks.given import EVENTS, Kind

__all__ = ["WORKLOADS", "Workload", "find"]

_ASYNC_PEERS: Final = (
    peers.blinker,
    peers.aiosignal,
    peers.pymitter,
    peers.pyee,
    peers.django,
    peer_buses.pyventus,
    peer_buses.infinity_bus,
    peer_buses.abxbus,
)
_ASYNC: Final = (ours.busway, bare.awaits, bare.gather, *_ASYNC_PEERS)


@dataclass(frozen=True, slots=True)
class Workload:
    """Something to do, and who does it.

    Attributes:
        name: what the command line calls it.
        title: what the tables call it.
        contenders: who does it; what the first takes is what the ratios are of.
        handlers: how many there are.
        kind: what they do.
        runs: how often each runs in one publish.
        operations: of how many operations one publish consists; a time is that of one.
        unit: what a time is that of.
        min_time: seconds that a value takes at least.
        compared: whether contenders differ in what they do, so that a column must tell.
    """

    name: str
    title: str
    contenders: tuple[Contender, ...]
    _: KW_ONLY
    handlers: int = 1
    kind: Kind = Kind.PLAIN
    runs: int = 1
    operations: int = 1
    unit: str = "a publish"
    min_time: float = 0.01
    compared: bool = True

    def bench_name(self, contender: str) -> str:
        """What pyperf calls a contender's figures."""
        return f"{self.name}: {contender}"

    def contender(self, name: str) -> Contender:
        """One of the contenders, by name."""
        return next(one for one in self.contenders if one.name == name)


def _subscribing(name: str, title: str, types: int) -> Workload:
    contenders = (
        ours.subscribing("beside 100,000", types=types),
        ours.subscribing("beside 1,000", types=types, share=100),
    )
    return Workload(
        name,
        title,
        contenders,
        handlers=100,
        runs=0,
        operations=200,
        unit="an operation",
        compared=False,
    )


WORKLOADS: Final = (
    Workload("plain-1", "1 handler that does not suspend", _ASYNC),
    Workload("plain-10", "10 handlers that do not suspend", _ASYNC, handlers=10),
    Workload("plain-100", "100 handlers that do not suspend", _ASYNC, handlers=100),
    Workload(
        "suspending-100",
        "100 handlers that suspend once",
        _ASYNC,
        handlers=100,
        kind=Kind.SUSPENDING,
    ),
    Workload(
        "unhandled",
        "no handler for the type",
        (ours.busway, peers.blinker_send, peers.blinker_sender, *_ASYNC_PEERS),
        handlers=0,
    ),
    Workload(
        "middleware",
        "three middleware, added cost",
        (ours.with_middleware, bare.middleware_loop),
        min_time=0.002,  # of a difference: many times as long is spent
        compared=False,
    ),
    Workload(
        "many",
        "publish_many of 1,000 events to one handler",
        (
            ours.publish_many,
            ours.publish_each,
            bare.awaits_many,
            bare.gather_many,
            peers.blinker_each,
        ),
        runs=len(EVENTS),
    ),
    Workload(
        "crowd",
        "1 handler, with 100,000 others on other types",
        (ours.crowded, replace(ours.busway, name="busway alone")),
        compared=False,
    ),
    _subscribing("subscribe", "subscribe and unsubscribe, handlers of 1,000 types", 1_000),
    _subscribing("subscribe-same", "subscribe and unsubscribe, handlers of one type", 1),
    Workload(
        "creating",
        "creating an event and publishing it to one handler",
        (ours.publish_new, peer_buses.infinity_bus, peer_buses.abxbus),
    ),
    Workload(
        "sync-100",
        "100 sync handlers",
        (
            ours.busway,
            bare.calls,
            peer_buses.pluggy,
            peers.blinker_send,
            peers.pyee_sync,
            peers.django_send,
            peers.pymitter_sync,
        ),
        handlers=100,
        kind=Kind.SYNC,
    ),
)


def find(name: str) -> Workload:
    """A workload by name."""
    return next(one for one in WORKLOADS if one.name == name)
