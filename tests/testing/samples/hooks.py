"""Plugins of hooks that conform, and one for each way not to."""

from __future__ import annotations

from tests.testing.suites import Plugin

__all__ = ["BAD", "GOOD"]

GOOD = {
    "all-hooks": Plugin(
        """
        class Order(StrEnum):
            PLACED = "order.placed"

        class Handler(EventHandler):
            event_types = ["order.placed"]
            def __init__(self, limit: int = 3): ...
            async def handle(self, event): ...

        @busway.hookimpl
        def busway_event_types():
            return [Order]

        @busway.hookimpl
        def busway_handlers(settings):
            return [Handler(**settings)]

        @busway.hookimpl(specname="busway_middleware")
        def our_middleware():
            return (lambda event: event,)

        @busway.hookimpl
        def busway_interceptors(settings):
            return [lambda handler, call_next: call_next]

        @busway.hookimpl
        def busway_diagnose():
            return ["the disk is full: free some of it"]

        @busway.hookimpl
        def busway_handler_failed(event, error):
            assert event.type and str(error)

        @busway.hookimpl
        def busway_event_unhandled(bus, event): ...

        def helper(anything): ...
        """,
        attribute="",
    ),
    "class": Plugin(
        """
        class Plugin:
            def __init__(self, greeting: str = "hello"):
                self.greeting = greeting

            @busway.hookimpl
            def busway_diagnose(self):
                return [self.greeting]
        """
    ),
    "object": Plugin(
        """
        class Hooks:
            @busway.hookimpl
            def busway_handler_failed(self, handler): ...

        Plugin = Hooks()
        """
    ),
}

EXIST = "test_hooks_exist"
ARGUMENTS = "test_hooks_take_legal_arguments"
SYNC = "test_hooks_are_sync"
THEMSELVES = "test_hooks_register_nothing_themselves"
DIAGNOSIS = "test_diagnosis_is_sentences"
OBSERVERS = "test_observers_do_not_raise"
LOADS = "test_loads_with_its_defaults"


def module(code: str) -> str:
    """A hook of a module."""
    return f"@busway.hookimpl\n{code}"


BAD = {
    "nothing": Plugin("", LOADS, "it brings nothing", attribute=""),
    "mistyped": Plugin(
        module("def busway_handler(settings): return []"),
        EXIST,
        "there is no hook busway_handler: is busway_handlers meant?",
        attribute="",
    ),
    "invented": Plugin(
        module("def on_start(): ..."),
        EXIST,
        "there is no hook on_start: there are busway_diagnose, busway_event_types",
        attribute="",
    ),
    "unmarked": Plugin(
        "def busway_handlers(settings): return []",
        EXIST,
        "busway_handlers is never called: put @busway.hookimpl above it",
        attribute="",
    ),
    "argument": Plugin(
        module("def busway_handlers(config): return []"),
        ARGUMENTS,
        "busway_handlers wants config, which is no argument of that hook; it can have settings",
        attribute="",
    ),
    "argument-of-none": Plugin(
        module("def busway_diagnose(bus): return []"), ARGUMENTS, "it can have none", attribute=""
    ),
    "async": Plugin(
        module("async def busway_handlers(): return []"),
        SYNC,
        "busway_handlers is async, and hooks are not awaited: write a plain `def`",
        attribute="",
    ),
    "returns-one": Plugin(
        module("def busway_middleware(): return print"),
        LOADS,
        "busway_middleware must return a list, not <built-in function print>",
        attribute="",
    ),
    "registers": Plugin(
        """
        class Handler(EventHandler):
            event_types = ["user.login"]
            async def handle(self, event): ...

        @busway.hookimpl
        def busway_handlers():
            EventBus.get_instance().subscribe(Handler())
            return []
        """,
        THEMSELVES,
        "came to the shared bus: return it from the hook instead",
        attribute="",
    ),
    "diagnosis-text": Plugin(
        module("def busway_diagnose(): return 'all is well'"),
        DIAGNOSIS,
        "busway_diagnose returned 'all is well': a list of sentences is expected",
        attribute="",
    ),
    "diagnosis-numbers": Plugin(
        module("def busway_diagnose(): return [404]"),
        DIAGNOSIS,
        "busway_diagnose told 404: each finding is a sentence",
        attribute="",
    ),
    "diagnosis-raises": Plugin(
        module("def busway_diagnose(): raise OSError('no route')"),
        DIAGNOSIS,
        "busway_diagnose raised; its plugin is as good as without it",
        attribute="",
    ),
    "observer-of-failures": Plugin(
        module("def busway_handler_failed(event): event.payload['ip']"),
        OBSERVERS,
        "busway_handler_failed raised",
        attribute="",
    ),
    "observer-of-the-unhandled": Plugin(
        module("def busway_event_unhandled(bus): bus.no_such_thing"),
        OBSERVERS,
        "busway_event_unhandled raised",
        attribute="",
    ),
}
