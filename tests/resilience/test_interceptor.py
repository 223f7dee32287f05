"""The plugin: what is set for which handler, and in which order it is done."""

from __future__ import annotations

import asyncio
import doctest
import gc
import importlib
import pkgutil
import weakref

import pytest

import busway_resilience
from busway import Event, EventBus, PluginLoadError, SkipHandler, load_plugins
from busway_resilience import (
    CircuitOpenError,
    HandlerTimeoutError,
    ResilienceInterceptor,
    read_dead_letters,
)

EVENT = "user.login"
NOW = {"retry_wait": 0.0, "retry_jitter": 0.0}


def health(bus):
    return bus.health()["resilience"]


# -- where values come from ----------------------------------------------------------------------


def test_a_handler_for_which_nothing_is_on_costs_nothing(make, fails):
    """Its call is the one that was given."""
    handler = make(fails())
    assert ResilienceInterceptor()(handler, handler.handle) is handler.handle


async def test_a_setting_is_for_all_handlers(bus, hear, gate, fails):
    """Unless another is for one of them."""
    bus.add_interceptor(ResilienceInterceptor(timeout=0.01))
    hear(gate, name="slow")
    hear(fails(), name="quick")
    result = await bus.publish(Event(EVENT))
    assert [type(error) for error in result.errors] == [HandlerTimeoutError]
    assert health(bus)["timeouts_slow"] == 1


async def test_attributes_of_a_class_are_its_handlers(bus, hear, gate, fails):
    """They win over what is for all."""
    bus.add_interceptor(ResilienceInterceptor(timeout=60, **NOW))
    hear(gate, name="slow", timeout=0.01)
    function = fails(ValueError(), ValueError())
    hear(function, name="flaky", retries=2)
    result = await bus.publish(Event(EVENT))
    assert [error.timeout for error in result.errors] == [0.01]
    assert function.calls == 3


async def test_a_setting_by_name_wins_over_an_attribute(bus, hear, gate, fails):
    """The operator over the author; what it does not say stays as it was."""
    handlers = {"slow": {"timeout": 0.02}, "flaky": {"retries": 1}}
    bus.add_interceptor(ResilienceInterceptor(handlers=handlers, **NOW))
    hear(gate, name="slow", timeout=3600)
    function = fails(*(OSError() for _ in range(5)))
    hear(function, name="flaky", retries=4, retry_on=["OSError"])
    result = await bus.publish(Event(EVENT))
    assert result.errors[0].timeout == 0.02
    assert function.calls == 2


async def test_zero_switches_off(bus, hear, fails):
    """For one handler what is on for all."""
    off = dict.fromkeys(("timeout", "retries", "max_concurrency", "breaker_failures"), 0)
    bus.add_interceptor(
        ResilienceInterceptor(
            timeout=5,
            retries=3,
            max_concurrency=1,
            breaker_failures=1,
            dead_letter="never",
            handlers={"worker": {**off, "dead_letter": ""}},
        )
    )
    function = fails(ValueError(), ValueError())
    hear(function)
    for _ in range(2):
        await bus.publish(Event(EVENT))
    assert function.calls == 2
    assert health(bus) == {"unmatched": ""}


def test_methods_and_properties_are_no_settings(bus, hear, fails):
    """A handler may have something of its own that is called so."""
    bus.add_interceptor(ResilienceInterceptor())
    hear(fails(), timeout=property(lambda self: "soon"), retries=lambda self: 7)
    assert health(bus) == {"unmatched": ""}


def test_an_attribute_that_is_wrong_is_named(bus, make, fails):
    """With the handler; nothing is subscribed."""
    bus.add_interceptor(ResilienceInterceptor())
    with pytest.raises(ValueError, match=r"^handler worker: retries: at least 0"):
        bus.subscribe(make(fails(), retries=-1))
    assert bus.handlers == ()


def test_names_that_no_handler_has_are_told(bus, hear, fails):
    """A mistyped name is seen in health."""
    bus.add_interceptor(ResilienceInterceptor(handlers={"worker": {}, "wroker": {"retries": 1}}))
    hear(fails())
    assert health(bus)["unmatched"] == "wroker"


