"""Every plugin that we ship conforms."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
from importlib_metadata import distributions
from tests.bridge.servers import Redis
from tests.cache.servers import RedisServer

from busway import Event
from busway_testing import (
    HandlerConformance,
    InterceptorConformance,
    MiddlewareConformance,
    PluginConformance,
)
from busway_testing.conformance import Conformance

if TYPE_CHECKING:
    from collections.abc import Iterator

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


class TestAudit(HandlerConformance):
    plugin = "audit"
    event = Event("user.created", {"user_id": 7, "roles": ["admin"]})

    @pytest.fixture
    def plugin_settings(self, tmp_path):
        return {"path": tmp_path / "audit"}


class TestAuditThatWritesEachEvent(TestAudit):
    """With a disk to wait for in `handle`."""

    @pytest.fixture
    def plugin_settings(self, tmp_path):
        return {"path": tmp_path / "audit", "buffer_size": 1}


class TestCache(HandlerConformance):
    plugin = "cache"
    event = Event("user.updated", {"user_id": 7})


class TestCacheInRedis(TestCache):
    """With a server to wait for in `handle`."""

    @pytest.fixture
    def plugin_settings(self, tmp_path):
        if RedisServer.program is None:
            pytest.skip("redis-server is not installed")
        server = RedisServer(tmp_path).start()
        yield {"cache": server.url}
        server.kill()


class TestBridge(PluginConformance):
    """As it is installed: it brings nothing."""

    plugin = "bridge"


class TestBridgeOverABroker(HandlerConformance):
    """Out and in."""

    plugin = "bridge"
    event = Event("user.created", {"user_id": 7, "roles": ["admin"]})

    @pytest.fixture
    def plugin_settings(self, tmp_path):
        server = Redis(tmp_path)
        server.start()
        yield {"url": server.url, "out": {"user.*": "users"}, "subjects": ["users"]}
        server.kill()


class TestNotify(HandlerConformance):
    plugin = "notify"
    event = Event("user.created", {"email": "ada@example.org"})


class TestNotifyByFile(TestNotify):
    """With a disk to wait for in `handle`."""

    @pytest.fixture
    def plugin_settings(self, tmp_path):
        return {"channels": [f"jsonl:{tmp_path}/sent.jsonl"], "threshold": 1}


class TestNotifyByMail(TestNotify):
    """With a queue, a thread, and nobody who takes the mail."""

    @pytest.fixture
    def plugin_settings(self, tmp_path):
        return {
            "channels": ["smtp://127.0.0.1:9"],
            "admins": ["ops@example.org"],
            "sender": "busway@example.org",
            "stop_timeout": 0.1,
            "detect": ["address", "account", "spraying", "login"],
            "state": str(tmp_path / "state.json"),
        }


class TestTrace(MiddlewareConformance):
    plugin = "trace"


class TestFilter(MiddlewareConformance):
    plugin = "filter"
    settings: ClassVar = {"allow_types": ["user.*"], "deny_sources": ["robot"]}


class TestRateLimit(MiddlewareConformance):
    plugin = "ratelimit"
    settings: ClassVar = {"rate": "3/minute", "per": "key", "key": "ip_address"}
    event = Event("user.login_failed", {"ip_address": "192.0.2.7"})


class TestLogging(MiddlewareConformance):
    plugin = "logging"
    settings: ClassVar = {"payload": True}


class TestRedact(MiddlewareConformance):
    plugin = "redact"
    event = Event("user.created", {"user_id": 7, "login": {"password": "s3cret"}})


class TestHandlerFilter(InterceptorConformance):
    plugin = "handler-filter"
    settings: ClassVar = {"handlers": ["*"], "types": ["audit.log"]}


class TestResilience(InterceptorConformance):
    plugin = "resilience"

    @pytest.fixture
    def plugin_settings(self, tmp_path):
        return {
            "timeout": 5.0,
            "retries": 2,
            "retry_wait": 0.0,
            "retry_jitter": 0.0,
            "max_concurrency": 1,
            "breaker_failures": 3,
            "dead_letter": tmp_path / "dead.jsonl",
        }


class TestOutbox(PluginConformance):
    plugin = "outbox"


class TestOutboxThatListens(HandlerConformance):
    """It hears that something was added."""

    plugin = "outbox"

    @pytest.fixture
    def plugin_settings(self, tmp_path):
        return {"url": f"sqlite:{tmp_path / 'outbox.db'}"}


class TestOutboxThatIsThere(TestOutboxThatListens):
    """With a database that its relay looks at."""

    @pytest.fixture
    def plugin_settings(self, tmp_path):
        (tmp_path / "outbox.db").touch()
        return {"url": f"sqlite:{tmp_path / 'outbox.db'}", "poll": 0.01}


class TestOutboxThatRecords(InterceptorConformance):
    """Around a handler that is durable."""

    plugin = "outbox"

    @pytest.fixture
    def plugin_settings(self, tmp_path):
        return {"url": f"sqlite:{tmp_path / 'outbox.db'}", "durable": ["*"]}


def entry_points() -> Iterator[tuple[str, str]]:
    """Group and name, of all plugins in the house; of those installed, where its sources are not.

    Commands and transports are no plugins: they are read by busway-cli alone.
    """
    if PLUGINS.is_dir():
        for path in PLUGINS.glob("*/pyproject.toml"):
            groups = tomllib.loads(path.read_text())["project"].get("entry-points", {})
            yield from ((group, name) for group, named in groups.items() for name in named)
    else:
        ours = [one for one in distributions() if one.name.startswith("busway-")]
        yield from ((point.group, point.name) for one in ours for point in one.entry_points)


def test_every_plugin_has_its_class() -> None:
    """One that is added to the house is tested here, or this fails."""
    shipped = {
        (group, name)
        for group, name in entry_points()
        if group.startswith("busway.") and group not in ("busway.commands", "busway.transports")
    }
    here = [one for one in vars(sys.modules[__name__]).values() if isinstance(one, type)]
    tested = {(one.group, one.plugin) for one in here if issubclass(one, Conformance)}
    assert ("busway.handlers", "audit") in shipped
    assert shipped - tested == set()
