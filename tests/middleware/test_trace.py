"""Trace ids: accepted, created, continued, replaced."""

from __future__ import annotations

import asyncio
import os
import random
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busway import Event
from busway_middleware import TraceMiddleware

VALID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def traced(traceparent, **metadata):
    return Event("user.login", metadata={"traceparent": traceparent, **metadata})


def parts(event):
    return event.metadata["traceparent"].split("-")


@pytest.mark.parametrize(
    "traceparent",
    [
        VALID,
        VALID[:-2] + "00",
        VALID[:-2] + "ff",  # flags that are not known yet
        "01" + VALID[2:],
        "cc" + VALID[2:] + "-what-the-future-will-be-like",
        "fe" + VALID[2:] + "-",
    ],
)
def test_a_valid_one_is_kept(traceparent):
    """The very event, with its tracestate."""
    event = traced(traceparent, tracestate="congo=t61rcWkgMzE")
    assert TraceMiddleware()(event) is event


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "00",
        VALID.upper(),
        VALID.replace("-", ""),
        "ff" + VALID[2:],
        "0" + VALID[2:],
        "00-" + "0" * 32 + VALID[35:],
        VALID[:36] + "0" * 16 + VALID[52:],
        VALID + "-more",  # version 00 has four fields
        VALID + "-",
        VALID[:-1],
        VALID[:-1] + "g",
        VALID + "\n",
        " " + VALID,
        "cc" + VALID[2:] + ".more",
        "cc" + VALID[2:] + "-more\r\nX-Evil: 1",
    ],
)
def test_an_invalid_one_is_replaced(traceparent):
    """By a new one, and the tracestate that came with it is left out; that is counted."""
    middleware = TraceMiddleware()
    event = traced(traceparent, tracestate="congo=t61rcWkgMzE", origin="shop")
    made = middleware(event)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-03", made.metadata["traceparent"])
    assert {**made.metadata, "traceparent": ""} == {"origin": "shop", "traceparent": ""}
    assert TRACE not in made.metadata["traceparent"]
    assert middleware.health() == {"replaced": 1}
    assert event.metadata["traceparent"] == traceparent


def test_a_tracestate_alone_is_left_out():
    """It belongs to a traceparent."""
    made = TraceMiddleware()(Event("user.login", metadata={"tracestate": "congo=1"}))
    assert set(made.metadata) == {"traceparent"}


@settings(deadline=None)
@given(sampled=st.booleans())
def test_what_is_created_is_valid(sampled):
    """The same event, with ids of its own; it is kept when it is seen again."""
    middleware = TraceMiddleware(sampled=sampled)
    event = Event("user.login")
    made = middleware(event)
    assert made.id == event.id
    assert parts(made)[3] == ("03" if sampled else "02")
    assert middleware(made) is made
    assert middleware.health() == {"replaced": 0}


def test_ids_are_not_those_of_a_seed():
    """An application that seeds `random` does not get the same traces twice."""
    found = set()
    for _ in range(2):
        random.seed(7)
        found.add(tuple(parts(TraceMiddleware()(Event("user.login"))))[1])
    assert len(found) == 2


FORKED = """
import os
from busway import Event
from busway_middleware import TraceMiddleware
middleware = TraceMiddleware()
child = os.fork()
print(middleware(Event("user.login")).metadata["traceparent"], flush=True)
if child:
    os.waitpid(child, 0)
else:
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_ids_are_not_those_of_a_parent():
    """A process that is forked does not go on where its parent does."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, check=True
    )
    assert len(set(re.findall(r"00-([0-9a-f]{32})", done.stdout))) == 2


async def by_publish(bus, event):
    await bus.publish(event)


async def by_publish_many(bus, event):
    await bus.publish_many([event])


async def by_publish_soon(bus, event):
    bus.publish_soon(event)
    await asyncio.sleep(0)


async def in_a_task(bus, event):
    await asyncio.create_task(by_publish(bus, event))


async def in_a_thread(bus, event):
    await asyncio.to_thread(lambda: asyncio.run(bus.publish(event)))


@pytest.mark.parametrize(
    "way", [by_publish, by_publish_many, by_publish_soon, in_a_task, in_a_thread]
)
async def test_what_a_handler_publishes_continues_its_trace(bus, hear, way):
    """The same trace id, flags and tracestate, and a parent id of its own."""
    bus.add_middleware(TraceMiddleware())
    heard = hear("audit.log")
    hear("user.login", react=lambda _: way(bus, Event("audit.log")))
    await bus.publish(traced(VALID, tracestate="congo=1"))
    await bus.drain()
    (child,) = heard.events
    _, trace_id, parent_id, flags = parts(child)
    assert (trace_id, flags) == (TRACE, "01")
    assert parent_id not in VALID
    assert child.metadata["tracestate"] == "congo=1"


async def test_siblings_have_parent_ids_of_their_own(bus, hear):
    """Two events of one handler, and a grandchild, are of one trace and told apart."""
    bus.add_middleware(TraceMiddleware())
    heard = hear()

    async def react(event):
        await bus.publish_many([Event("item.created"), Event("item.created")])

    hear("user.created", react=react)
    hear("item.created", react=lambda _: bus.publish(Event("audit.log")))
    await bus.publish(Event("user.created"))
    assert [one.type for one in heard.events].count("audit.log") == 2
    assert len({parts(one)[1] for one in heard.events}) == 1
    assert len({parts(one)[2] for one in heard.events}) == len(heard.events) == 5


async def test_publishes_one_after_another_are_traces_of_their_own(bus, hear):
    """What one publish has begun does not reach the next of the same task."""
    bus.add_middleware(TraceMiddleware())
    heard = hear()
    await bus.publish(Event("user.login"))
    await bus.publish(Event("user.login"))
    one, other = heard.events
    assert parts(one)[1] != parts(other)[1]


async def test_a_later_version_is_continued_in_ours(bus, hear):
    """By its first four fields, without flags that we do not know."""
    bus.add_middleware(TraceMiddleware())
    heard = hear("audit.log")
    hear("user.login", react=lambda _: bus.publish(Event("audit.log")))
    await bus.publish(traced(f"cc{VALID[2:-2]}f3-more"))
    version, trace_id, _, flags = parts(heard.events[0])
    assert (version, trace_id, flags) == ("00", TRACE, "03")


async def test_one_given_by_hand_inside_a_handler_is_kept(bus, hear):
    """It is not that of the event being handled."""
    bus.add_middleware(TraceMiddleware())
    heard = hear("audit.log")
    theirs = VALID.replace("4bf9", "aaaa")
    own = Event("audit.log", metadata={"traceparent": theirs})
    hear("user.login", react=lambda _: bus.publish(own))
    await bus.publish(traced(VALID))
    assert heard.events[0].metadata["traceparent"] == theirs


def test_a_setting_that_is_no_bool_is_named():
    """As all settings are."""
    with pytest.raises(TypeError, match=r"^sampled: "):
        TraceMiddleware(sampled=1)