@pytest.mark.parametrize(
    ("settings", "error", "culprit"),
    [
        ({"timeout": -1}, ValueError, "timeout: "),
        ({"timeout": "5"}, TypeError, "timeout: "),
        ({"retries": 1.5}, TypeError, "retries: "),
        ({"max_concurrency": -1}, ValueError, "max_concurrency: "),
        ({"breaker_failures": -1}, ValueError, "breaker_failures: "),
        ({"breaker_reset": 0}, ValueError, "breaker_reset: "),
        ({"dead_letter": 7}, TypeError, "dead_letter: "),
        ({"retry_on": ["NoSuchError"]}, ValueError, "retry_on: "),
        ({"handlers": ["worker"]}, TypeError, "handlers: a table"),
        ({"handlers": {"a.B": 5}}, TypeError, r"handlers\.a\.B: a table"),
        ({"handlers": {"a.B": {"tiemout": 5}}}, ValueError, r"handlers\.a\.B\.tiemout: unknown"),
        ({"handlers": {"a.B": {"timeout": -5}}}, ValueError, r"handlers\.a\.B\.timeout: "),
    ],
)
def test_a_setting_that_is_wrong_is_named(settings, error, culprit):
    """With what is expected."""
    with pytest.raises(error, match=f"^{culprit}"):
        ResilienceInterceptor(**settings)


# -- the order -----------------------------------------------------------------------------------


async def test_a_timeout_is_that_of_one_try(bus, hear, gate):
    """One that was too slow is tried again, with all of its time."""
    bus.add_interceptor(ResilienceInterceptor(timeout=0.01, retries=2, **NOW))
    calls = []

    async def slow_at_first(event):
        calls.append(event)
        if len(calls) < 3:
            await gate(event)

    hear(slow_at_first)
    assert (await bus.publish(Event(EVENT))).ok
    told = health(bus)
    assert (told["timeouts_worker"], told["retries_worker"]) == (2, 2)


async def test_the_circuit_judges_each_try_and_ends_the_retries(bus, hear, fails):
    """A handler that is down is called as often as opens the circuit, and no more."""
    function = fails(*(ConnectionError() for _ in range(50)))
    bus.add_interceptor(
        ResilienceInterceptor(retries=9, breaker_failures=3, breaker_reset=3600, **NOW)
    )
    hear(function)
    for _ in range(4):
        (error,) = (await bus.publish(Event(EVENT))).errors
        assert isinstance(error, CircuitOpenError)
    assert function.calls == 3


async def test_only_what_has_failed_for_good_is_a_dead_letter(bus, hear, fails, tmp_path):
    """Once an event, with the last error; what was refused by an open circuit is one, too."""
    path = tmp_path / "letters"
    bus.add_interceptor(
        ResilienceInterceptor(
            retries=2, breaker_failures=4, breaker_reset=3600, dead_letter=path, **NOW
        )
    )
    hear(fails(*(ConnectionError(str(n)) for n in (1, 2)), *(OSError(str(n)) for n in range(9))))
    for user_id in (1, 2, 3):
        await bus.publish(Event(EVENT, {"user_id": user_id}))
    letters = list(read_dead_letters(path))
    assert [letter.event.payload["user_id"] for letter in letters] == [1, 2, 3]
    assert letters[0].error == "OSError: 0"
    assert letters[2].error.startswith("CircuitOpenError: ")


async def test_a_try_that_waits_for_the_next_holds_no_slot(bus, hear):
    """Others work meanwhile."""
    bus.add_interceptor(ResilienceInterceptor(max_concurrency=1, retries=1, **NOW))
    seen = []

    async def flaky(event):
        seen.append(event.payload["n"])
        if seen.count(event.payload["n"]) == 1 and event.payload["n"] == 0:
            raise ValueError

    hear(flaky)
    await asyncio.gather(*(bus.publish(Event(EVENT, {"n": n})) for n in range(2)))
    assert seen == [0, 1, 0]


async def test_waiting_for_a_slot_is_not_of_the_handler_s_time(bus, hear, gate):
    """Its time begins when it is called."""
    bus.add_interceptor(
        ResilienceInterceptor(max_concurrency=1, handlers={"worker": {"timeout": 0.2}})
    )
    hear(gate)
    tasks = [asyncio.create_task(bus.publish(Event(EVENT))) for _ in range(2)]
    errors = [(await task).errors[0] for task in tasks]
    assert [type(error) for error in errors] == [HandlerTimeoutError] * 2
    assert (gate.entered, gate.most) == (2, 1)


async def test_who_waited_for_a_slot_asks_the_circuit_then(bus, hear, gate):
    """Those in the queue of a handler that is down do not call it one after another."""
    bus.add_interceptor(
        ResilienceInterceptor(
            max_concurrency=1, breaker_failures=1, breaker_reset=3600, timeout=0.01
        )
    )
    hear(gate)
    results = await asyncio.gather(*(bus.publish(Event(EVENT)) for _ in range(5)))
    assert [type(one.errors[0]) for one in results] == [
        HandlerTimeoutError,
        *[CircuitOpenError] * 4,
    ]
    assert gate.entered == 1


