"""The wire: an event as a CloudEvent 1.0 in JSON, and back.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from busway import Event
from busway_bridge._forms import plain
from busway_bridge.event_types import BridgeEvent
from busway_bridge.exceptions import WireError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudevents.core.base import BaseCloudEvent

__all__ = ["ORIGIN", "VIA", "dead_letter", "decode", "encode", "key"]

ORIGIN: Final = "origin"
"""The key of `metadata`, and the extension, that says which application sent an event."""

VIA: Final = "via"
"""The key of `metadata` that says by which broker an event came in; it is never sent."""

_REST: Final = "buswayrest"
"""The extension for what no attribute can hold: a JSON object of the event's fields."""

_UNNAMED: Final = "busway"
"""The source of an event that names none: a CloudEvent must."""

_ATTRIBUTES: Final = frozenset(
    ("id", "source", "type", "specversion", "time", "datacontenttype", "data")
)
_TAKEN: Final = _ATTRIBUTES | {"correlationid", "causationid", "dataschema", _REST}
_NAME: Final = re.compile(r"[a-z0-9]+")
# no control characters, surrogates or noncharacters: the specification's type String
_TEXT: Final = re.compile(
    "[^\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
    + "]+"
)
_SAFE: Final = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=@/]|%[0-9A-Fa-f]{2})"
_REFERENCE: Final = re.compile(
    rf"(?=.)(?:[A-Za-z][A-Za-z0-9+.\-]*:)?(?://[A-Za-z0-9.\-]+(?::\d+)?(?=[/?#]|$)|(?!//))"
    rf"{_SAFE}*(?:\?(?:{_SAFE}|[?:])*)?(?:\#(?:{_SAFE}|[?:])*)?"
)
_format: Final = JSONFormat()
_json: Final = msgspec.json.Encoder(enc_hook=str.__str__)  # for subclasses of str: their text


def encode(event: Event, origin: str = "") -> bytes:
    """An event as a CloudEvent: structured, in JSON, UTF-8.

    `correlation_id`, `causation_id` and `metadata` become extensions. What an attribute cannot
    hold (a control character, a name that is not in lower case) travels in `buswayrest`.

    Args:
        event: the event; payload values that JSON lacks take the forms that the README lists.
        origin: who sends it, unless its metadata say so already.

    Raises:
        WireError: if the payload is nested too deep, or a `repr` in it fails.
    """
    rest: dict[str, object] = {}
    attributes: dict[str, object] = {
        "specversion": "1.0",
        "id": _said(event.id, "id", rest),
        "source": _source(event.source, rest),
        "type": _said(event.type.value, "type", rest),
        "time": event.timestamp.isoformat().removesuffix("+00:00") + "Z",
        "datacontenttype": "application/json",
    }
    _add(attributes, rest, "correlation_id", event.correlation_id)
    _add(attributes, rest, "causation_id", event.causation_id)
    _add_metadata(attributes, rest, event.metadata)
    if origin:
        attributes.setdefault(ORIGIN, origin)
    if rest:
        attributes[_REST] = json.dumps(rest)
    try:
        attributes["data"] = plain(event.payload)
        # the library would check once more what is made above, and takes as long as the sending;
        # that it accepts each is a test
        return _json.encode(attributes)
    except Exception as error:
        raise WireError(f"the payload of event {event.id} has no JSON: {error!r}") from error


def decode(body: bytes | str, via: str | None = None) -> Event:
    """The event that a CloudEvent is; of version 1.0, or 0.3, whoever wrote it.

    Data that is no object becomes `{"data": …}`, bytes `{"data_base64": …}`, none `{}`. A missing
    time is now. Extensions become `metadata`, as text.

    Args:
        body: the message.
        via: by which broker it came; for `metadata`.

    Raises:
        WireError: if it is no CloudEvent.
        EventError: if it is none of an event here: its type is not registered, say.
    """
    try:
        read = _read(body)
        attributes = dict(read.get_attributes())
        rest = json.loads(attributes.pop(_REST)) if _REST in attributes else {}
        fields: dict[str, object] = {
            "type": attributes.pop("type"),
            "timestamp": attributes.pop("time"),
            "source": _unnamed(attributes.pop("source")),
            "id": attributes.pop("id"),
            "correlation_id": _optional(attributes.pop("correlationid", None)),
            "causation_id": _optional(attributes.pop("causationid", None)),
            "payload": _payload(read.get_data()),
        }
        metadata = rest.pop("metadata", {})
        fields |= rest
        came = {} if via is None else {VIA: via}
        fields["metadata"] = _metadata(attributes) | metadata | came
    except Exception as error:  # a stranger's bytes, and a library that trusts them
        raise WireError(f"no CloudEvent: {_brief(error)}") from error
    try:
        return Event(**fields)  # type: ignore[arg-type]  # checked by its constructor
    except TypeError as error:
        raise WireError(f"no CloudEvent of Busway: {_brief(error)}") from error


