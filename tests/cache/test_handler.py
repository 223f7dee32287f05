"""The handler: what an event drops, what it tells, and what a publisher learns."""

import asyncio
import logging
import threading
import time

import pytest

from busway import ANY, Event, EventBus, EventHandler, EventType, MiddlewareError, load_plugins
from busway_cache import CacheInvalidationHandler, Capability, InvalidationError, MemoryCache

USER = {"user_id": 7}
ITEM = {"entity_type": "post", "entity_id": 3}


class Collector(EventHandler):
    event_types = (ANY,)

    def __init__(self):
        self.events = []

    async def handle(self, event):
        self.events.append(event)

    def told(self):
        return [dict(one.payload) for one in self.events if one.type == "cache.invalidated"]


@pytest.fixture
def collector():
    return Collector()


@pytest.fixture
def make_bus(collector):
    def make(**settings):
        bus = EventBus()
        bus.subscribe(CacheInvalidationHandler(**settings))
        bus.subscribe(collector)
        return bus

    return make


@pytest.mark.parametrize(
    ("kind", "payload", "key"),
    [
        (EventType.USER_UPDATED, USER, "user:7"),
        (EventType.USER_DELETED, USER, "user:7"),
        (EventType.ITEM_UPDATED, ITEM, "item:post:3"),
        (EventType.ITEM_DELETED, ITEM, "item:post:3"),
    ],
)
async def test_an_event_drops_its_key(make_bus, collector, kind, payload, key):
    """And no other; what was dropped is told, caused by the event."""
    entries = {"user:7": 1, "user:70": 1, "item:post:3": 1, "item:post:4": 1}
    event = Event(kind, payload)
    async with make_bus(cache=entries) as bus:
        assert (await bus.publish(event)).ok
    assert sorted(entries) == sorted({"user:7", "user:70", "item:post:3", "item:post:4"} - {key})
    assert collector.told() == [{"keys": [key], "tags": [], "patterns": []}]
    (told,) = [one for one in collector.events if one.type == "cache.invalidated"]
    assert (told.causation_id, told.source) == (event.id, "busway.cache")


@pytest.mark.parametrize("kind", ["user.created", "item.created", "user.login", "audit.log"])
async def test_other_events_drop_nothing(make_bus, collector, kind):
    """They change nothing that the templates name."""
    entries = {"user:7": 1}
    async with make_bus(cache=entries) as bus:
        await bus.publish(Event(kind, USER | ITEM))
    assert entries == {"user:7": 1}
    assert collector.told() == []


async def test_no_read_after_a_publish_sees_older_data(make_bus, source):
    """Whether the value was cached, or on its way."""
    cache = MemoryCache()
    bus = make_bus(cache=cache)
    source.may_return.clear()
    early = asyncio.create_task(cache.get_or_load("user:7", source.load))
    await source.has_read.wait()
    source.version = 1
    assert (await bus.publish(Event("user.updated", USER))).ok
    source.may_return.set()
    assert await cache.get_or_load("user:7", source.load) == 1
    assert await early == 0


async def test_it_is_told_on_the_shared_bus_without_start(collector):
    """A bus need not be started; a private one that was not is not known."""
    shared = EventBus.get_instance()
    handler = CacheInvalidationHandler()
    shared.subscribe(collector)
    await EventBus().deliver(Event("user.updated", USER), handler)
    assert collector.told() == []
    shared.subscribe(handler)
    assert (await shared.publish(Event("user.updated", USER))).ok
    assert collector.told() == [{"keys": ["user:7"], "tags": [], "patterns": []}]


async def test_templates_are_added_by_type(make_keeper, make_bus):
    """Those of a type stand in place of the default ones of that type."""
    keeper = make_keeper()
    bus = make_bus(
        cache=keeper,
        keys={"user.updated": ["profile:{user_id}", "list"], "item.deleted": []},
        tags={"item.deleted": ["{entity_type}"]},
        patterns={"user.updated": ["page:*:{user_id}"]},
    )
    for event in (
        Event("user.updated", USER),
        Event("user.deleted", USER),
        Event("item.deleted", ITEM),
    ):
        assert (await bus.publish(event)).ok
    assert keeper.told == [
        (["profile:7", "list"], [], ["page:*:7"]),
        (["user:7"], [], []),
        ([], ["post"], []),
    ]