async def test_a_skipped_event_is_nothing_to_any_of_them(bus, hear, fails, outcome, tmp_path):
    """An interceptor inside may keep events from the handler."""
    bus.add_interceptor(
        ResilienceInterceptor(retries=3, breaker_failures=1, dead_letter=tmp_path / "x", **NOW)
    )

    def skip(handler, call_next):
        async def call(event):
            raise SkipHandler

        return call

    bus.add_interceptor(skip)
    hear(fails())
    for _ in range(2):
        assert outcome(await bus.publish(Event(EVENT)))[0] == "skipped"
    assert health(bus)["dead_letters"] == 0


@pytest.mark.parametrize("place", ["handler", "slot", "pause"])
async def test_cancelling_the_publisher_passes_through_all_of_them(
    bus, hear, gate, outcome, tmp_path, place
):
    """Wherever it waits; nothing is held afterwards, and nothing was judged or kept."""
    bus.add_interceptor(
        ResilienceInterceptor(
            timeout=60,
            retries=3,
            retry_wait=3600,
            retry_max_wait=3600,
            max_concurrency=1,
            breaker_failures=2,
            dead_letter=tmp_path / "letters",
        )
    )
    failed = asyncio.Event()

    async def work(event):
        if event.payload["fail"]:
            failed.set()
            raise ValueError
        await gate(event)

    hear(work)
    tasks = [asyncio.create_task(bus.publish(Event(EVENT, {"fail": place == "pause"})))]
    if place == "pause":
        await failed.wait()
        for _ in range(5):
            await asyncio.sleep(0)
    else:
        await gate.until(1)
    if place == "slot":
        tasks.insert(0, asyncio.create_task(bus.publish(Event(EVENT, {"fail": False}))))
        while not health(bus)["waiting_worker"]:
            await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    gate.open()
    assert outcome(await bus.publish(Event(EVENT, {"fail": False})))[0] == "ok"
    told = health(bus)
    assert (told["running_worker"], told["waiting_worker"]) == (0, 0)
    assert (told["circuit_worker"], told["dead_letters"]) == ("closed", 0)
    assert not (tmp_path / "letters").exists()


async def test_the_end_of_the_bus_ends_them_all(hear, make, fails, tmp_path):
    """A pause between tries does not outlast `drain_timeout`."""
    bus = EventBus(drain_timeout=0.01, stop_timeout=0.01)
    bus.add_interceptor(ResilienceInterceptor(retries=3, retry_wait=3600, retry_max_wait=3600))
    bus.subscribe(make(fails(ValueError())))
    async with asyncio.timeout(10), bus:
        task = bus.publish_soon(Event(EVENT))
        await asyncio.sleep(0)
    (outcome,) = (await task).outcomes
    assert outcome.status == "cancelled"


# -- what stays, and what goes -------------------------------------------------------------------


async def test_handlers_of_several_policies_are_told_together(bus, hear, fails, tmp_path):
    """Each under its name; letters of several files are added up."""
    handlers = {"one": {"dead_letter": str(tmp_path / "one")}, "two": {"breaker_reset": 7.0}}
    bus.add_interceptor(
        ResilienceInterceptor(
            breaker_failures=1, dead_letter=str(tmp_path / "all"), handlers=handlers
        )
    )
    for name in ("one", "two", "three"):
        hear(fails(ValueError()), name=name)
    await bus.publish(Event(EVENT))
    told = health(bus)
    assert [told[f"circuit_{name}"] for name in ("one", "two", "three")] == ["open"] * 3
    assert told["dead_letters"] == 3


@pytest.mark.parametrize("broken", ["one", "two"])
async def test_a_file_that_can_be_written_hides_no_other_that_cannot(
    bus, hear, fails, tmp_path, broken, unlogged
):
    """Whichever comes first."""
    (tmp_path / broken).mkdir()
    bus.add_interceptor(ResilienceInterceptor())
    for name in ("one", "two"):
        hear(fails(ValueError()), name=name, dead_letter=str(tmp_path / name))
    await bus.publish(Event(EVENT))
    assert "IsADirectoryError" in health(bus)["dead_letter_error"]


async def test_handlers_of_one_name_hide_no_open_circuit(bus, hear, fails, unlogged):
    """They are told together, if they have several policies."""
    bus.add_interceptor(ResilienceInterceptor())
    hear(fails(ValueError()), name="same", breaker_failures=1)
    hear(fails(), name="same", breaker_failures=2)
    await bus.publish(Event(EVENT))
    assert health(bus)["circuit_same"] == "open; closed"