def _read(body: bytes | str) -> BaseCloudEvent:
    """As the library does it, which takes longest over the time: most times are plain."""
    attributes = json.loads(body)
    if attributes.get("specversion") != "1.0" or "data_base64" in attributes:
        return _format.read(None, body)
    if "time" in attributes:
        try:
            attributes["time"] = datetime.fromisoformat(attributes["time"])
        except ValueError:
            return _format.read(None, body)
    data = attributes.pop("data", None)
    return CloudEvent(attributes, data)


def key(event: Event) -> str:
    """What tells an event from all others: source and id, as CloudEvents has it; printable ASCII.

    An id alone is unique within its source only.
    """
    return "#".join(quote(part, errors="backslashreplace") for part in (event.source, event.id))


def dead_letter(body: bytes, subject: str, reason: str, origin: str) -> tuple[bytes, str]:
    """A CloudEvent `busway.dead_letter` about a message that nobody could handle, and its id.

    Its data: `reason`, `subject`, and the message as `body`, or `body_base64` if it is no text.
    """
    data = {"reason": reason, "subject": subject}
    try:
        data["body"] = body.decode()
    except UnicodeDecodeError:
        data["body_base64"] = base64.b64encode(body).decode()
    attributes = {
        "source": _UNNAMED,
        "type": BridgeEvent.DEAD_LETTER.value,
        "datacontenttype": "application/json",
        ORIGIN: origin or _UNNAMED,
    }
    letter = CloudEvent(attributes, data)
    return _format.write(letter), letter.get_id()


def _is_text(value: str) -> bool:
    """Whether an attribute can hold it as it is; most are plain, and seen to be at once."""
    return (value.isascii() and value.isprintable() and value != "") or bool(_TEXT.fullmatch(value))


def _said(value: str, field: str, rest: dict[str, object]) -> str:
    """A required attribute: quoted if it has to be, and then whole among the rest."""
    if _is_text(value):
        return value
    rest[field] = value
    return quote(value, errors="backslashreplace")


def _source(value: str, rest: dict[str, object]) -> str:
    if value and value != _UNNAMED and _REFERENCE.fullmatch(value):
        return value
    if not value:
        return _UNNAMED
    rest["source"] = value
    return quote(value, errors="backslashreplace") or _UNNAMED


def _unnamed(value: str) -> str:
    return "" if value == _UNNAMED else value


def _add(
    attributes: dict[str, object], rest: dict[str, object], field: str, value: str | None
) -> None:
    if value is None:
        return
    if _is_text(value):
        attributes[field.replace("_", "")] = value
    else:
        rest[field] = value


def _add_metadata(
    attributes: dict[str, object], rest: dict[str, object], metadata: Mapping[str, str]
) -> None:
    packed = {}
    for name, value in metadata.items():
        if name == VIA:
            continue
        if name not in _TAKEN and _NAME.fullmatch(name) and _is_text(value):
            attributes[name] = value
        else:
            packed[name] = value
    if packed:
        rest["metadata"] = packed


def _optional(value: object) -> str | None:
    return None if value is None else _attribute(value)


def _metadata(attributes: Mapping[str, object]) -> dict[str, str]:
    """What is left of the attributes; not what every CloudEvent has."""
    return {
        name: _attribute(value)
        for name, value in attributes.items()
        if value is not None
        and name not in ("specversion", VIA)
        and not (name == "datacontenttype" and value == "application/json")
    }


def _attribute(value: object) -> str:
    """An attribute's canonical text: a foreign one may be a number or a truth value."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _payload(data: object) -> Mapping[str, object]:
    if data is None:
        return {}
    if isinstance(data, bytes):
        return {"data_base64": base64.b64encode(data).decode()}
    return data if isinstance(data, dict) else {"data": data}


def _brief(error: Exception) -> str:
    """What is wrong, without what the message holds."""
    errors = getattr(error, "errors", None)
    if isinstance(errors, dict):
        return f"wrong or missing: {', '.join(sorted(map(str, errors)))}"
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]!r}"
    return type(error).__name__
