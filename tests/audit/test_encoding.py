"""The encoding: one documented form for each value, and a record for every payload."""

import base64
import collections
import dataclasses
import enum
import json
import math
import sys
import types
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway.events import Event
from busway_audit._accepting.encoding import Encoding
from busway_audit._accepting.forms import MAX_REPR
from busway_audit._accepting.plain import MAX_DEPTH, MAX_VALUES, count_plain, to_plain
from busway_audit._accepting.redaction import Redaction

encoding = Encoding(Redaction([]))


def encode(event):
    """The event as an object on a line, without what the chain adds to it."""
    return b"{%s}\n" % encoding.encode(event)


def line(payload, **fields):
    return encode(Event("user.login", payload, **fields))


def written(value):
    """What a reader finds at `payload.v`."""
    return json.loads(line({"v": value}), parse_constant=pytest.fail)["payload"]["v"]


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)
    NOTHING = None
    BYTES = b"\x00"


class Level(enum.IntEnum):
    HIGH = 3


class Word(enum.StrEnum):
    YES = "yes"


@dataclasses.dataclass
class Point:
    x: object = 1
    y: object = 2


@dataclasses.dataclass(slots=True)
class Slotted:
    a: int = 1
    b: int = 2


class Struct(msgspec.Struct, rename="camel", tag=True):
    my_a: object = 1


class Attrs:
    """As attrs leaves a class; the library itself is no dependency of ours."""

    __attrs_attrs__ = (types.SimpleNamespace(name="a"),)

    def __init__(self):
        self.a = {1, 2}


class Text(str):
    __slots__ = ()

    def __str__(self):
        return "lies"


class Number(int):
    def __repr__(self):
        return "lies"


class Fraction(float):
    pass


class Bytes(bytes):
    pass


class Listing(list):
    pass


class Pair(NamedTuple):
    a: int
    b: int


class Chest(collections.UserDict):
    pass


INDIA = timezone(timedelta(hours=5, minutes=30))
ODD = timezone(timedelta(hours=5, seconds=11))
UUID = uuid.UUID(int=7)

FORGED = b'1},"type":"forged","x":{"y":1'

