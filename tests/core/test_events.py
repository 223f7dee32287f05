"""Events: their types, their fields, their ids, and their way to JSON and back."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import pickle
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, StrEnum
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway import ANY, Event, EventBus, EventError, EventType, register_event_types
from busway.events import event_type, event_types

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
events = st.builds(
    Event,
    st.sampled_from(EventType),
    st.dictionaries(st.text(), json_values, max_size=4),
    st.datetimes(
        datetime(2, 1, 1),
        datetime(9998, 1, 1),
        timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
    ),
    st.text(),
    st.none() | st.text(),
    causation_id=st.none() | st.text(),
    metadata=st.dictionaries(st.text(), st.text(), max_size=3),
    id=st.none() | st.text(min_size=1),
)


class Wanting:
    """A handler that wants some types."""

    def __init__(self, *types: object) -> None:
        self.event_types = list(types)
        self.seen: list[Event] = []

    def handle(self, event: Event) -> None:
        self.seen.append(event)


# -- types ---------------------------------------------------------------------------------------


def test_there_are_twelve_event_types():
    """Names and values are exactly those of the contract."""
    assert {name: member.value for name, member in EventType.__members__.items()} == {
        "USER_CREATED": "user.created",
        "USER_UPDATED": "user.updated",
        "USER_DELETED": "user.deleted",
        "USER_LOGIN": "user.login",
        "USER_LOGOUT": "user.logout",
        "USER_LOGIN_FAILED": "user.login_failed",
        "ITEM_CREATED": "item.created",
        "ITEM_UPDATED": "item.updated",
        "ITEM_DELETED": "item.deleted",
        "CACHE_INVALIDATED": "cache.invalidated",
        "ERROR_OCCURRED": "error.occurred",
        "AUDIT_LOG": "audit.log",
    }
    assert issubclass(EventType, StrEnum)


def test_a_known_string_is_coerced_to_its_member():
    """The event has the member, not the string."""
    assert EventType.USER_LOGIN is Event("user.login").type


def test_a_member_stays_the_member():
    """What is a member already is kept."""
    assert EventType.AUDIT_LOG is Event(EventType.AUDIT_LOG).type


@pytest.mark.parametrize("value", ["user.loggedin", "USER_LOGIN", "", 5, None, ["user.login"], ANY])
def test_an_unknown_type_is_refused(value):
    """The error names the value and the field."""
    with pytest.raises(EventError) as caught:
        Event(value)
    assert caught.value.field == "type"
    assert repr(value) in str(caught.value)


def test_a_registered_enum_is_publishable():
    """After registering, members and their values make events."""

    class OrderEvent(StrEnum):
        SHIPPED = "order.shipped"

    register_event_types(OrderEvent)
    assert OrderEvent.SHIPPED is Event(OrderEvent.SHIPPED).type
    assert OrderEvent.SHIPPED is Event("order.shipped").type


async def test_a_registered_enum_is_subscribable():
    """A handler that wants it, by member or by value, hears it."""

    class OrderEvent(StrEnum):
        SHIPPED = "order.shipped"

    register_event_types(OrderEvent)
    bus, one, other = EventBus(), Wanting(OrderEvent.SHIPPED), Wanting("order.shipped")
    bus.subscribe(one)
    bus.subscribe(other)
    event = Event("order.shipped")
    await bus.publish(event)
    assert ([event], [event]) == (one.seen, other.seen)


def test_a_registered_enum_is_readable_from_json():
    """`from_dict` knows it."""

    class OrderEvent(StrEnum):
        SHIPPED = "order.shipped"

    register_event_types(OrderEvent)
    written = json.dumps(Event(OrderEvent.SHIPPED).to_dict())
    assert OrderEvent.SHIPPED is Event.from_dict(json.loads(written)).type


def test_an_unregistered_enum_is_refused():
    """The error tells what to do."""

    class OrderEvent(StrEnum):
        SHIPPED = "order.shipped"

    with pytest.raises(EventError, match=r"register_event_types\(OrderEvent\)") as caught:
        Event(OrderEvent.SHIPPED)
    assert caught.value.field == "type"


def test_an_unregistered_enum_with_a_known_value_is_refused():
    """A member is judged by what it is, not by the text it equals."""

    class Impostor(StrEnum):
        LOGIN = "user.login"

    with pytest.raises(EventError, match="Impostor"):
        Event(Impostor.LOGIN)


@pytest.mark.parametrize("wanted", ["order.shipped", StrEnum("Order", {"SHIPPED": "o.s"}).SHIPPED])
def test_subscribe_refuses_types_that_are_not_registered(wanted):
    """A handler for them would hear nothing; it is not subscribed."""
    bus = EventBus()
    with pytest.raises(EventError) as caught:
        bus.subscribe(Wanting("user.login", wanted))
    assert caught.value.field == "type"
    assert bus.handlers == ()


def test_registering_twice_changes_nothing():
    """It is idempotent, and returns the enum each time."""

    class OrderEvent(StrEnum):
        SHIPPED = "order.shipped"

    assert OrderEvent is register_event_types(OrderEvent)
    before = dict(event_types())
    assert OrderEvent is register_event_types(OrderEvent)
    assert before == dict(event_types())


def test_registering_the_shipped_types_changes_nothing():
    """They are registered from the start."""
    before = dict(event_types())
    assert EventType is register_event_types(EventType)
    assert before == dict(event_types())


def test_two_enums_that_claim_one_value_are_both_named():
    """The second is refused; the first stays."""

    class First(StrEnum):
        SHIPPED = "order.shipped"

    class Second(StrEnum):
        SENT = "order.shipped"

    register_event_types(First)
    with pytest.raises(EventError, match=r"Second.*First.*'order.shipped'"):
        register_event_types(Second)
    assert First.SHIPPED is Event("order.shipped").type


def test_registration_is_all_or_nothing():
    """Where one value is taken, the others are not registered either."""

    class Half(StrEnum):
        FRESH = "half.fresh"
        TAKEN = "user.login"

    before = dict(event_types())
    with pytest.raises(EventError, match=r"'user.login'"):
        register_event_types(Half)
    assert before == dict(event_types())


class Plain(Enum):
    """An enum whose members are no strings."""

    ONE = "plain.one"


@pytest.mark.parametrize("thing", [Plain, StrEnum, str, "order.shipped", ["a"], None])
def test_only_a_str_enum_with_members_can_be_registered(thing):
    """Everything else is a TypeError that shows it."""
    before = dict(event_types())
    with pytest.raises(TypeError, match="StrEnum"):
        register_event_types(thing)
    assert before == dict(event_types())


def test_the_registry_cannot_be_changed_from_outside():
    """`event_types` gives a copy that is read-only."""
    with pytest.raises(TypeError):
        event_types()["order.shipped"] = EventType.AUDIT_LOG


def test_event_type_gives_the_member():
    """Of a value as of a member."""
    assert EventType.AUDIT_LOG is event_type("audit.log") is event_type(EventType.AUDIT_LOG)


# -- fields --------------------------------------------------------------------------------------


def test_the_positional_order_of_the_fields():
    """type, payload, timestamp, source, correlation_id; the others by keyword only."""
    event = Event(
        "user.login",
        {"a": 1},
        NOON,
        "web",
        "story",
        causation_id="cause",
        metadata={"traceparent": "00"},
        id="me",
    )
    assert Event.__match_args__ == ("type", "payload", "timestamp", "source", "correlation_id")
    assert {field.name: getattr(event, field.name) for field in dataclasses.fields(event)} == {
        "type": EventType.USER_LOGIN,
        "payload": {"a": 1},
        "timestamp": NOON,
        "source": "web",
        "correlation_id": "story",
        "causation_id": "cause",
        "metadata": {"traceparent": "00"},
        "id": "me",
    }


def test_a_sixth_positional_argument_is_refused():
    """`causation_id`, `metadata` and `id` are keyword-only."""
    with pytest.raises(TypeError, match="positional"):
        Event("user.login", {}, NOON, "web", "story", "cause")


def test_the_defaults():
    """An event needs nothing but its type."""
    event = Event("user.login")
    assert (
        event.payload,
        event.source,
        event.correlation_id,
        event.causation_id,
        event.metadata,
    ) == ({}, "", None, None, {})


def test_defaults_are_not_shared():
    """Each event has a payload and a metadata of its own."""
    one, other = Event("user.login"), Event("user.login")
    assert one.payload is not other.payload
    assert one.metadata is not other.metadata


def test_the_timestamp_is_now_in_utc():
    """Set at creation, aware."""
    before = datetime.now(UTC)
    stamp = Event("user.login").timestamp
    assert before <= stamp <= datetime.now(UTC)
    assert stamp.tzinfo is UTC


def test_a_timestamp_is_converted_to_utc():
    """The moment stays, the zone is UTC."""
    stamp = Event("user.login", {}, datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=1))))
    assert stamp.timestamp == NOON
    assert stamp.timestamp.tzinfo is UTC


def test_the_payload_is_kept_as_it_is_given():
    """Not copied: the very object."""
    payload = {"user_id": 7}
    assert Event("user.login", payload).payload is payload


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("payload", []),
        ("payload", "text"),
        ("timestamp", datetime(2026, 3, 1)),
        ("timestamp", "2026-03-01T12:00:00+00:00"),
        ("timestamp", 5),
        ("timestamp", datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))),
        ("source", 5),
        ("source", None),
        ("correlation_id", 5),
        ("causation_id", 5),
        ("metadata", []),
        ("metadata", {"retries": 3}),
        ("metadata", {3: "retries"}),
        ("id", 5),
        ("id", ""),
    ],
)
def test_a_wrong_field_is_refused_by_name(field, value):
    """The EventError's `field` and its text say which."""
    with pytest.raises(EventError, match=f"^{field}: ") as caught:
        Event("user.login", **{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Event)])
