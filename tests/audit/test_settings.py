"""The settings: what they take, and what they say to what they do not."""

import math

import pytest
from tests.audit.trail import login, until

from busway import EventBus, EventType, load_plugins
from busway_audit import AuditLogHandler

KEY = "5a" * 32

WRONG = [
    ({"path": None}, TypeError),
    ({"path": 5}, TypeError),
    ({"path": b"audit"}, TypeError),
    ({"buffer_size": 0}, ValueError),
    ({"buffer_size": -1}, ValueError),
    ({"buffer_size": True}, TypeError),
    ({"buffer_size": 1.0}, TypeError),
    ({"buffer_size": "100"}, TypeError),
    ({"max_age": 0}, ValueError),
    ({"max_age": math.nan}, ValueError),
    ({"max_age": math.inf}, ValueError),
    ({"max_age": "1"}, TypeError),
    ({"flush_on": "user.login"}, TypeError),
    ({"flush_on": [1]}, TypeError),
    ({"flush_on": None}, TypeError),
    ({"max_pending": 99}, ValueError),
    ({"max_pending_bytes": 0}, ValueError),
    ({"when_full": "explode"}, ValueError),
    ({"when_full": None}, TypeError),
    ({"rotate_bytes": 0}, ValueError),
    ({"rotate_daily": 1}, TypeError),
    ({"redact": "password"}, TypeError),
    ({"redact": [""]}, TypeError),
    ({"key": 5}, TypeError),
    ({"key": "not hex"}, ValueError),
    ({"key": KEY[:-2]}, ValueError),
    ({"redact_key": KEY + "5a"}, ValueError),
]


@pytest.mark.parametrize(("setting", "error"), WRONG, ids=[str(one) for one, _ in WRONG])
def test_what_is_wrong_is_named(setting, error):
    """The setting, and what is expected."""
    (name,) = setting
    with pytest.raises(error, match=f"^{name}: .*expected"):
        AuditLogHandler(**setting)


def test_no_key_is_repeated():
    """Not even one that is wrong in one digit."""
    with pytest.raises(ValueError) as caught:
        AuditLogHandler(key=KEY[:-1] + "x")
    assert KEY[:8] not in str(caught.value)
    assert "keygen" in str(caught.value)


@pytest.mark.parametrize("type_", [EventType.USER_LOGIN, "user.login"])
async def test_members_are_as_good_as_their_values(tmp_path, type_):
    """A set of types reads well in an application."""
    audit = AuditLogHandler(tmp_path, flush_on={type_})
    await audit.handle(login(1))
    await until(lambda: audit.health()["durable"])
    assert audit.health()["pending"] == 0
    await audit.stop()


def test_all_of_them_can_stand_in_a_file(tmp_path, monkeypatch):
    """As TOML has them, the keys as references to files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "busway.toml").write_text(
        """
        [plugins.audit]
        path = "trail"
        buffer_size = 10
        max_age = 1
        flush_on = ["user.deleted"]
        max_pending = 1000
        max_pending_bytes = 1000000
        when_full = "drop"
        rotate_bytes = 1000000
        rotate_daily = false
        key = {file = "key"}
        redact = ["secret", "*_code"]
        redact_key = {file = "key"}
        """
    )
    row = load_plugins(EventBus(), allow=["audit"])["audit"]
    assert row.state == "active", row.reason
    assert row.settings["key"] == ("{'file': 'key'}", "busway.toml")
    assert KEY not in repr(row)
