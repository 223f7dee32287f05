"""The wire: events become CloudEvents that any language reads, and come back as they were."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from types import MappingProxyType
from uuid import UUID

import pytest
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from busway import Event, EventError, EventType, register_event_types
from busway_bridge import WireError, decode, encode

NATIVE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=10,
)
PAYLOADS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), NATIVE, max_size=3)
# keys that mean something on the wire, too
KEYS = st.text() | st.sampled_from(
    [
        *("id", "source", "data", "data_base64", "time", "correlationid", "buswayrest", "subject"),
        *("specversion", "datacontenttype", "dataschema", "origin", "traceparent", "X-Id"),
    ]
)
EVENTS = st.builds(
    Event,
    st.sampled_from(EventType),
    PAYLOADS,
    st.datetimes(datetime(1970, 1, 2), datetime(9000, 1, 1), timezones=st.sampled_from([UTC])),
    st.text()
    | st.sampled_from(["", "busway", "shop/web", "a%20b", "http://h/p?q#f", "//x", "1:2"]),
    st.none() | st.text(),
    causation_id=st.none() | st.text(),
    metadata=st.dictionaries(KEYS, st.text(), max_size=4),
    id=st.none() | st.text(min_size=1),
)
REFERENCE = re.compile(  # RFC 3986, appendix B, and no character that it knows nothing of
    r"(([A-Za-z][A-Za-z0-9+.-]*):)?(//([^/?#]*))?([^?#:]*)([^?#]*)(\?([^#]*))?(#([^#]*))?"
)
FOREIGN = {"specversion": "1.0", "id": "7", "source": "/go", "type": "user.login"}


def foreign(**more):
    return json.dumps({**FOREIGN, **more})


@given(EVENTS)
def test_an_event_comes_back_as_it_went(event):
    """Whatever its fields hold, as long as its payload is what JSON has."""
    assert decode(encode(event)) == event


@given(EVENTS)
def test_what_is_sent_is_a_cloudevent(event):
    """The library accepts it, and so does the letter of the specification."""
    body = encode(event, "here")
    read = JSONFormat().read(None, body)
    assert read.get_specversion() == "1.0"
    told = json.loads(body)
    assert told["datacontenttype"] == "application/json"
    assert datetime.fromisoformat(told["time"]) == event.timestamp
    assert told["data"] == event.payload
    for name, value in told.items():
        assert name == "data" or re.fullmatch("[a-z0-9]+", name)
        if name != "data":
            assert isinstance(value, str)
            assert value
            assert not re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff]", value)
    assert REFERENCE.fullmatch(told["source"])
    assert re.fullmatch(r"([A-Za-z0-9\-._~!$&'()*+,;=@/:?#]|%[0-9A-Fa-f]{2})+", told["source"])


def test_fields_become_extensions():
    """By names that CloudEvents allows; trace context by the name that others know."""
    event = Event(
        "user.login",
        {"user_id": 7},
        source="shop/web",
        correlation_id="c",
        causation_id="d",
        metadata={"traceparent": "00-1-2-01", "X-Request": "9"},
    )
    told = json.loads(encode(event, "web-1/shop"))
    assert told["correlationid"] == "c"
    assert told["causationid"] == "d"
    assert told["traceparent"] == "00-1-2-01"
    assert told["origin"] == "web-1/shop"
    assert json.loads(told["buswayrest"]) == {"metadata": {"X-Request": "9"}}
    assert told["source"] == "shop/web"


def test_the_origin_of_an_event_that_has_one_stays():
    """Whoever passes it on."""
    event = Event("user.login", metadata={"origin": "first"})
    assert json.loads(encode(event, "second"))["origin"] == "first"


def test_how_it_came_in_is_not_sent():
    """It is of no interest to others, and names a host."""
    assert b"10.0.0.1" not in encode(Event("user.login", metadata={"via": "redis://10.0.0.1"}))


class Colour(Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int


FORMS = [
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Decimal("1.10"), "1.10"),
    (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
    (datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=1))), "2026-01-02T00:00:00+01:00"),
    (date(2026, 1, 2), "2026-01-02"),
    (b"\x00\xff", "AP8="),
    (Colour.RED, "red"),
    ((1, 2), [1, 2]),
    ({3, 1, "a"}, [1, 3, "a"]),
    (Point(1), {"x": 1}),
    (MappingProxyType({"a": 1}), {"a": 1}),
    ({1: "a", None: "b"}, {"1": "a", "null": "b"}),
    ({1: "a", "1": "b"}, {"__items__": [["1", "a"], ["1", "b"]]}),
    (float("nan"), None),
    (2**70, str(2**70)),
    ("\ud800", "\\ud800"),
    (Ellipsis, {"__repr__": "Ellipsis"}),
]


@pytest.mark.parametrize(("value", "form"), FORMS)
def test_a_value_that_json_lacks_has_a_form(value, form):
    """The one that the audit trail gives it."""
    assert json.loads(encode(Event("user.login", {"value": value})))["data"] == {"value": form}


def test_a_payload_within_itself_is_refused():
    """By an error that names the event."""
    payload = {}
    payload["self"] = payload
    event = Event("user.login", payload)
    with pytest.raises(WireError, match=event.id):
        encode(event)


@pytest.mark.parametrize(
    ("more", "payload"),
    [
        ({}, {}),
        ({"data": None}, {}),
        ({"data": {"a": 1}}, {"a": 1}),
        ({"data": [1]}, {"data": [1]}),
        ({"data": "text", "datacontenttype": "text/plain"}, {"data": "text"}),
        ({"data_base64": "AP8=", "datacontenttype": "image/png"}, {"data_base64": "AP8="}),
    ],
)
def test_foreign_data_becomes_a_payload(more, payload):
    """Whatever it is."""
    assert decode(foreign(**more)).payload == payload


def test_foreign_attributes_become_metadata():
    """As text; of data that is no JSON its type, too."""
    event = decode(
        foreign(
            subject="s", dataschema="urn:s", retries=3, urgent=True, datacontenttype="text/plain"
        )
    )
    assert event.metadata == {
        "subject": "s",
        "dataschema": "urn:s",
        "retries": "3",
        "urgent": "true",
        "datacontenttype": "text/plain",
    }


def test_a_foreign_event_without_a_time_is_of_now():
    """CloudEvents does not require one."""
    before = datetime.now(UTC)
    assert before <= decode(foreign()).timestamp <= datetime.now(UTC)


def test_an_event_of_version_0_3_is_read():
    """Its data may be base64 in another way."""
    event = decode(foreign(specversion="0.3", data="AP8=", datacontentencoding="base64"))
    assert event.payload == {"data_base64": "AP8="}


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff", b"{", b"[]", b"7", b"null", b'"text"', b"{}", b"[" * 100_000),
        *(foreign(specversion="2.0"), foreign(id=""), foreign(id=7), foreign(source="")),
        *(foreign(time="yesterday"), foreign(time="2026-01-02T00:00:00"), foreign(X=1)),
        *(foreign(buswayrest="{"), foreign(buswayrest="[]"), foreign(buswayrest='{"a": 1}')),
    ],
)
def test_what_is_no_cloudevent_is_refused(body):
    """By one error, whatever is wrong with it."""
    with pytest.raises(WireError):
        decode(body)


def test_an_unknown_type_is_an_event_error():
    """It may be a matter of a plugin that is not installed here."""
    with pytest.raises(EventError, match="unknown event type"):
        decode(foreign(type="go.thing"))


def test_a_type_that_no_attribute_can_hold_survives():
    """Quoted for others, and whole for us."""

    class Odd(StrEnum):
        LINE = "odd.\n"

    register_event_types(Odd)
    event = Event(Odd.LINE)
    assert json.loads(encode(event))["type"] == "odd.%0A"
    assert decode(encode(event)) == event


@given(st.binary() | st.text())
def test_no_bytes_do_harm(body):
    """They are an event or an error of ours."""
    with pytest.raises(WireError):
        decode(body)


@pytest.mark.parametrize("field", ["source", "correlation_id", "causation_id", "id", "metadata"])
def test_a_subclass_of_str_is_its_text(field):
    """Template engines mark what is safe by one, and overwrite what it shows."""

    class Marked(str):
        __slots__ = ()

        def __str__(self):
            return "something else"

    value = Marked("a1")
    event = Event("user.login", **{field: {"tenant": value} if field == "metadata" else value})
    came = getattr(decode(encode(event)), field)
    assert came == ({"tenant": "a1"} if field == "metadata" else "a1")