def test_no_field_can_be_set(field):
    """The dataclass is frozen."""
    event = Event("user.login")
    before = getattr(event, field)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(event, field, before)
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(event, field)
    assert getattr(event, field) == before


def test_an_event_has_no_dict():
    """It has slots, so that a mistyped attribute is not kept, and memory is."""
    event = Event("user.login")
    assert not hasattr(event, "__dict__")
    with pytest.raises((AttributeError, TypeError)):
        event.colour = "red"  # type: ignore[attr-defined]


def test_an_unknown_attribute_is_an_attribute_error():
    """Also though `id` is written when it is first read."""
    with pytest.raises(AttributeError, match="'Event' object has no attribute 'colour'"):
        _ = Event("user.login").colour  # type: ignore[attr-defined]


# -- ids -----------------------------------------------------------------------------------------


def test_the_id_is_a_uuid_of_version_7():
    """In the usual form, of the RFC's variant, beginning with the time in milliseconds."""
    text = Event("user.login").id
    read = uuid.UUID(text)
    assert (7, uuid.RFC_4122, text) == (read.version, read.variant, str(read))
    assert abs((read.int >> 80) - time.time_ns() // 1_000_000) < 60_000


def test_ids_are_unique_and_in_order_of_creation():
    """Also of many made within one tick of the clock, whenever the ids are read."""
    made = [Event("user.login") for _ in range(20_000)]
    ids = [event.id for event in reversed(made)][::-1]
    assert ids == sorted(set(ids))


def test_ids_stay_in_order_however_many_there_are(monkeypatch):
    """A sequence that outgrows its bits within one moment carries on, and does not start again."""
    monkeypatch.setattr("busway._ids._sequence", iter([(1 << 26) - 1, 1 << 26, (1 << 26) + 1]))
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now)
    ids = [Event("user.login").id for _ in range(3)]
    assert ids == sorted(set(ids))
    assert {7} == {uuid.UUID(one).version for one in ids}


