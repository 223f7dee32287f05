"""Handlers that conform, and one for each way not to."""

from __future__ import annotations

from tests.testing.suites import Plugin

__all__ = ["BAD", "GOOD"]

WELL = """
class Plugin(EventHandler):
    event_types = ["user.created"]

    async def handle(self, event):
        await asyncio.sleep(0)
"""

GOOD = {
    "plain": Plugin(WELL),
    "sync": Plugin(
        """
        class Plugin:
            event_types = ["user.created"]

            def handle(self, event):
                pass
        """
    ),
    "function": Plugin(
        """
        @on_event("user.login")
        async def Plugin(event):
            await asyncio.sleep(0)
        """
    ),
    "by-hooks": Plugin(
        WELL
        + """
@busway.hookimpl
def busway_handlers(settings):
    return [Limited(**settings)]

class Limited(Plugin):
    def __init__(self, limit: int = 3): ...
""",
        attribute="",
        group="busway.plugins",
    ),
    "with-settings": Plugin(
        """
        class Plugin(EventHandler):
            event_types = ["user.login"]

            def __init__(
                self,
                path,
                limit: int = 1,
                hook=None,
                anything: object = None,
                most: "int | object" = 3,
                checked: "Unknown" = None,
                *others,
            ):
                if checked is not None:
                    raise TypeError("checked: a known one is expected")
                self.path = path

            async def handle(self, event):
                self.path.write_text(event.payload["user_id"])
        """,
        suite="""
        event = Event("user.login", {"user_id": "ada"})

        @pytest.fixture
        def plugin_settings(self, tmp_path):
            return {"path": tmp_path / "file"}

        def test_of_the_author(self, tmp_path):
            assert not (tmp_path / "file").exists()
        """,
    ),
    "own-event-type": Plugin(
        """
        class Order(StrEnum):
            PLACED = "order.placed"

        @busway.hookimpl
        def busway_event_types():
            return [Order]

        @busway.hookimpl
        def busway_handlers():
            return [Handler()]

        class Handler(EventHandler):
            event_types = ["order.placed"]

            async def handle(self, event):
                event.payload["order_id"]
        """,
        attribute="",
        group="busway.plugins",
        suite="""
        @pytest.fixture
        def plugin_event(self):
            return Event("order.placed", {"order_id": 7})
        """,
    ),
    "busy": Plugin(
        """
        class Plugin(EventHandler):
            event_types = [ANY]
            task = None
            thread = None

            async def start(self, bus):
                if self.task is None:
                    self.task = asyncio.create_task(asyncio.Event().wait())
                    self.ended = threading.Event()
                    self.thread = threading.Thread(target=self.ended.wait)
                    self.thread.start()

            async def handle(self, event):
                async with asyncio.timeout(5):
                    await asyncio.to_thread(time.sleep, 0.001)

            async def stop(self):
                if self.task is not None:
                    self.task.cancel()
                    await asyncio.gather(self.task, return_exceptions=True)
                    self.ended.set()
                    self.thread.join()
                    self.task = None

            def health(self):
                return {"up": self.task is not None, "state": "well"}
        """
    ),
    "registers-types-on-import": Plugin(
        """
        @busway.register_event_types
        class Parcel(StrEnum):
            SENT = "parcel.sent"

        class Plugin(EventHandler):
            event_types = [Parcel.SENT]

            def __init__(self, limit: int = 1): ...

            async def handle(self, event): ...
        """
    ),
    "with-hooks-besides": Plugin(
        WELL
        + """
class Hooks:
    @busway.hookimpl
    def busway_diagnose(self):
        return []
""",
        also="[busway.plugins]\nwith-hooks-besides = plugin_with_hooks_besides:Hooks",
    ),
    "stops-its-task": Plugin(
        """
        class Plugin(EventHandler):
            event_types = [ANY]
            task = None

            async def handle(self, event):
                if self.task is None:
                    self.task = asyncio.create_task(asyncio.Event().wait())

            async def stop(self):
                if self.task is not None:
                    self.task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await self.task
                    self.task = None
        """
    ),
    "carries-its-write-through": Plugin(
        """
        class Plugin(EventHandler):
            event_types = [ANY]

            async def handle(self, event):
                write = asyncio.ensure_future(asyncio.to_thread(time.sleep, 0.01))
                try:
                    await asyncio.shield(write)
                except asyncio.CancelledError:
                    await write
                    raise
        """
    ),
}