FORMS = [
    (UUID, "00000000-0000-0000-0000-000000000007"),
    (Decimal("1.10"), "1.10"),
    (Decimal("NaN"), "NaN"),
    (datetime(2026, 1, 2, 3, 4, 5, 6), "2026-01-02T03:04:05.000006"),
    (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
    (datetime(2026, 1, 2, tzinfo=INDIA), "2026-01-02T00:00:00+05:30"),
    (datetime(2026, 1, 2, tzinfo=ODD), "2026-01-02T00:00:00+05:00:11"),
    (date(2026, 1, 2), "2026-01-02"),
    (time(1, 2, 3), "01:02:03"),
    (time(1, 2, 3, tzinfo=INDIA), "01:02:03+05:30"),
    (timedelta(days=1, seconds=1), "P1DT1S"),
    (b"\x00\xff", "AP8="),
    (bytearray(b"\x00\xff"), "AP8="),
    (memoryview(b"\x00\xff"), "AP8="),
    (memoryview(b"abcdef")[::2], "YWNl"),
    (Bytes(b"\x00\xff"), "AP8="),
    (Colour.RED, "red"),
    (Colour.PAIR, [1, 2]),
    (Colour.NOTHING, None),
    (Colour.BYTES, "AA=="),
    (Level.HIGH, 3),
    (Word.YES, "yes"),
    ({3, 10, 2}, [2, 3, 10]),
    (frozenset("cab"), ["a", "b", "c"]),
    ({"a", "a!", "a b"}, ["a", "a b", "a!"]),
    ({"b", 1, None, (2, 3), 0.5, "a"}, [0.5, 1, "a", "b", [2, 3], None]),
    ({frozenset({2}), frozenset({1})}, [[1], [2]]),
    ((1, (2,)), [1, [2]]),
    (collections.deque([1, 2]), [1, 2]),
    (Listing([1]), [1]),
    (Pair(1, 2), [1, 2]),
    (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (collections.Counter("aab"), {"a": 2, "b": 1}),
    (types.MappingProxyType({"a": {1}}), {"a": [1]}),
    (Chest(a=1), {"a": 1}),
    (Point({1}), {"x": [1], "y": 2}),
    (Slotted(), {"a": 1, "b": 2}),
    (Struct(), {"my_a": 1}),
    (Attrs(), {"a": [1, 2]}),
    (Text("text"), "text"),
    (Number(5), 5),
    (Fraction(0.5), 0.5),
    (math.nan, None),
    (math.inf, None),
    (-math.inf, None),
    (Fraction("nan"), None),
    (2**64 - 1, 2**64 - 1),
    (2**64, "18446744073709551616"),
    (-(2**63), -(2**63)),
    (-(2**63) - 1, "-9223372036854775809"),
    (16**5000, "0x1" + "0" * 5000),
    ("\ud800", "\\ud800"),
    ("a\udfffb😀", "a\\udfffb😀"),
    ({None: "a", "null": "b"}, {"__items__": [[None, "a"], ["null", "b"]]}),
    ({1: "a", None: "b", False: "c"}, {"1": "a", "null": "b", "false": "c"}),
    ({1.5: 1, (1, 2): 2, b"\x00": 3}, {"1.5": 1, "[1,2]": 2, "AA==": 3}),
    ({UUID: 1, Colour.RED: 2}, {str(UUID): 1, "red": 2}),
    ({1: "a", "1": "b"}, {"__items__": [[1, "a"], ["1", "b"]]}),
    ({"\ud800": 1}, {"\\ud800": 1}),
    ({date(2026, 1, 2): 1}, {"2026-01-02": 1}),
    (msgspec.Raw(b'{"a":\n[1]}'), {"a": [1]}),
    (msgspec.Raw(FORGED), base64.b64encode(FORGED).decode()),
    (msgspec.Raw(b""), ""),
    (range(3), {"__repr__": "range(0, 3)"}),
    (1j, {"__repr__": "1j"}),
    (len, {"__repr__": "<built-in function len>"}),
    (Point, {"__repr__": f"<class '{Point.__module__}.Point'>"}),
    (ValueError("x"), {"__repr__": "ValueError('x')"}),
]


@pytest.mark.parametrize(("value", "form"), FORMS, ids=[type(v).__name__ for v, _ in FORMS])
def test_each_value_has_its_documented_form(value, form):
    """The README's table, and then some."""
    assert written(value) == form


@pytest.mark.parametrize(("value", "form"), FORMS, ids=[type(v).__name__ for v, _ in FORMS])
def test_the_form_is_the_same_beside_something_odd(value, form):
    """One odd value changes nothing about how the others are written."""
    alone = written(value)
    payload = {"v": value, "odd": object()}
    assert json.loads(line(payload))["payload"]["v"] == alone


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.binary()
    | st.binary().map(bytearray)
    | st.uuids()
    | st.decimals()
    | st.dates()
    | st.timedeltas()
    | st.datetimes(timezones=st.none() | st.just(UTC))
)
plain = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.lists(inner).map(tuple),
    max_leaves=20,
)
odd = st.recursive(
    scalars
    | st.integers()
    | st.text(st.characters())
    | st.complex_numbers()
    | st.times()
    | st.integers(0, len(FORMS) - 1).map(lambda index: FORMS[index][0])
    | st.sets(st.integers() | st.text() | st.none() | st.binary()),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.none() | st.text() | st.integers() | st.floats() | st.dates(), inner)
        | inner.map(Point)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), plain))
def test_both_paths_write_the_same(payload):
    """Where msgspec can do it alone, `to_plain` changes nothing."""
    assert count_plain(payload)
    assert msgspec.json.encode(to_plain(payload)) == msgspec.json.encode(payload)


@given(st.dictionaries(st.text(), plain), st.dictionaries(st.text(), plain))
def test_a_value_is_written_the_same_beside_odd_ones(payload, others):
    """What is odd costs nothing else its form."""
    plainly = json.loads(line(payload))["payload"]
    oddly = json.loads(
        line({**payload, "\0odd": {1}, **{f"\0{key}": others[key] for key in others}})
    )
    assert {key: oddly["payload"][key] for key in payload} == plainly


PLAIN = [
    {"a": 1, "b": "x", "c": None, "d": 1.5, "e": True, "f": b"", "g": UUID, "h": Decimal(1)},
    {"a": [1, {"b": (2, [3])}], "c": {"d": datetime(2026, 1, 1, tzinfo=UTC)}},
]


@pytest.mark.parametrize("payload", PLAIN)
def test_the_exact_builtins_are_left_to_msgspec(payload):
    """Which is what makes it quick."""
    assert count_plain(payload)


@pytest.mark.parametrize(
    "value",
    [{1}, Text("a"), Word.YES, {1: 2}, [Listing()], Point(), [[[[Number(1)]]]], 2**70],
)
def test_all_else_is_made_plain_first(value):
    """What a subclass says of itself, msgspec would not ask."""
    assert not count_plain({"v": value})