@given(st.lists(st.integers(-(10**12), 10**9), min_size=2, max_size=20))
def test_ids_stay_in_order_whatever_the_clock_does(steps):
    """A clock that is set back, or stands, sets no id back."""
    now = time.time_ns()
    readings = iter([now + step for step in steps])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: next(readings))
        ids = [Event("user.login", timestamp=NOON).id for _ in steps]
    assert ids == sorted(set(ids))


def test_ids_of_threads_are_unique_and_in_order():
    """Each thread sees its own in order, and no id comes twice."""
    barrier = Barrier(8)

    def make(_: int) -> list[str]:
        barrier.wait()
        return [event.id for event in [Event("user.login") for _ in range(1000)]]

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(8)))
    assert made == [sorted(ids) for ids in made]
    assert len({one for ids in made for one in ids}) == 8000


def test_threads_that_read_at_once_see_one_id():
    """Though it is written when it is first read."""
    for _ in range(50):
        event, barrier = Event("user.login"), Barrier(4)

        def read(_: int, event: Event = event, barrier: Barrier = barrier) -> str:
            barrier.wait()
            return event.id

        with ThreadPoolExecutor(4) as pool:
            assert {event.id} == set(pool.map(read, range(4)))


@pytest.mark.parametrize("read_first", [True, False])
@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        lambda event: pickle.loads(pickle.dumps(event)),
        lambda event: event.replace(),
        dataclasses.replace,
    ],
    ids=["copy", "deepcopy", "pickle", "replace", "dataclasses.replace"],
)
def test_a_copy_is_the_same_event(copied, read_first):
    """It has the same id, and equals it, whether the id was read before or not."""
    event = Event("user.login", {"a": [1]}, NOON, "web", "story", metadata={"b": "c"})
    if read_first:
        _ = event.id
    other = copied(event)
    assert other is not event
    assert (other.id, other) == (event.id, event)
    assert hash(other) == hash(event)


