"""Events: what happened, as an immutable value, and the registry of event types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar

from busway._ids import format_id, new_stamp
from busway.exceptions import EventError

if TYPE_CHECKING:
    from busway._ids import Stamp

__all__ = ["Event", "EventType", "Payload", "event_type", "event_types", "register_event_types"]

Payload: TypeAlias = Mapping[str, Any]  # type: ignore[explicit-any]  # a payload is the application's own


class EventType(StrEnum):
    """The types of event that come with Busway; plugins bring more."""

    USER_CREATED = "user.created"
    USER_UPDATED = "user.updated"
    USER_DELETED = "user.deleted"
    USER_LOGIN = "user.login"
    USER_LOGOUT = "user.logout"
    USER_LOGIN_FAILED = "user.login_failed"
    ITEM_CREATED = "item.created"
    ITEM_UPDATED = "item.updated"
    ITEM_DELETED = "item.deleted"
    CACHE_INVALIDATED = "cache.invalidated"
    ERROR_OCCURRED = "error.occurred"
    AUDIT_LOG = "audit.log"


_E = TypeVar("_E", bound=StrEnum)
_members: dict[str, StrEnum] = {member.value: member for member in EventType}


def register_event_types(enum: type[_E]) -> type[_E]:
    """Make the members of an enum publishable, subscribable and readable from JSON.

    Registering an enum again changes nothing. It can be used as a class decorator.

    Args:
        enum: a `StrEnum` subclass. Its values should be namespaced: `order.shipped`.

    Returns:
        The enum.

    Raises:
        TypeError: if `enum` is no `StrEnum` subclass with members.
        EventError: if another enum has claimed one of the values; both are named,
            and nothing is registered.
    """
    if not is_event_types(enum):
        raise TypeError(f"event types are a StrEnum subclass with members, not {enum!r}")
    for member in enum:
        rival = _members.get(member.value)
        if rival is not None and rival is not member:
            raise EventError(
                f"{_path(enum)} and {_path(type(rival))} both claim the event type {member.value!r}"
            )
    _members.update({member.value: member for member in enum})
    return enum


def is_event_types(thing: object) -> bool:
    """Whether it is an enum that can be registered: a `StrEnum` subclass with members."""
    return isinstance(thing, type) and issubclass(thing, StrEnum) and len(thing) > 0


def unregister_event_types(enum: type[StrEnum]) -> None:
    """Take back what `register_event_types` did: for a plugin that failed while loading."""
    for member in enum:
        if _members.get(member.value) is member:
            del _members[member.value]


def event_types() -> Mapping[str, StrEnum]:
    """All registered event types, by value, in the order of registration: a copy."""
    return MappingProxyType(dict(_members))


def event_type(value: object) -> StrEnum:
    """The registered member for a value or a member.

    Raises:
        EventError: if it is unknown, or a member of an enum that is not registered.
    """
    if isinstance(value, str):
        member = _members.get(value)
        if member is not None and (value is member or not isinstance(value, Enum)):
            return member
    if isinstance(value, Enum):
        raise EventError(
            f"{value!r} is of no registered enum: "
            f"register_event_types({type(value).__name__}) first",
            field="type",
        )
    raise EventError(f"unknown event type {value!r}: no registered enum has it", field="type")


def _path(enum: type) -> str:
    return f"{enum.__module__}.{enum.__qualname__}"


class _Stamped:
    """Gives an event the slot for its stamp: the id, before anyone has asked to read it."""

    __slots__ = ("_stamp",)

    _stamp: Stamp


@dataclass(frozen=True, slots=True, init=False)
class Event(_Stamped):
    """Something that happened.

    Immutable by convention: neither the event nor its payload is changed by those who see it;
    `EventBus(debug=True)` names the handler that did. Two events are equal if all their fields
    are, the id among them; the hash is that of the id.

    Attributes:
        type: a member of a registered enum; a known string is coerced to its member.
        payload: what is to be known of it; kept as it is given, not copied.
        timestamp: when it happened: aware, in UTC; now, unless given.
        source: who says so: a component's name.
        correlation_id: shared by all events of one story; within a handler, inherited from the
            event being handled.
        causation_id: the id of the event whose handler published this one.
        metadata: strings beside the payload: `traceparent`, CloudEvents extensions.
        id: a UUIDv7, unique, in order of creation within a process; `None` asks for a new one.

    Raises:
        EventError: if a field is not as described; it names the field.

    >>> event = Event("user.login", {"user_id": 7}, source="web")
    >>> event.type
    <EventType.USER_LOGIN: 'user.login'>
    >>> event.replace(source="mobile").id == event.id
    True
    """

    type: StrEnum
    payload: Payload = field(default_factory=dict)
    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))
    source: str = ""
    correlation_id: str | None = None
    causation_id: str | None = field(default=None, kw_only=True)
    metadata: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    id: str = field(kw_only=True)

    def __init__(
        self,
        type: StrEnum | str,  # noqa: A002 - the contract's name
        payload: Payload | None = None,
        timestamp: datetime | None = None,
        source: str = "",
        correlation_id: str | None = None,
        *,
        causation_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
        id: str | None = None,  # noqa: A002 - the contract's name
    ) -> None:
        _set_type(self, event_type(type))
        _set_payload(self, {} if payload is None else payload)
        if payload.__class__ is not dict:
            _check_payload(self.payload)
        _set_timestamp(self, datetime.now(UTC) if timestamp is None else _utc(timestamp))
        _set_source(self, source)
        _set_correlation_id(self, correlation_id)
        _set_causation_id(self, causation_id)
        _set_metadata(self, {} if metadata is None else _strings(metadata))
        if source.__class__ is not str or correlation_id is not None or causation_id is not None:
            _check_text(self)
        if id is None:
            _set_stamp(self, new_stamp())
        else:
            _set_id(self, _check_id(id))

    def __getattr__(self, name: str) -> str:
        """The id, written out of the stamp when it is first read: most never are."""
        if name != "id":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        written = format_id(self._stamp)
        _set_id(self, written)
        return written

    def __hash__(self) -> int:
        return hash(self.id)

    def replace(self, **changes: object) -> Self:
        """A copy with some fields changed: the same event, unless `id=None` asks for a new id.

        Args:
            changes: fields by name.

        Raises:
            EventError: if a changed field is not valid.
            TypeError: if there is no such field.
        """
        fields: dict[str, object] = {
            "type": self.type,
            "payload": self.payload,
            "timestamp": self.timestamp,
            "source": self.source,
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
            "metadata": self.metadata,
            "id": self.id,
        }
        return type(self)(**{**fields, **changes})  # type: ignore[arg-type]  # checked by __init__

    def to_dict(self) -> dict[str, object]:
        """The event as a dict: the type's value, the time in ISO 8601, the payload uncopied."""
        return {
            "id": self.id,
            "type": self.type.value,
            "payload": self.payload,
            "timestamp": self.timestamp.isoformat(),
            "source": self.source,
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
            "metadata": self.metadata,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Self:
        """The event that `to_dict` wrote.

        Args:
            data: `type`, `payload` and `timestamp` are required; `id`, `source`,
                `correlation_id`, `causation_id` and `metadata` are optional.

        Raises:
            EventError: if a key is missing or unknown, the type is unknown, the timestamp is
                naive or none, the payload is no object, or another field is not what it should
                be; it names the field.
        """
        if not isinstance(data, Mapping):
            raise EventError(f"an event is an object, not {type(data).__name__}")
        for key in _REQUIRED:
            if key not in data:
                raise EventError("required, but missing", field=key)
        for key in data:
            if key not in _FIELDS:
                raise EventError("no field of an event", field=str(key))
        values: dict[str, object] = dict(data)
        if values.get("source") is None:
            values.pop("source", None)
        values["timestamp"] = _parse_timestamp(data["timestamp"])
        _check_payload(data["payload"])
        return cls(**values)  # type: ignore[arg-type]  # checked by __init__


_REQUIRED: Final = ("type", "payload", "timestamp")
_FIELDS: Final = frozenset(Event.__dataclass_fields__)

# A frozen dataclass is filled through its slots; asking them directly halves the cost.
_set_type = Event.__dict__["type"].__set__
_set_payload = Event.__dict__["payload"].__set__
_set_timestamp = Event.__dict__["timestamp"].__set__
_set_source = Event.__dict__["source"].__set__
_set_correlation_id = Event.__dict__["correlation_id"].__set__
_set_causation_id = Event.__dict__["causation_id"].__set__
_set_metadata = Event.__dict__["metadata"].__set__
_set_id = Event.__dict__["id"].__set__
_set_stamp = _Stamped.__dict__["_stamp"].__set__


def _check_payload(payload: object) -> None:
    if not isinstance(payload, Mapping):
        raise EventError(f"an object is expected, not {type(payload).__name__}", field="payload")


def _check_text(event: Event) -> None:
    if not isinstance(event.source, str):
        raise EventError(f"a str is expected, not {type(event.source).__name__}", field="source")
    for name in ("correlation_id", "causation_id"):
        value = getattr(event, name)
        if value is not None and not isinstance(value, str):
            raise EventError(f"a str or None is expected, not {type(value).__name__}", field=name)


def _check_id(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise EventError("a str that is not empty is expected", field="id")
    return value


def _strings(metadata: object) -> Mapping[str, str]:
    if not isinstance(metadata, Mapping):
        raise EventError(f"an object is expected, not {type(metadata).__name__}", field="metadata")
    for key, value in metadata.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise EventError(f"strings are expected; {key!r} is not, or has none", field="metadata")
    return metadata


def _utc(timestamp: object) -> datetime:
    if not isinstance(timestamp, datetime):
        raise EventError(
            f"a datetime is expected, not {type(timestamp).__name__}", field="timestamp"
        )
    if timestamp.tzinfo is UTC:
        return timestamp
    if timestamp.utcoffset() is None:
        raise EventError("is naive: give it a time zone", field="timestamp")
    try:
        return timestamp.astimezone(UTC)
    except OverflowError as error:
        raise EventError("is out of range in UTC", field="timestamp") from error


def _parse_timestamp(value: object) -> datetime:
    if not isinstance(value, str):
        raise EventError(
            f"an ISO 8601 string is expected, not {type(value).__name__}", field="timestamp"
        )
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise EventError(f"{value!r} is not ISO 8601", field="timestamp") from error
