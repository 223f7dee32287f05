"""The rule for critical errors: what alerts, what is the same error, what is told."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway.events import Event
from busway_notify.critical_error import CriticalErrorRule

START = datetime(2005, 6, 15, tzinfo=UTC)


def error(second=0, source="web", **payload):
    """A critical error, some seconds after the start."""
    known = {"severity": "critical", "component": "db", "message": "gone"}
    at = START + timedelta(seconds=second)
    return Event("error.occurred", {**known, **payload}, at, source)


def test_a_critical_error_alerts_at_once():
    """The first one is told, with where, what and when."""
    event = error()
    notification = CriticalErrorRule().consider(event).notification
    assert notification.kind == "critical_error"
    assert notification.key == "web/db"
    assert notification.recipient == "administrators"
    assert notification.subject == "Critical error in web/db: gone"
    assert "Time: 2005-06-15T00:00:00+00:00" in notification.body
    assert (notification.event_id, notification.timestamp) == (event.id, event.timestamp)


class Incomparable:
    """A value that will not be compared, as arrays will not."""

    def __eq__(self, other):
        raise ValueError

    __hash__ = None


@pytest.mark.parametrize(
    "severity", [Incomparable(), "error", "CRITICAL", "", None, ["critical"], b"critical", 50]
)
def test_nothing_else_does(severity):
    """Another severity, or what is no severity, is neither sent nor counted nor remembered."""
    rule = CriticalErrorRule()
    assert rule.consider(error(severity=severity)) is None
    assert not any(rule.health().values())


@pytest.mark.parametrize(("again", "sent"), [(299.999999, False), (300, True), (-300, True)])
def test_the_same_error_is_sent_again_after_the_cooldown(again, sent):
    """300 s of event time after it was sent, in either direction, it is sent again."""
    rule = CriticalErrorRule()
    rule.consider(error(0))
    assert (rule.consider(error(again)) is not None) == sent
    assert rule.health()["suppressed_critical_error"] == (not sent)


def test_the_cooldown_runs_from_the_last_one_sent():
    """Errors that were held back do not prolong it: one every 200 s is sent every 400 s."""
    rule = CriticalErrorRule()
    assert [rule.consider(error(s)) is not None for s in (0, 200, 400, 600, 800)] == [
        True,
        False,
        True,
        False,
        True,
    ]


def test_the_next_alert_tells_how_many_were_not_sent():
    """Two in the cooldown are told by the alert after it, and by that one alone."""
    rule = CriticalErrorRule()
    bodies = [
        draft.notification.body for s in (0, 1, 2, 300, 600) if (draft := rule.consider(error(s)))
    ]
    assert ["not sent since the last alert: 2" in body for body in bodies] == [False, True, False]
    assert "not sent" not in bodies[2]


@pytest.mark.parametrize(
    "other", [{"source": "worker"}, {"component": "cache"}, {"message": "slow"}]
)
def test_another_source_component_or_message_is_another_error(other):
    """Each of the three tells errors apart."""
    rule = CriticalErrorRule()
    rule.consider(error())
    assert rule.consider(error(**other)) is not None


def test_the_parts_of_an_error_do_not_run_together():
    """`ab` in `c` is not `a` in `bc`."""
    rule = CriticalErrorRule()
    rule.consider(error(component="ab", message="c"))
    assert rule.consider(error(component="a", message="bc")) is not None


def test_an_error_that_reached_nobody_is_tried_again():
    """After `take_back` the same error alerts at once."""
    rule = CriticalErrorRule()
    rule.consider(error(0)).take_back()
    assert "not sent since the last alert: 1" in rule.consider(error(1)).notification.body


def test_an_error_without_anything_is_told():
    """No source, component or message: still an alert."""
    event = Event("error.occurred", {"severity": "critical"})
    notification = CriticalErrorRule().consider(event).notification
    assert notification.key == "unknown"
    assert notification.subject == "Critical error in unknown: no message"


def test_a_message_cannot_add_lines():
    """A message of many lines is one in the subject, and one in the body; both are cut."""
    message = "x\nTo: you\r\n" + "y" * 5000
    notification = CriticalErrorRule().consider(error(message=message)).notification
    assert notification.subject.startswith("Critical error in web/db: x To: you yyy")
    assert len(notification.subject) == 200
    assert len(notification.body.splitlines()) == 2
    assert len(notification.body) < 1200


@given(messages=st.lists(st.binary(max_size=3) | st.text(), max_size=40))
def test_never_more_than_max_keys_are_tracked(messages):
    """Whatever messages come, the bound holds, and what is given up is counted."""
    rule = CriticalErrorRule(max_keys=4)
    for message in messages:
        rule.consider(error(message=message))
        assert rule.health()["tracked_keys"] <= 4
    assert rule.health()["evicted_keys"] >= len(_texts(messages)) - 4


def _texts(messages):
    return {m.decode("utf-8", "backslashreplace") if isinstance(m, bytes) else m for m in messages}