@given(st.dictionaries(st.text(st.characters()), odd))
def test_every_payload_makes_one_line_of_strict_json(payload):
    """One line by anyone's count, readable by two parsers, and the event's other fields whole."""
    event = Event("user.login", payload, source="web")
    data = encode(event)
    assert data.endswith(b"\n")
    assert len(data.decode().splitlines()) == 1
    record = json.loads(data, parse_constant=pytest.fail)
    assert msgspec.json.decode(data).keys() == record.keys()
    assert {**record, "payload": None} == {**event.to_dict(), "payload": None}


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_record_tells_what_the_event_tells(moment):
    """Its `to_dict()`, to the letter, whatever the microseconds."""
    event = Event("user.login", {"n": 1}, moment, source="web", metadata={"a": "b"})
    assert encode(event) == json.dumps(event.to_dict(), separators=(",", ":")).encode() + b"\n"


def test_a_timestamp_of_a_subclass_is_written_in_its_own_form():
    """What a library has made of `datetime` is asked itself."""

    class Moment(datetime):
        pass

    event = Event("user.login", {}, Moment(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert json.loads(encode(event))["timestamp"] == "2026-01-02T03:04:05+00:00"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_values_come_back_as_they_were(value):
    """What JSON has is written as it is, in the order it has."""
    assert written(value) == value
    assert json.dumps(written(value)) == json.dumps(value)


@pytest.mark.parametrize(
    "separator", ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
)
def test_no_separator_survives(separator):
    """Anywhere an application's text can go; and it is read back as it was."""
    text = f"a{separator}b"
    data = line({text: text}, source=text, correlation_id=text, metadata={text: text}, id=text)
    assert data.decode().splitlines() == [data.decode()[:-1]]
    record = json.loads(data)
    assert record["payload"] == record["metadata"] == {text: text}
    assert record["source"] == record["correlation_id"] == record["id"] == text


def test_a_set_has_one_order():
    """Whatever the hash seed is."""
    words = [f"word {n}" for n in range(100)]
    assert written(set(words)) == sorted(words)


def test_a_cycle_is_marked():
    """Where it closes; the same list twice is no cycle."""
    cycle = {"a": 1}
    cycle["self"] = [cycle]
    assert written(cycle) == {"a": 1, "self": [{"__cycle__": "dict"}]}
    shared = [1]
    assert written([shared, shared, {2}]) == [[1], [1], [2]]


def test_a_cycle_through_an_object_is_marked():
    """A dataclass that holds itself."""
    point = Point()
    point.x = point
    assert written(point) == {"x": {"__cycle__": "Point"}, "y": 2}


@pytest.mark.parametrize("odd_leaf", [1, {1}])
def test_what_is_too_deep_is_marked(odd_leaf):
    """At the same depth on both paths, however deep it goes on."""
    nest = odd_leaf
    for _ in range(100_000):
        nest = [nest]
    text = line({"v": nest}).decode()
    assert text.count("[") == MAX_DEPTH - 2  # the record and the payload are containers too
    assert f"nested deeper than {MAX_DEPTH} levels" in text
    assert json.loads(text)


def test_the_deepest_that_is_allowed_is_whole():
    """One level less than what is marked."""
    nest = 1
    for _ in range(MAX_DEPTH - 2):
        nest = [nest]
    assert written(nest) == nest
    assert json.loads(line({"v": nest, "odd": {1}}))["payload"]["v"] == nest


def test_shared_parts_that_multiply_are_bounded():
    """Forty lists that stand for 2**40 values make a record all the same."""
    bomb = [1]
    for _ in range(40):
        bomb = [bomb, bomb]
    data = line({"v": bomb})
    assert f"more than {MAX_VALUES} values" in data.decode()
    assert len(data) < 100 * MAX_VALUES
    assert json.loads(data)


class Hostile:
    """Raises whatever is asked of it."""

    def _raise(self, *_args):
        raise RuntimeError("no")

    __iter__ = __len__ = __getitem__ = __eq__ = __lt__ = __bool__ = __str__ = __getattr__ = _raise

    def __hash__(self):
        return 1

    @property
    def __class__(self):
        raise RuntimeError("no")

    def __repr__(self):
        raise KeyError("no")


class HostileMapping(collections.abc.Mapping):
    def __getitem__(self, key):
        raise RuntimeError("no")

    def __iter__(self):
        raise RuntimeError("no")

    def __len__(self):
        raise RuntimeError("no")

    def __repr__(self):
        return "<hostile>"


class HostileDict(dict):
    def items(self):
        raise RuntimeError("no")

    def __repr__(self):
        return "<hostile>"


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {v}, lambda v: {v: 1}])
def test_an_object_that_raises_costs_only_itself(wrap):
    """Iteration, comparison, truth, attributes, class, repr: the record is written."""
    payload = json.loads(line({"a": wrap(Hostile()), "b": 1}))["payload"]
    assert payload["b"] == 1
    assert "Hostile object, whose repr raised KeyError" in json.dumps(payload["a"])


