"""What every plugin of hooks promises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from busway.bus import EventBus
from busway.decorators import FunctionHandler
from busway.events import Event, EventType
from busway_testing._hookimpls import async_hooks, illegal_arguments, unknown_hooks
from busway_testing._installed import HOOKS
from busway_testing._running import fail
from busway_testing.conformance import Conformance

if TYPE_CHECKING:
    from busway_testing._installed import Installed

__all__ = ["PluginConformance"]


class PluginConformance(Conformance):
    """The tests of a plugin of hooks: a module, a class or an object in `busway.plugins`.

    What the hooks bring is tested by the class for that kind besides: `HandlerConformance` takes
    the same `plugin`.
    """

    group: ClassVar[str] = HOOKS

    def test_hooks_exist(self, installed: Installed) -> None:
        """Each function that looks like a hook is one, and is marked as such."""
        told = unknown_hooks(installed.thing)
        if told:
            fail("; ".join(told))

    def test_hooks_take_legal_arguments(self, installed: Installed) -> None:
        """Those of the specification, or some of them."""
        told = illegal_arguments(installed.thing)
        if told:
            fail("; ".join(told))

    def test_hooks_are_sync(self, installed: Installed) -> None:
        """Nobody awaits what they return."""
        told = async_hooks(installed.thing)
        if told:
            fail("; ".join(told))

    def test_hooks_register_nothing_themselves(self, installed: Installed) -> None:
        """They return what they bring; busway registers all of it, or nothing."""
        installed.loaded()
        shared = EventBus.get_instance()
        by_hand = [one for one in shared.handlers if not isinstance(one, FunctionHandler)]
        found = [*by_hand, *shared.middleware, *shared.interceptors]
        if found:
            fail(
                f"while it was loaded for a bus of its own, {found[0]!r} came to the shared bus: "
                "return it from the hook instead"
            )

    def test_diagnosis_is_sentences(self, installed: Installed) -> None:
        """`busway_diagnose` returns them in a list; an empty one if all is well."""
        for told in _ask(installed, "busway_diagnose"):
            if isinstance(told, str) or not isinstance(told, Iterable):
                fail(f"busway_diagnose returned {told!r}: a list of sentences is expected")
            for one in told:
                if not (isinstance(one, str) and one.strip()):
                    fail(f"busway_diagnose told {one!r}: each finding is a sentence, a str")

    def test_observers_do_not_raise(self, installed: Installed) -> None:
        """What is told of failures and of unhandled events is no other source of failures."""
        event = installed.author_event() or Event(EventType.USER_CREATED)
        told = {"bus": EventBus(), "event": event}
        _ask(installed, "busway_event_unhandled", **told)
        _ask(installed, "busway_handler_failed", **told, handler=_Handler(), error=ValueError("no"))


class _Handler:
    """One that is said to have failed."""

    event_types = (EventType.USER_CREATED,)

    def handle(self, event: Event) -> None:
        """Is not called."""


def _ask(installed: Installed, hook: str, **offered: object) -> list[object]:
    installed.loaded()
    try:
        return installed.ask(hook, **offered)
    except Exception as error:  # noqa: BLE001 - of the plugin
        fail(f"{hook} raised; its plugin is as good as without it: catch what may happen", error)
