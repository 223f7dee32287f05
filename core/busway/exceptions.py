"""The exceptions of Busway.

* BuswayError
  x BusClosedError
  x BusOverloadedError
  x EventError
  x HandlerError
    - HandlerCancelledError
  x MiddlewareError
  x PublishDepthError
  x PluginError
    - PluginConflictError
    - PluginLoadError
    - PluginSettingsError
  x SkipHandler
"""

from __future__ import annotations

__all__ = [
    "BusClosedError",
    "BusOverloadedError",
    "BuswayError",
    "EventError",
    "HandlerCancelledError",
    "HandlerError",
    "MiddlewareError",
    "PluginConflictError",
    "PluginError",
    "PluginLoadError",
    "PluginSettingsError",
    "PublishDepthError",
    "SkipHandler",
]


class BuswayError(Exception):
    """The root of all errors that Busway raises itself."""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled by its text and attributes: the constructors take other things."""
        return _restore, (type(self), self.args, self.__dict__)


class BusClosedError(BuswayError):
    """The bus is closed, or closing and this event descends from no live publish."""


class BusOverloadedError(BuswayError):
    """`max_pending` events sent by `publish_soon` and `publish_threadsafe` are waiting.

    Attributes:
        max_pending: the bus's limit.
    """

    def __init__(self, max_pending: int) -> None:
        super().__init__(
            f"{max_pending} events are pending already (max_pending): await publish(), "
            "await drain(), or make the handlers faster"
        )
        self.max_pending = max_pending


class PublishDepthError(BuswayError):
    """A chain of awaited publishes, each inside a handler of the last, is too long.

    Attributes:
        max_depth: the bus's limit.
    """

    def __init__(self, event_type: str, max_depth: int) -> None:
        super().__init__(
            f"publishing {event_type} would be nested deeper than max_depth={max_depth}: "
            "do two handlers answer each other? publish_soon() starts a new chain"
        )
        self.max_depth = max_depth


class EventError(BuswayError):
    """An event, or a type of event, is not valid.

    Attributes:
        field: the name of the field that is wrong, where it is one.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message if field is None else f"{field}: {message}")
        self.field = field


class MiddlewareError(BuswayError):
    """A middleware raised, or returned what is neither an event nor None; the event was stopped.

    Attributes:
        middleware: the middleware itself.
    """

    def __init__(self, message: str, *, middleware: object) -> None:
        super().__init__(message)
        self.middleware = middleware


class HandlerError(BuswayError):
    """A handler raised what is no `Exception`; that is the `__cause__`."""


class HandlerCancelledError(HandlerError):
    """A handler ended by `CancelledError`; that is the `__cause__`."""


class SkipHandler(BuswayError):  # noqa: N818 - a request, not an error: the outcome is `skipped`
    """Raised by an interceptor to keep an event from the handler it wraps."""


class PluginError(BuswayError):
    """A plugin is at fault.

    Attributes:
        plugin: its name.
    """

    def __init__(self, message: str, *, plugin: str) -> None:
        super().__init__(message)
        self.plugin = plugin


class PluginLoadError(PluginError):
    """A plugin could not be imported, built or registered, or does not fit this Busway."""


class PluginConflictError(PluginError):
    """Several distributions bring a plugin of one name."""


class PluginSettingsError(PluginError):
    """A plugin's settings are wrong.

    Attributes:
        plugin: the plugin's name; "" where the fault is in no plugin's section.
        key: the setting; None where the fault is not in one.
        source: where it was read: a file, an environment variable, an argument.
    """

    def __init__(self, message: str, *, plugin: str, key: str | None, source: str) -> None:
        place = ".".join(part for part in (plugin, key) if part)
        where = f"{place}: " if place else ""
        super().__init__(f"{where}{message} (read from {source})", plugin=plugin)
        self.key = key
        self.source = source


def _restore(
    kind: type[BuswayError], args: tuple[object, ...], attributes: dict[str, object]
) -> BuswayError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(attributes)
    return error
