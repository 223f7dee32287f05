"""Logging: one record an event, structured, without what payloads hold."""

from __future__ import annotations

import logging

import pytest

from busway import Event
from busway_middleware import LoggingMiddleware, TraceMiddleware

CANARY = "s3cret-canary"


@pytest.fixture
def records():
    """What is logged, from DEBUG on."""
    kept, root = [], logging.getLogger()
    handler, level = logging.Handler(), root.level
    handler.emit = kept.append
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield kept
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_record_has_the_event_s_fields(records):
    """Under names that no record has already; the event is passed on as it is."""
    event = TraceMiddleware()(
        Event(
            "user.login", {"password": CANARY}, source="web", correlation_id="c", causation_id="d"
        )
    )
    assert LoggingMiddleware()(event) is event
    (record,) = records
    assert (record.name, record.levelname) == ("busway.events", "INFO")
    assert record.getMessage() == f"user.login {event.id}"
    assert {key: value for key, value in vars(record).items() if key.startswith("event_")} == {
        "event_id": event.id,
        "event_type": "user.login",
        "event_source": "web",
        "event_timestamp": event.timestamp.isoformat(),
        "event_correlation_id": "c",
        "event_causation_id": "d",
        "event_traceparent": event.metadata["traceparent"],
    }


def test_nothing_of_a_payload_is_logged(records):
    """Neither keys nor values, nor what else the metadata holds."""
    LoggingMiddleware()(Event("user.login", {CANARY: CANARY}, metadata={"cookie": CANARY}))
    assert CANARY not in str([vars(record) for record in records])


def test_the_payload_is_logged_if_that_is_asked_for(records):
    """As a field of its own."""
    LoggingMiddleware(payload=True)(Event("user.login", {"user_id": 7}))
    assert records[0].event_payload == {"user_id": 7}


def test_a_level_a_type(records):
    """By name or pattern, the first that fits; in small letters too."""
    middleware = LoggingMiddleware(
        level="debug", levels={"user.login_failed": "WARNING", "user.*": "error", "*failed": "INFO"}
    )
    for type_ in ("audit.log", "user.login", "user.login_failed", "user.login"):
        middleware(Event(type_))
    assert [record.levelname for record in records] == ["DEBUG", "ERROR", "WARNING", "ERROR"]


def test_what_is_below_the_logger_s_level_is_not_made(records):
    """A record costs time."""
    logging.getLogger("quiet").setLevel(logging.WARNING)
    LoggingMiddleware(logger="quiet")(Event("user.login"))
    assert records == []


def test_an_id_that_was_given_cannot_break_the_line(records):
    """An event read from a file may have any."""
    LoggingMiddleware()(Event("user.login", id="7\n2026-01-01 all is well"))
    assert "\n" not in records[0].getMessage()


@pytest.mark.parametrize(
    ("settings", "error", "culprit"),
    [
        ({"logger": ""}, TypeError, "logger: "),
        ({"level": "LOUD"}, ValueError, "level: 'LOUD'"),
        ({"level": 10}, TypeError, "level: "),
        ({"levels": ["INFO"]}, TypeError, "levels: a table"),
        ({"levels": {"user.*": "LOUD"}}, ValueError, r"levels\.user\.\*: 'LOUD'"),
        ({"payload": "yes"}, TypeError, "payload: "),
    ],
)
def test_a_setting_that_is_wrong_is_named(settings, error, culprit):
    """With what is expected."""
    with pytest.raises(error, match=f"^{culprit}"):
        LoggingMiddleware(**settings)