@pytest.mark.parametrize(
    ("kind", "payload", "pattern"),
    [
        ("user.updated", {}, "user:*"),
        ("user.deleted", {"user_id": None}, "user:*"),
        ("item.updated", {"entity_id": 3}, "item:*"),
        ("item.deleted", {"entity_type": "post"}, "item:*"),
    ],
)
async def test_what_an_event_lacks_clears_the_namespace(
    make_bus, collector, caplog, kind, payload, pattern
):
    """It is reported, and told as a pattern."""
    entries = {"user:1": 1, "user:2": 1, "item:a:1": 1, "other": 1}
    async with make_bus(cache=entries) as bus:
        assert (await bus.publish(Event(kind, payload))).ok
        (health,) = [one for one in bus.health().values() if one]
    assert not [key for key in entries if key.startswith(pattern[:-1])]
    assert "other" in entries
    assert collector.told() == [{"keys": [], "tags": [], "patterns": [pattern]}]
    assert health["cleared_namespaces"] == 1
    assert f"{kind} " in caplog.text


async def test_without_patterns_what_an_event_lacks_clears_everything(make_bus, collector):
    """By `clear`, where a namespace cannot be dropped."""

    class Plain:
        capabilities = frozenset({"keys"})
        cleared = 0

        async def invalidate(self, *, keys=(), tags=(), patterns=()):
            assert not tags
            assert not patterns

        async def clear(self):
            self.cleared += 1

    cache = Plain()
    async with make_bus(cache=cache) as bus:
        assert (await bus.publish(Event("user.updated", {}))).ok
    assert cache.cleared == 1
    assert collector.told() == [{"keys": [], "tags": [], "patterns": ["*"]}]


async def test_a_cache_that_can_clear_nothing_fails_the_event(make_bus, make_keeper):
    """Rather than leave what may be stale."""
    result = await make_bus(cache=make_keeper("keys")).publish(Event("user.updated", {}))
    assert not result.ok
    assert "can neither" in str(result.errors[0].__cause__)


async def test_a_tag_that_lacks_its_name_clears_everything(make_bus, make_keeper):
    """Tags cannot be listed by how they begin."""
    keeper = make_keeper()
    bus = make_bus(cache=keeper, keys={"user.updated": []}, tags={"user.updated": ["u-{user_id}"]})
    assert (await bus.publish(Event("user.updated", {}))).ok
    assert keeper.told == [([], [], ["*"])]


@pytest.mark.parametrize(
    ("needs", "settings"),
    [
        ("tags", {"tags": {"user.updated": ["x"]}}),
        ("patterns", {"patterns": {"user.updated": ["x*"]}}),
        ("keys", {}),
    ],
)
def test_what_a_cache_cannot_do_is_refused_when_it_is_built(make_keeper, needs, settings):
    """By the name of the setting, with what it can do and a remedy."""
    able = set(Capability) - {needs}
    with pytest.raises(ValueError, match=rf"^{needs}: Keeper can do none \(only .*leave"):
        CacheInvalidationHandler(cache=make_keeper(*able), **settings)


def test_what_is_not_asked_for_need_not_be_possible(make_keeper):
    """A cache of tags alone will do where templates are of tags alone."""
    no_keys = {str(one): [] for one in ("user.updated", "user.deleted")}
    no_keys |= {str(one): [] for one in ("item.updated", "item.deleted")}
    handler = CacheInvalidationHandler(
        cache=make_keeper("tags"), keys=no_keys, tags={"user.updated": ["u"]}
    )
    assert handler.event_types == ["user.updated"]


async def test_a_failure_is_the_event_s(make_bus, make_keeper, collector):
    """The publisher learns of it, nothing is told, and no key is in the message."""
    bus = make_bus(cache=make_keeper(error=ConnectionError("user:7 is unreachable")))
    result = await bus.publish(Event("user.updated", USER))
    (error,) = result.errors
    assert isinstance(error, InvalidationError)
    assert (error.event_id, error.keys) == (result.event.id, ("user:7",))
    assert isinstance(error.__cause__, ConnectionError)
    assert "user:7" not in str(error)
    assert collector.told() == []


async def test_a_cache_that_takes_too_long_fails_the_event(make_bus, faulty, source):
    """And serves nothing until it is flushed."""
    await faulty.get_or_load("user:7", source.load)
    faulty.gate = asyncio.Event()
    source.version = 1
    result = await make_bus(cache=faulty, timeout=0.01).publish(Event("user.updated", USER))
    assert isinstance(result.errors[0].__cause__, TimeoutError)
    faulty.gate.set()
    assert await faulty.get_or_load("user:7", source.load) == 1