def test_a_replaced_event_is_the_same_event():
    """A changed field leaves the id, and the others, as they were."""
    event = Event(
        "user.login", {"a": 1}, NOON, "web", "story", causation_id="c", metadata={"k": "v"}
    )
    other = event.replace(source="mobile")
    assert event.to_dict() | {"source": "mobile"} == other.to_dict()
    assert event.source == "web"


def test_replace_can_ask_for_a_new_id():
    """`id=None` makes it another event, later in order."""
    event = Event("user.login", {"a": 1})
    other = event.replace(id=None)
    assert other.id > event.id
    assert other.replace(id=event.id) == event


def test_replace_checks_what_it_is_given():
    """As creation does: coerced, refused by name, or unknown."""
    event = Event("user.login")
    assert EventType.USER_LOGOUT is event.replace(type="user.logout").type
    with pytest.raises(EventError, match=r"^payload: "):
        event.replace(payload=[])
    with pytest.raises(TypeError, match="colour"):
        event.replace(colour="red")


FORK = """
import json, os, sys
from busway import Event
early = Event("user.login")
reader, writer = os.pipe()
child = os.fork()
told = json.dumps([early.id, Event("user.login").id]).encode()
if child == 0:
    os.write(writer, told)
    os._exit(0)
os.waitpid(child, 0)
print(json.dumps([json.loads(told), json.loads(os.read(reader, 1000))]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_draws_another_prefix():
    """Else parent and child, of one sequence and one clock, could make the same ids."""
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True)
    (_, parents), (_, childs) = json.loads(done.stdout)
    assert parents[-9:] != childs[-9:]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_an_event_from_before_a_fork_has_one_id():
    """Parent and child write the same one, though neither had read it before."""
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True)
    (in_parent, _), (in_child, _) = json.loads(done.stdout)
    assert in_parent == in_child


# -- equality ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"type": "user.logout"},
        {"payload": {"a": 2}},
        {"timestamp": NOON + timedelta(microseconds=1)},
        {"source": "mobile"},
        {"correlation_id": "other"},
        {"causation_id": "other"},
        {"metadata": {"b": "d"}},
        {"id": "other"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_events_differ_by_each_field(change):
    """Equality is by all of them, the id among them."""
    event = Event("user.login", {"a": 1}, NOON, "web", "story", metadata={"b": "c"})
    assert event != event.replace(**change)


def test_the_hash_is_that_of_the_id():
    """So a payload that cannot be hashed is no obstacle, and a replaced event is found again."""
    event = Event("user.login", {"a": [1]})
    assert hash(event.id) == hash(event) == hash(event.replace(source="mobile"))


# -- JSON ----------------------------------------------------------------------------------------


def test_to_dict_gives_value_time_and_payload():
    """The enum's value as a plain str, the time in ISO 8601, the payload uncopied."""
    payload = {"user_id": 7}
    told = Event("user.login", payload, NOON, "web", "story", causation_id="c", id="me").to_dict()
    assert told == {
        "type": "user.login",
        "payload": {"user_id": 7},
        "timestamp": "2026-03-01T12:00:00+00:00",
        "source": "web",
        "correlation_id": "story",
        "causation_id": "c",
        "metadata": {},
        "id": "me",
    }
    assert str is type(told["type"])
    assert told["payload"] is payload