@pytest.mark.parametrize("payload", [HostileMapping(), HostileDict(a=1)])
def test_a_payload_that_raises_is_an_object_still(payload):
    """A reader finds what `from_dict` expects."""
    record = json.loads(line(payload))
    assert record["payload"] == {"__repr__": "<hostile>"}
    assert Event.from_dict(record).payload == record["payload"]


LIES = {
    datetime: {"isoformat": lambda self: object()},
    date: {"isoformat": lambda self: b"no"},
    time: {"isoformat": lambda self: Text("01:02:03\ud800")},
    timedelta: {"days": "no"},
    Decimal: {"__str__": lambda self: Text("1")},
    uuid.UUID: {"__str__": lambda self: Text("\ud800")},
    bytes: {"__bytes__": lambda self: Bytes(b"no")},
    bytearray: {"__bytes__": lambda self: Bytes(b"no")},
    str: {"__str__": lambda self: 1, "encode": lambda self: None},
    int: {"__int__": lambda self: "no", "__str__": lambda self: 1},
    float: {"__float__": lambda self: "no"},
    list: {"__iter__": lambda self: None},
    tuple: {"__iter__": lambda self: iter([object()])},
    dict: {"items": lambda self: [1, 2]},
    set: {"__iter__": lambda self: None},
    collections.deque: {"__iter__": lambda self: 1},
}
ARGUMENTS = {datetime: (2026, 1, 2), date: (2026, 1, 2), uuid.UUID: ("0" * 32,)}


@pytest.mark.parametrize("base", LIES)
def test_a_subclass_that_lies_costs_no_record(base):
    """Whatever its methods return; as a value, as a key where it can be one, and in a set."""
    honest = type("Honest", (base,), {})(*ARGUMENTS.get(base, ()))
    liar = type("Liar", (base,), LIES[base])(*ARGUMENTS.get(base, ()))
    for value in (honest, liar):
        assert json.loads(line({"v": value, "w": 1}))["payload"]["w"] == 1
        if base.__hash__:
            assert json.loads(line({"v": {value: {value}}, "w": 1}))["payload"]["w"] == 1


def test_a_lying_class_is_not_believed():
    """What calls itself a dict and is none is written as it is."""
    liar = type("Liar", (), {"__class__": dict, "__repr__": lambda self: "<liar>"})()
    assert isinstance(liar, dict)
    assert written(liar) == {"__repr__": "<liar>"}


def test_an_iterator_is_not_used_up():
    """It is the application's, and its other handlers'."""
    iterator = iter([1, 2])
    assert set(written(iterator)) == {"__repr__"}
    assert list(iterator) == [1, 2]


def test_a_long_repr_is_cut():
    """At a stated length; the record says how long it was."""

    class Long:
        def __repr__(self):
            return "x" * 1_000_000

    text = written(Long())["__repr__"]
    assert text == "x" * MAX_REPR + "… (1000000 characters)"


def test_a_repr_with_a_surrogate_is_escaped():
    """As any other text."""

    class Odd:
        def __repr__(self):
            return "\ud800"

    assert written(Odd()) == {"__repr__": "\\ud800"}


def test_an_attribute_that_is_gone_is_left_out():
    """A slot that was deleted costs only itself."""
    slotted = Slotted()
    del slotted.a
    assert written(slotted) == {"b": 2}


def test_every_field_of_an_event_may_be_odd():
    """A subclass of str, a mapping that is no dict, a surrogate in the id."""
    event = Event(
        "user.login",
        types.MappingProxyType({"a": 1}),
        source=Text("web"),
        correlation_id="\ud800",
        metadata=types.MappingProxyType({"k": Text("v")}),
        id="i\ud800",
    )
    record = json.loads(encode(event))
    assert record["payload"] == {"a": 1}
    assert record["source"] == "web"
    assert record["correlation_id"] == "\\ud800"
    assert record["metadata"] == {"k": "v"}
    assert record["id"] == "i\\ud800"


def test_a_deep_stack_still_writes_a_record():
    """An application that is near the end of its stack loses no record to ours."""

    def descend(levels):
        return descend(levels - 1) if levels else line({"v": {1}, "w": [[[[[object()]]]]]})

    depth = len_of_stack()
    for spare in (60, 40, 30, 25):
        data = descend(sys.getrecursionlimit() - depth - spare)
        assert json.loads(data)["type"] == "user.login"


def len_of_stack():
    frame, depth = sys._getframe(), 0
    while frame:
        frame, depth = frame.f_back, depth + 1
    return depth