async def test_a_cancelled_publisher_leaves_nothing_stale(make_bus, faulty, source):
    """The cache is bypassed until it is flushed."""
    await faulty.get_or_load("user:7", source.load)
    faulty.gate = asyncio.Event()
    source.version = 1
    publishing = asyncio.create_task(make_bus(cache=faulty).publish(Event("user.updated", USER)))
    await asyncio.sleep(0)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert faulty.health()["state"] == "bypassed"
    faulty.gate.set()
    assert await faulty.get_or_load("user:7", source.load) == 1


async def test_a_middleware_that_fails_what_is_told_is_the_event_s_failure(make_bus):
    """The cache is up to date by then."""
    entries = {"user:7": 1}

    def refuse(event):
        if event.type == "cache.invalidated":
            raise PermissionError("no")
        return event

    async with make_bus(cache=entries) as bus:
        bus.add_middleware(refuse)
        result = await bus.publish(Event("user.updated", USER))
    assert isinstance(result.errors[0], MiddlewareError)
    assert entries == {}


def test_a_cache_is_looked_after_on_each_loop_that_runs_a_bus(faulty):
    """A bus that stops elsewhere ends nothing here."""
    faulty.shared, faulty.retry_after = True, 0.01
    handler = CacheInvalidationHandler(cache=faulty)
    running, leave = threading.Event(), threading.Event()

    async def run(pause):
        bus = EventBus()
        bus.subscribe(handler)
        async with bus:
            running.set()
            await pause()

    async def stay():
        await asyncio.to_thread(leave.wait)

    async def fail():
        faulty.error = ConnectionError("gone")
        with pytest.raises(ConnectionError):
            await faulty.invalidate(keys=["a"])
        faulty.error = None

    other = threading.Thread(target=asyncio.run, args=(run(stay),))
    other.start()
    assert running.wait(10)
    asyncio.run(run(lambda: asyncio.sleep(0)))
    asyncio.run(fail())
    deadline = time.monotonic() + 10
    while not faulty.usable and time.monotonic() < deadline:
        pass
    leave.set()
    other.join(10)
    assert time.monotonic() < deadline


async def test_health_counts(make_bus, make_keeper):
    """What was told, what failed, what was cleared."""
    keeper = make_keeper()
    bus = make_bus(cache=keeper)
    await bus.publish(Event("user.updated", USER))
    await bus.publish(Event("user.updated", {}))
    keeper.error = OSError()
    await bus.publish(Event("user.updated", USER))
    (health,) = [one for one in bus.health().values() if one]
    assert health == {"invalidations": 2, "failed_invalidations": 1, "cleared_namespaces": 1}


async def test_nothing_of_a_payload_is_logged(make_bus, caplog):
    """Neither where it was taken nor where it was not."""
    caplog.set_level(logging.DEBUG)
    bus = make_bus()
    await bus.publish(Event("user.updated", {"user_id": "canary-1"}))
    await bus.publish(Event("user.updated", {"user_id": ["canary-2"], "canary-3": 1}))
    assert "canary" not in caplog.text


async def test_it_is_live_once_installed(source):
    """With a cache of its own, that reads through."""
    handler = load_plugins(allow=["cache"], strict=True)["cache"].provided[0]
    bus = EventBus.get_instance()
    assert await handler.cache.get_or_load("user:7", source.load) == 0
    source.version = 1
    async with bus:
        assert (await bus.publish(Event("user.deleted", USER))).ok
        assert await handler.cache.get_or_load("user:7", source.load) == 1


async def test_a_live_cache_is_a_setting():
    """The application's own."""
    entries = {"user:7": 1}
    load_plugins(allow=["cache"], settings={"cache": {"cache": entries}}, strict=True)
    await EventBus.get_instance().publish(Event("user.deleted", USER))
    assert entries == {}


async def test_templates_are_settings_of_the_file(tmp_path, monkeypatch):
    """As tables of lists."""
    path = tmp_path / "busway.toml"
    path.write_text('[plugins.cache.keys]\n"user.login" = ["seen:{user_id}"]\n')
    monkeypatch.setenv("BUSWAY_CONFIG", str(path))
    entries = {"seen:7": 1, "user:7": 1}
    load_plugins(allow=["cache"], settings={"cache": {"cache": entries}}, strict=True)
    await EventBus.get_instance().publish(Event("user.login", USER))
    await EventBus.get_instance().publish(Event("user.updated", USER))
    assert entries == {}


async def test_a_cache_is_found_in_the_environment(monkeypatch):
    """As the URL that it is."""
    monkeypatch.setenv("BUSWAY_CACHE__CACHE", "memory:?max_entries=1")
    handler = load_plugins(allow=["cache"], strict=True)["cache"].provided[0]
    assert isinstance(handler.cache, MemoryCache)
    assert handler.cache._max_entries == 1