def handling(body: str) -> str:
    """A handler whose `handle` does this."""
    lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
    return f"""
class Plugin(EventHandler):
    event_types = ["user.created"]

    async def handle(self, event):
{lines}
"""


def living(methods: str) -> str:
    """A handler with these methods besides."""
    return WELL + "\n".join(f"    {line}" for line in methods.strip().splitlines())


RESOLVES = "test_entry_point_resolves"
BOUND = "test_requirement_on_busway_has_a_lower_bound"
IMPORT = "test_import_does_nothing_else"
LOADS = "test_loads_with_its_defaults"
UNKNOWN = "test_unknown_setting_is_refused"
ILL_TYPED = "test_ill_typed_setting_is_refused"
UNSTARTED = "test_handles_without_start"
CANCEL = "test_handle_lets_cancellation_through"
ALONE = "test_handle_leaves_the_event_alone"
FAILURE = "test_failure_reaches_nobody_else"
LEFT = "test_start_and_stop_leave_nothing"
STOP = "test_stop_without_start"
HEALTH = "test_health_is_counts_and_states"

WITH_NAME = 'event = Event("user.created", {"name": "Ada"}, metadata={"origin": "web"})'

BAD = {
    "import-error": Plugin("import no_such_library", RESOLVES, "all libraries that it imports"),
    "exits-on-import": Plugin("sys.exit(3)", RESOLVES, "SystemExit: 3"),
    "no-such-name": Plugin("", RESOLVES, "does it define that name"),
    "twice": Plugin(
        WELL, RESOLVES, "several distributions bring a plugin twice: x-twice", distributions=2
    ),
    "no-bound": Plugin(WELL, BOUND, "x-no-bound has 'busway', without a lower", requires="busway"),
    "upper-bound": Plugin(WELL, BOUND, "'busway<9', without a lower bound", requires="busway<9"),
    "no-requirement": Plugin(WELL, BOUND, 'say dependencies = ["busway>=0.1"]', requires=""),
    "of-another": Plugin(WELL, BOUND, "has no requirement on busway", requires="busway-x>=0.1"),
    "prints": Plugin(
        WELL + "print('hello')", IMPORT, "importing plugin_prints prints 'hello' to stdout"
    ),
    "complains": Plugin(WELL + "print('oh', file=sys.stderr)", IMPORT, "prints 'oh' to stderr"),
    "thread": Plugin(
        WELL + "threading.Thread(target=time.sleep, args=[60], daemon=True).start()",
        IMPORT,
        "importing plugin_thread starts a thread (",
    ),
    "loop": Plugin(WELL + "loop = asyncio.new_event_loop()", IMPORT, "makes an event loop ("),
    "runs": Plugin(
        WELL + "with contextlib.suppress(RuntimeError): asyncio.run(asyncio.sleep(0))",
        IMPORT,
        "makes an event loop (",
    ),
    "task": Plugin(
        WELL
        + """
with contextlib.suppress(RuntimeError):
    task = asyncio.get_running_loop().create_task(asyncio.sleep(0), name="poller")
""",
        IMPORT,
        "starts a task, poller, of sleep",
    ),
    "not-in-a-loop": Plugin(
        WELL
        + """
try:
    asyncio.get_running_loop()
except RuntimeError:
    pass
else:
    raise ImportError("import me earlier")
""",
        IMPORT,
        "raises 'ImportError: import me earlier' while an event loop is running",
    ),
    "bus": Plugin(WELL + "bus = EventBus()", IMPORT, "makes a bus ("),
    "shared-bus": Plugin(WELL + "bus = EventBus.get_instance()", IMPORT, "makes a bus ("),
    "no-default": Plugin(
        """
        class Plugin(EventHandler):
            event_types = ["user.created"]
            def __init__(self, path: str): ...
            async def handle(self, event): ...
        """,
        LOADS,
        "no-default.path: required, but not set (read from [plugins.no-default]) (settings given: "
        "none). Every parameter needs a default",
    ),
    "no-handler": Plugin("class Plugin: ...", LOADS, "is not an EventHandler subclass"),
    "raises": Plugin(
        WELL + "    def __init__(self): raise OSError('no disk')", LOADS, "OSError: no disk"
    ),
    "too-new": Plugin(WELL, LOADS, "requires 'busway>=99'", requires="busway>=99"),
    "open": Plugin(WELL + "    def __init__(self, **options): ...", UNKNOWN, "take no **options"),
    "open-hooks": Plugin(
        WELL
        + """
@busway.hookimpl
def busway_handlers(settings):
    return [Plugin()]
""",
        UNKNOWN,
        "all keys of `settings` are known",
        attribute="",
        group="busway.plugins",
    ),
    "unresolved": Plugin(
        WELL + "    def __init__(self, path: 'Path | None' = None): ...",
        ILL_TYPED,
        "the setting 'path' takes whatever it is given: its annotation, 'Path | None'",
    ),
    "needs-start": Plugin(
        living("async def start(self, bus): self.bus = bus").replace(
            "await asyncio.sleep(0)", "self.bus"
        ),
        UNSTARTED,
        "If it needs what `start` prepares, prepare it when it is first needed",
    ),
    "needs-payload": Plugin(
        handling("event.payload['name']"), UNSTARTED, "failed on user.created {}, on a bus that"
    ),
    "returns": Plugin(
        handling("with contextlib.suppress(asyncio.CancelledError): await asyncio.sleep(0)"),
        CANCEL,
        "cancelled at its suspension number 1, it returned as if nothing had happened",
    ),
    "second-wait": Plugin(
        handling(
            """
await asyncio.sleep(0)
try:
    await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.01)
except BaseException:
    pass
"""
        ),
        CANCEL,
        "cancelled at its suspension number 2, it returned",
    ),
    "translates": Plugin(
        handling(
            """
try:
    await asyncio.sleep(0)
except asyncio.CancelledError:
    raise RuntimeError("stopped") from None
"""
        ),
        CANCEL,
        "it raised RuntimeError('stopped'): let CancelledError pass",
    ),
    "goes-on": Plugin(
        handling(
            """
cancelled = False
while not cancelled:
    try:
        await asyncio.sleep(0)
        return
    except asyncio.CancelledError:
        cancelled = True
for _ in range(5000):
    await asyncio.sleep(0)
raise asyncio.CancelledError
"""
        ),
        CANCEL,
        "it went on for 1000 more suspensions",
    ),
    "hangs": Plugin(
        handling(
            """
try:
    await asyncio.sleep(0)
except asyncio.CancelledError:
    await asyncio.Event().wait()
"""
        ),
        CANCEL,
        "it still waited 1 s later",
    ),
    "hangs-on": Plugin(
        handling(
            """
try:
    await asyncio.sleep(0)
except asyncio.CancelledError:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
"""
        ),
        CANCEL,
        "it still waited 1 s later",
    ),
    "adds": Plugin(handling("event.payload['seen'] = True"), ALONE, "payload['seen'] of the event"),
    "removes": Plugin(
        handling("event.payload.pop('name', None)"), ALONE, "payload['name']", suite=WITH_NAME
    ),
    "replaces": Plugin(
        handling("event.payload.get('roles', []).append('admin')"),
        ALONE,
        "changed payload['roles'] of the event, which others see too: work on a copy",
        suite='event = Event("user.created", {"roles": []})',
    ),
    "marks": Plugin(
        handling("event.metadata['seen'] = 'yes'"), ALONE, "metadata['seen']", suite=WITH_NAME
    ),
    "hangs-on-nothing": Plugin(
        handling("if not event.payload: await asyncio.Event().wait()"),
        FAILURE,
        "given user.created {}, plugin_hangs_on_nothing.Plugin had not ended after 0.5 s",
        suite=WITH_NAME,
    ),
    "exits": Plugin(
        handling("if 'name' not in event.payload: sys.exit('no name')"),
        FAILURE,
        "given user.created {}, plugin_exits.Plugin let its publisher see SystemExit('no name')",
        suite=WITH_NAME,
    ),
    "exits-on-none": Plugin(
        handling("if event.payload.get('name', '') is None: raise KeyboardInterrupt"),
        FAILURE,
        "given user.created {'name': None}",
        suite=WITH_NAME,
    ),
    "cancels-all": Plugin(
        handling(
            """
if not event.payload:
    for task in asyncio.all_tasks(): task.cancel()
"""
        ),
        FAILURE,
        "let its publisher see CancelledError",
        suite=WITH_NAME,
    ),
    "cancels-others": Plugin(
        handling(
            """
if not event.payload:
    for task in asyncio.all_tasks():
        if "lane" in repr(task.get_coro()): task.cancel()
"""
        ),
        FAILURE,
        "kept another handler from the event",
        suite=WITH_NAME,
    ),
    "thread-a-start": Plugin(
        living(
            """
async def start(self, bus):
    self.ended = threading.Event()
    threading.Thread(target=self.ended.wait, name="pump", daemon=True).start()
async def stop(self):
    if hasattr(self, "ended"): self.ended.set()
"""
        ),
        LEFT,
        "there is left: the thread pump. stop() is to end and await",
    ),
    "task-a-start": Plugin(
        living(
            """
task = None
async def start(self, bus):
    self.task = asyncio.create_task(asyncio.Event().wait(), name="pump")
async def stop(self):
    if self.task: self.task.cancel()
"""
        ),
        LEFT,
        "the task pump (",
    ),
    "task-of-handle": Plugin(
        handling("asyncio.create_task(asyncio.Event().wait(), name='mailer')"),
        LEFT,
        "the task mailer (",
    ),
    "file": Plugin(
        """
        import os
        class Plugin(EventHandler):
            event_types = ["user.created"]
            async def start(self, bus): self.file = os.open(__file__, os.O_RDONLY)
            async def handle(self, event): ...
        """,
        LEFT,
        "the open file /",
    ),
    "unclosed": Plugin(
        living("async def start(self, bus): self.file = open(__file__)"),
        LEFT,
        'the warning "unclosed file',
    ),
    "not-awaited": Plugin(
        handling("asyncio.sleep(0)"), LEFT, "the warning \"coroutine 'sleep' was never awaited\""
    ),
    "starts-once": Plugin(
        living(
            """
started = False
async def start(self, bus):
    if self.started: raise RuntimeError("started already")
    self.started = True
"""
        ),
        LEFT,
        "start() of plugin_starts_once.Plugin raised; each is to work twice in a row",
    ),
    "stops-once": Plugin(
        living(
            """
stopped = False
def stop(self):
    if self.stopped: raise RuntimeError("stopped already")
    self.stopped = True
"""
        ),
        LEFT,
        "stop() of plugin_stops_once.Plugin raised",
    ),
    "stop-needs-start": Plugin(
        living(
            """
async def start(self, bus): self.bus = bus
async def stop(self): self.bus
"""
        ),
        STOP,
        "raised, before start() was called",
    ),
    "health-list": Plugin(living("def health(self): return []"), HEALTH, "returned []: a mapping"),
    "health-float": Plugin(
        living("def health(self): return {'load': 0.5}"), HEALTH, "returned {'load': 0.5}"
    ),
    "health-later": Plugin(
        living("def health(self): return {'seen': self.seen}\nseen = 0").replace(
            "await asyncio.sleep(0)", "self.seen = [event.id]"
        ),
        HEALTH,
        "returned {'seen': ['0",
    ),
}
