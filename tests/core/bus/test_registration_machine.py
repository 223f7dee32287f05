"""A stateful machine for the bus: registrations in any order, against a plain model."""

from __future__ import annotations

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from busway import ANY, Event, EventBus, EventType

TYPES = [EventType.USER_LOGIN, EventType.USER_LOGOUT, EventType.USER_CREATED]


class Handler:
    """Notes itself where its machine says."""

    def __init__(self, machine, types):
        self.machine = machine
        self.event_types = types

    async def handle(self, event):
        self.machine.heard.append(self)


class Registrations(RuleBasedStateMachine):
    """The bus beside a list of (handler, types), one of interceptors and one of middleware."""

    def __init__(self):
        super().__init__()
        self.bus = EventBus()
        self.handlers = []
        self.model = []
        self.interceptors = []
        self.middleware = []
        self.heard = []
        self.passed = []

    @rule(types=st.lists(st.sampled_from([*TYPES, ANY, "user.login"]), min_size=1, max_size=3))
    def subscribe_new(self, types):
        """A new handler goes last."""
        handler = Handler(self, types)
        self.bus.subscribe(handler)
        self.handlers.append(handler)
        self.model.append((handler, set(types)))

    @precondition(lambda self: self.handlers)
    @rule(data=st.data(), types=st.lists(st.sampled_from(TYPES), min_size=1))
    def subscribe_again(self, data, types):
        """A handler that is there stays as it is; one that is not goes last, as it says now."""
        handler = data.draw(st.sampled_from(self.handlers))
        if all(one is not handler for one, _ in self.model):
            handler.event_types = types
            self.model.append((handler, set(types)))
        self.bus.subscribe(handler)

    @precondition(lambda self: self.handlers)
    @rule(data=st.data())
    def unsubscribe(self, data):
        """A handler that is there is gone; one that is not is told so."""
        handler = data.draw(st.sampled_from(self.handlers))
        there = any(one is handler for one, _ in self.model)
        assert self.bus.unsubscribe(handler) is there
        self.model = [(one, types) for one, types in self.model if one is not handler]

    @rule()
    def add_interceptor(self):
        """An interceptor wraps them all."""

        def interceptor(handler, call_next):
            async def call(event):
                self.passed.append(interceptor)
                await call_next(event)

            return call

        self.bus.add_interceptor(interceptor)
        self.interceptors.append(interceptor)

    @precondition(lambda self: self.interceptors)
    @rule(data=st.data())
    def remove_interceptor(self, data):
        """An interceptor that is removed wraps none."""
        interceptor = data.draw(st.sampled_from(self.interceptors))
        assert self.bus.remove_interceptor(interceptor) is True
        self.interceptors.remove(interceptor)

    @rule()
    def add_middleware(self):
        """Middleware goes last."""

        def middleware(event):
            self.passed.append(middleware)
            return event

        self.bus.add_middleware(middleware)
        self.middleware.append(middleware)

    @precondition(lambda self: self.middleware)
    @rule(data=st.data())
    def remove_middleware(self, data):
        """Middleware that is removed is passed no more."""
        middleware = data.draw(st.sampled_from(self.middleware))
        assert self.bus.remove_middleware(middleware) is True
        self.middleware.remove(middleware)

    @rule(type_=st.sampled_from([*TYPES, EventType.AUDIT_LOG]))
    def publish(self, type_):
        """An event reaches those who want it, in order, through all that is in between."""
        self.heard, self.passed = [], []
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            result = runner.run(_publish(self.bus, type_))
        wanted = [one for one, types in self.model if types & {type_, type_.value, ANY}]
        assert self.heard == wanted
        assert [one.handler for one in result.outcomes] == wanted
        assert self.passed == self.middleware + self.interceptors * len(wanted)

    @invariant()
    def lists_are_those_of_the_model(self):
        """What the bus says of itself is the model."""
        assert self.bus.handlers == tuple(one for one, _ in self.model)
        assert self.bus.interceptors == tuple(self.interceptors)
        assert self.bus.middleware == tuple(self.middleware)


async def _publish(bus, type_):
    return await bus.publish(Event(type_))


TestRegistrations = Registrations.TestCase
TestRegistrations.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
