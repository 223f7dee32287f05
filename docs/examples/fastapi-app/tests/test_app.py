"""What the application promises. Each test runs its lifespan."""

from collections.abc import Iterator

import pytest
from busway import ANY, BusClosedError, Event, EventBus
from busway_testing import HandlerConformance
from fastapi.testclient import TestClient

from fastapi_app.application import create_app

WELCOME = "fastapi_app.welcome.Welcome"
ADA = {"name": "Ada"}


class TestConformance(HandlerConformance):
    """What is asked of every handler."""

    plugin = "welcome"
    event = Event("user.created", ADA)


class Log:
    """Keeps what it sees."""

    name = "log"
    event_types = (ANY,)

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self.error = ""

    def handle(self, event: Event) -> None:
        """Keep it, or fail."""
        self.seen.append(event)
        if self.error:
            raise RuntimeError(self.error)

    def health(self) -> dict[str, str]:
        """Whether it fails."""
        return {"error": self.error}


@pytest.fixture(autouse=True)
def own_plugin_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is installed."""
    monkeypatch.setenv("BUSWAY_PLUGINS", "welcome")


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A client of the running application."""
    with TestClient(create_app()) as client:
        yield client


@pytest.fixture
def log(client: TestClient) -> Log:
    """Sees what is published."""
    log = Log()
    bus: EventBus = client.app_state["bus"]
    bus.subscribe(log)
    return log


def test_a_new_user_is_published(client: TestClient, log: Log) -> None:
    """And the answer names the event."""
    answer = client.post("/users", json=ADA)
    (event,) = [one for one in log.seen if one.type == "user.created"]
    assert answer.status_code == 201
    assert answer.json() == {"event_id": event.id, "handled": True}
    assert (event.payload, event.source) == (ADA, "api")


def test_the_request_s_id_is_the_correlation_id(client: TestClient, log: Log) -> None:
    """Of what the route publishes, and of what handlers publish then."""
    answer = client.post("/users", json=ADA, headers={"X-Request-ID": "r-1"})
    assert answer.headers["X-Request-ID"] == "r-1"
    assert {one.type: one.correlation_id for one in log.seen} == {
        "user.created": "r-1",
        "audit.log": "r-1",
    }


@pytest.mark.parametrize("sent", [{}, {"X-Request-ID": "a b"}, {"X-Request-ID": "a" * 65}])
def test_a_request_without_a_plain_id_gets_one(
    client: TestClient, log: Log, sent: dict[str, str]
) -> None:
    """A new one for each."""
    told = {client.post("/users", json=ADA, headers=sent).headers["X-Request-ID"] for _ in range(2)}
    assert len(told) == 2
    assert told == {one.correlation_id for one in log.seen}
    assert told.isdisjoint(sent.values())


def test_a_handler_s_failure_is_not_the_client_s(client: TestClient, log: Log) -> None:
    """It is told that not all handlers ended well."""
    log.error = "no"
    answer = client.post("/users", json=ADA)
    assert (answer.status_code, answer.json()["handled"]) == (201, False)


def test_health_shows_plugins_and_handlers(client: TestClient) -> None:
    """While all is well, with 200."""
    client.post("/users", json=ADA)
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["handlers"] == {WELCOME: {"welcomed": 1}}
    assert answer.json()["plugins"]["welcome"] == "active"


def test_health_tells_of_a_handler_s_error(client: TestClient, log: Log) -> None:
    """With 503."""
    log.error = "the disk is full"
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["handlers"]["log"] == {"error": "the disk is full"}


def test_health_tells_of_a_broken_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 503; the application runs."""
    monkeypatch.setenv("BUSWAY_WELCOME__TONE", "warm")  # it has no such setting
    with TestClient(create_app()) as client:
        assert client.post("/users", json=ADA).status_code == 201
        answer = client.get("/health")
    assert (answer.status_code, answer.json()["plugins"]["welcome"]) == (503, "failed")


def test_each_run_has_a_bus_of_its_own() -> None:
    """Closed when the application has ended."""
    app = create_app()
    for _ in range(2):
        with TestClient(app) as client:
            bus: EventBus = client.app_state["bus"]
            client.post("/users", json=ADA)
            assert bus.health() == {WELCOME: {"welcomed": 1}}
        with pytest.raises(BusClosedError):
            bus.publish_threadsafe(Event("user.created", ADA))