@given(events)
def test_from_dict_inverts_to_dict(event):
    """Through JSON text too, for payloads that JSON has."""
    assert event == Event.from_dict(event.to_dict())
    assert event == Event.from_dict(json.loads(json.dumps(event.to_dict())))


def test_three_keys_are_enough():
    """`type`, `payload` and `timestamp`; the others have their defaults, the id is new."""
    data = {"type": "user.login", "payload": {"a": 1}, "timestamp": "2026-03-01T12:00:00Z"}
    one, other = Event.from_dict(data), Event.from_dict(data)
    assert Event("user.login", {"a": 1}, NOON, id=one.id) == one
    assert one.id != other.id


def test_from_dict_reads_any_zone_as_utc():
    """The moment is kept."""
    data = {"type": "user.login", "payload": {}, "timestamp": "2026-03-01T14:00:00+02:00"}
    assert Event.from_dict(data).timestamp == NOON


@pytest.mark.parametrize("key", ["type", "payload", "timestamp"])
def test_from_dict_names_the_missing_key(key):
    """Those three are required."""
    data = Event("user.login").to_dict()
    del data[key]
    with pytest.raises(EventError, match=f"^{key}: .*missing") as caught:
        Event.from_dict(data)
    assert caught.value.field == key


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("colour", "red"),
        ("type", "user.loggedin"),
        ("type", 5),
        ("type", ["user.login"]),
        ("type", None),
        ("payload", []),
        ("payload", None),
        ("payload", "text"),
        ("timestamp", "2026-03-01T12:00:00"),
        ("timestamp", "2026-03-01"),
        ("timestamp", "noon"),
        ("timestamp", ""),
        ("timestamp", 1772366400),
        ("timestamp", None),
        ("timestamp", "0001-01-01T00:00:00+01:00"),
        ("source", 5),
        ("correlation_id", 5),
        ("causation_id", ["a"]),
        ("metadata", "text"),
        ("metadata", {"retries": 3}),
        ("id", 5),
        ("id", ""),
    ],
)
def test_from_dict_names_the_field_that_is_wrong(field, value):
    """Whatever it is, `EventError.field` and the text say where."""
    with pytest.raises(EventError, match=f"^{field}: ") as caught:
        Event.from_dict(Event("user.login").to_dict() | {field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("data", [[], "text", None, 5])
def test_from_dict_wants_an_object(data):
    """JSON that is no object is no event."""
    with pytest.raises(EventError, match="object"):
        Event.from_dict(data)


@given(json_values)
def test_from_dict_never_fails_otherwise(data):
    """Whatever JSON comes, it is an EventError or an event."""
    wrapped = {"type": "user.login", "payload": {}, "timestamp": "2026-03-01T12:00:00Z"}
    for candidate in (data, wrapped | {"payload": data}, wrapped | {"type": data}):
        try:
            event = Event.from_dict(candidate)
        except EventError:
            continue
        assert event.type is EventType.USER_LOGIN
