"""Circuit breakers: opened by failures in a row, closed by one probe."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from busway import BusClosedError, Event, SkipHandler
from busway_resilience import CircuitBreakerInterceptor, CircuitOpenError
from busway_resilience._circuit import Circuit

EVENT = "user.login"


def breaker(failures=2, reset=3600.0):
    return CircuitBreakerInterceptor(breaker_failures=failures, breaker_reset=reset)


class Clock:
    """Tells the time that it is set to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def clocked(interceptor, name="worker"):
    """The clock of a handler's circuit, in the place of the real one."""
    clock = interceptor._states.named()[name].circuit._clock = Clock()
    return clock


async def test_it_opens_after_so_many_failures_in_a_row(bus, hear, fails, caplog):
    """The handler is called no more; its outcome is an error that tells when it will be."""
    function = fails(*(ConnectionError("s3cret-canary") for _ in range(5)))
    bus.add_interceptor(breaker())
    hear(function)
    for _ in range(2):
        await bus.publish(Event(EVENT))
    (error,) = (await bus.publish(Event(EVENT))).errors
    assert isinstance(error, CircuitOpenError)
    assert (error.handler, function.calls) == ("worker", 2)
    assert 3590 < error.retry_after <= 3600
    assert "2 failures in a row, the last of them ConnectionError" in str(error)
    health = {"circuit_worker": "open", "opened_worker": 1, "refused_worker": 1}
    assert bus.health()["circuit-breaker"] == health
    told = [one.getMessage() for one in caplog.records if one.name == "busway.resilience"]
    assert len(told) == 1
    assert "handler worker is not called for 3600 s" in told[0]
    assert "s3cret-canary" not in told[0] + str(error)


async def test_a_success_between_failures_keeps_it_closed(bus, hear):
    """Only failures in a row count."""
    bus.add_interceptor(breaker())

    async def flaky(event):
        if event.payload["fail"]:
            raise ValueError

    hear(flaky)
    for fail in (True, False, True, False, True):
        await bus.publish(Event(EVENT, {"fail": fail}))
    assert bus.health()["circuit-breaker"]["circuit_worker"] == "closed"


async def test_it_is_closed_by_a_probe_that_returns(bus, hear, fails):
    """After its time."""
    interceptor = breaker(reset=10.0)
    bus.add_interceptor(interceptor)
    hear(fails(ValueError(), ValueError()))
    clock = clocked(interceptor)
    for _ in range(2):
        await bus.publish(Event(EVENT))
    clock.now = 9.0
    assert not (await bus.publish(Event(EVENT))).ok
    clock.now = 10.0
    assert bus.health()["circuit-breaker"]["circuit_worker"] == "half-open"
    assert (await bus.publish(Event(EVENT))).ok
    assert bus.health()["circuit-breaker"]["circuit_worker"] == "closed"


async def test_it_stays_open_after_a_probe_that_fails(bus, hear, fails):
    """One failure is enough, and no new opening."""
    function = fails(*(ValueError() for _ in range(3)))
    interceptor = breaker(reset=10.0)
    bus.add_interceptor(interceptor)
    hear(function)
    clock = clocked(interceptor)
    for _ in range(2):
        await bus.publish(Event(EVENT))
    clock.now = 10.0
    await bus.publish(Event(EVENT))
    health = bus.health()["circuit-breaker"]
    assert (health["circuit_worker"], health["opened_worker"], function.calls) == ("open", 1, 3)


async def probing(bus, hear, gate):
    """A probe that is on its way, behind a circuit that one failure has opened."""
    interceptor = breaker(failures=1, reset=10.0)
    bus.add_interceptor(interceptor)

    async def first_fails(event):
        if event.payload["fail"]:
            raise ValueError
        await gate(event)

    hear(first_fails)
    clock = clocked(interceptor)
    await bus.publish(Event(EVENT, {"fail": True}))
    clock.now = 10.0
    probe = asyncio.create_task(bus.publish(Event(EVENT, {"fail": False})))
    await gate.until(1)
    return probe


async def test_one_probe_at_a_time(bus, hear, gate):
    """While it is on its way, the others are refused."""
    probe = await probing(bus, hear, gate)
    assert bus.health()["circuit-breaker"]["circuit_worker"] == "half-open"
    (error,) = (await bus.publish(Event(EVENT, {"fail": False}))).errors
    assert isinstance(error, CircuitOpenError)
    gate.open()
    assert (await probe).ok


@pytest.mark.parametrize(
    "error", [SkipHandler("no"), BusClosedError("closed"), asyncio.CancelledError()]
)
async def test_what_says_nothing_of_the_handler_does_not_count(bus, hear, fails, outcome, error):
    """It passes as it is."""
    bus.add_interceptor(breaker(failures=1))
    hear(fails(error))
    assert outcome(await bus.publish(Event(EVENT)))[1] is error
    assert bus.health()["circuit-breaker"]["circuit_worker"] == "closed"


async def test_a_probe_that_is_cancelled_tells_nothing(bus, hear, gate):
    """The next call is the probe."""
    probe = await probing(bus, hear, gate)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert bus.health()["circuit-breaker"]["circuit_worker"] == "half-open"
    gate.open()
    assert (await bus.publish(Event(EVENT, {"fail": False}))).ok