async def test_a_handler_that_was_unsubscribed_is_let_go(bus, hear, fails, unlogged):
    """Nothing keeps it."""
    bus.add_interceptor(
        ResilienceInterceptor(timeout=5, retries=1, max_concurrency=1, breaker_failures=1, **NOW)
    )
    handler = hear(fails(ValueError()))
    await bus.publish(Event(EVENT))
    gone = weakref.ref(handler)
    bus.unsubscribe(handler)
    del handler
    gc.collect()
    assert gone() is None
    assert health(bus) == {"unmatched": ""}


def plain(event):
    """A handler that nothing can interrupt."""


def test_a_plain_function_may_have_all_but_a_timeout(bus, hear):
    """Nothing has to interrupt it."""
    bus.add_interceptor(ResilienceInterceptor(retries=1, max_concurrency=1, breaker_failures=3))
    hear(plain)
    assert health(bus)["circuit_worker"] == "closed"


def test_a_plain_function_that_is_to_have_one_is_refused(bus, make):
    """By an attribute of its own class as by a setting; the remedy works."""
    bus.add_interceptor(ResilienceInterceptor(handlers={"spared": {"timeout": 0}}))
    with pytest.raises(
        TypeError, match=r"\[plugins\.resilience\.handlers\.\"worker\"\] timeout = 0"
    ):
        bus.subscribe(make(plain, timeout=5.0))
    bus.subscribe(make(plain, name="spared", timeout=5.0))
    assert [one.name for one in bus.handlers] == ["spared"]


# -- as a plugin ---------------------------------------------------------------------------------


def load(bus, **settings):
    return load_plugins(
        bus, allow=["resilience"], settings={"resilience": {"enabled": True, **settings}}
    )


def test_it_is_off_until_it_is_enabled(bus):
    """It changes what happens to others."""
    row = load_plugins(bus, allow=["resilience"], strict=True)["resilience"]
    assert (row.state, bus.interceptors) == ("disabled", ())


async def test_its_settings_may_stand_in_a_file(bus, hear, fails, gate, tmp_path, monkeypatch):
    """A table a handler."""
    (tmp_path / "busway.toml").write_text(
        "[plugins.resilience]\nenabled = true\nretries = 2\nretry_wait = 0\nretry_jitter = 0\n"
        'retry_on = ["OSError"]\ndead_letter = "dead.jsonl"\n'
        '[plugins.resilience.handlers."shop.Slow"]\ntimeout = 0.01\nretries = 0\n'
    )
    monkeypatch.chdir(tmp_path)
    load_plugins(bus, allow=["resilience"], strict=True)
    function = fails(OSError(), ConnectionError())
    hear(function)
    hear(gate, name="shop.Slow")
    result = await bus.publish(Event(EVENT))
    assert [type(error) for error in result.errors] == [HandlerTimeoutError]
    assert function.calls == 3
    assert len(list(read_dead_letters(tmp_path / "dead.jsonl"))) == 1


def test_loading_tells_whom_it_cannot_limit(bus, hear):
    """The report names handler and remedy; the bus is as it was."""
    hear(plain)
    row = load(bus, timeout=5)["resilience"]
    assert row.state == "failed"
    assert "handler worker cannot have a timeout of 5 s" in row.reason
    assert "in_thread=True" in row.reason
    assert bus.interceptors == ()


def test_strict_loading_raises_it(bus, hear):
    """As whatever keeps a plugin from running."""
    hear(plain)
    settings = {"resilience": {"enabled": True, "timeout": 5}}
    with pytest.raises(PluginLoadError, match="handler worker cannot have a timeout"):
        load_plugins(bus, allow=["resilience"], settings=settings, strict=True)
    assert bus.interceptors == ()


def test_a_setting_of_the_wrong_type_is_refused(bus):
    """By core, which knows the annotations."""
    assert "resilience.retries: an integer" in load(bus, retries="three")["resilience"].reason


# -- the package ---------------------------------------------------------------------------------


def test_the_exported_names_are_true():
    """`__all__` is sorted, and every name in it is there."""
    names = busway_resilience.__all__
    assert names == sorted(names)
    assert all(hasattr(busway_resilience, name) for name in names)


@pytest.mark.parametrize(
    "module", [name for _, name, _ in pkgutil.iter_modules(busway_resilience.__path__)]
)
def test_the_docstrings_are_true(module):
    """Their examples run."""
    assert doctest.testmod(importlib.import_module(f"busway_resilience.{module}")).failed == 0