async def test_each_handler_has_its_own(bus, hear, fails):
    """One that is broken does not stop another; of one name, they are told apart."""
    bus.add_interceptor(breaker(failures=1))
    hear(fails(ValueError()), name="twin")
    hear(fails(), name="twin")
    await bus.publish(Event(EVENT))
    health = bus.health()["circuit-breaker"]
    assert (health["circuit_twin"], health["circuit_twin#2"]) == ("open", "closed")


async def test_a_circuit_outlasts_a_new_composition(bus, hear, fails):
    """Interceptors come and go, and what is broken stays so."""
    function = fails(ValueError())
    bus.add_interceptor(breaker(failures=1))
    hear(function)
    await bus.publish(Event(EVENT))

    def other(handler, call_next):
        return call_next

    bus.add_interceptor(other)
    bus.remove_interceptor(other)
    gc.collect()
    await bus.publish(Event(EVENT))
    assert function.calls == 1


async def test_nothing_is_left_of_a_handler_that_was_unsubscribed(bus, hear, fails, unlogged):
    """It may come back, with a circuit that is closed."""
    interceptor = breaker(failures=1)
    bus.add_interceptor(interceptor)
    handler = hear(fails(ValueError()))
    await bus.publish(Event(EVENT))
    bus.unsubscribe(handler)
    gc.collect()
    assert interceptor.health() == {}
    bus.subscribe(handler)
    assert (await bus.publish(Event(EVENT))).ok


# -- the circuit itself --------------------------------------------------------------------------


def test_what_began_before_it_opened_does_not_count():
    """A late success does not close it, and a late failure keeps it open no longer."""
    clock = Clock()
    circuit = Circuit(1, 10.0, clock)
    early, other, late = (circuit.enter()[0] for _ in range(3))
    assert circuit.fail(late)
    assert not circuit.succeed(early)
    assert circuit.state == "open"
    clock.now = 9.0
    assert not circuit.fail(other)
    clock.now = 10.0
    assert circuit.enter()[0] is not None


def test_a_probe_that_never_ends_does_not_keep_it_open_for_ever():
    """After the same time there is another, and the first one's end counts no more."""
    clock = Clock()
    circuit = Circuit(1, 10.0, clock)
    circuit.fail(circuit.enter()[0])
    clock.now = 10.0
    stuck = circuit.enter()[0]
    assert circuit.enter() == (None, 10.0)
    clock.now = 20.0
    probe = circuit.enter()[0]
    assert not circuit.fail(stuck)
    assert circuit.succeed(probe)
    assert circuit.state == "closed"


def test_of_many_threads_one_is_the_probe():
    """However many ask at once."""
    clock = Clock()
    circuit = Circuit(1, 10.0, clock)
    circuit.fail(circuit.enter()[0])
    clock.now = 10.0
    barrier, tickets = threading.Barrier(8), []

    def ask():
        barrier.wait()
        tickets.append(circuit.enter()[0])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in tickets if one is not None]) == 1
    assert circuit.refused == 7


class CircuitMachine(RuleBasedStateMachine):
    """Calls that begin and end in any order, beside a model that keeps all of history."""

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.circuit = Circuit(3, 10.0, self.clock)
        self.calls = []  # ticket and era of those on their way
        self.era = 0  # changes whenever the circuit does
        self.streak = 0
        self.probe_at = None
        self.probing = False

    @rule(seconds=st.integers(0, 12))
    def wait(self, seconds):
        self.clock.now += seconds

    @rule()
    def enter(self):
        ticket, wait = self.circuit.enter()
        if self.probe_at is None:
            assert (ticket is not None, wait) == (True, 0.0)
        elif self.clock.now < self.probe_at:
            assert (ticket, wait) == (None, self.probe_at - self.clock.now)
            return
        else:
            assert ticket is not None
            self.era += 1
            self.probe_at, self.probing = self.clock.now + 10.0, True
        self.calls.append((ticket, self.era))

    @rule(place=st.integers(0, 99), how=st.sampled_from(["succeed", "fail", "leave"]))
    def end(self, place, how):
        if not self.calls:
            return
        ticket, era = self.calls.pop(place % len(self.calls))
        getattr(self.circuit, how)(ticket)
        if era != self.era:
            return
        if how == "succeed":
            self.era += self.probe_at is not None
            self.streak, self.probe_at, self.probing = 0, None, False
        elif how == "fail":
            self.streak += 1
            if self.probe_at is not None or self.streak >= 3:
                self.era += 1
                self.probe_at, self.probing = self.clock.now + 10.0, False
        elif self.probe_at is not None:
            self.era += 1
            self.probe_at, self.probing = self.clock.now, False

    @invariant()
    def it_says_what_it_is(self):
        if self.probe_at is None:
            assert self.circuit.state == "closed"
        elif self.probing or self.clock.now >= self.probe_at:
            assert self.circuit.state == "half-open"
        else:
            assert self.circuit.state == "open"


TestCircuit = CircuitMachine.TestCase
TestCircuit.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize(
    ("name", "value"), [("breaker_failures", 0), ("breaker_reset", 0), ("breaker_reset", -1)]
)
def test_a_setting_out_of_range_is_named(name, value):
    """With what is expected."""
    with pytest.raises(ValueError, match=f"^{name}: "):
        CircuitBreakerInterceptor(**{name: value})
