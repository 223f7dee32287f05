"""The application: its lifespan, and its routes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Final, TypedDict
from uuid import uuid4

from busway import Event, EventBus, EventType, PluginReport, load_plugins
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from pydantic import BaseModel

__all__ = ["Created", "Health", "NewUser", "app", "create_app"]

_HEADER: Final = "X-Request-ID"
_PLAIN: Final = re.compile(r"[\w-]{1,64}", re.ASCII)  # it ends up in logs
_BROKEN: Final = ("conflict", "failed", "incompatible")

router: Final = APIRouter()


class State(TypedDict):
    """What the lifespan hands to every request."""

    bus: EventBus
    plugins: PluginReport


class NewUser(BaseModel):
    """Who signs up."""

    name: str


class Created(BaseModel):
    """The event that was published, and whether all its handlers ended well."""

    event_id: str
    handled: bool


class Health(BaseModel):
    """The state of each plugin, and what the handlers say of themselves."""

    plugins: Mapping[str, str]
    handlers: Mapping[str, Mapping[str, int | str]]

    def is_good(self) -> bool:
        """Whether no plugin is broken, and no handler tells of an error."""
        broken = [state for state in self.plugins.values() if state in _BROKEN]
        errors = [told["error"] for told in self.handlers.values() if told.get("error")]
        return not broken and not errors


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
    """Run the bus from before the first request until after the last."""
    bus = EventBus()
    plugins = load_plugins(bus)
    async with bus:
        yield {"bus": bus, "plugins": plugins}


def the_bus(request: Request) -> EventBus:
    """The bus that the lifespan runs."""
    bus: EventBus = request.state.bus
    return bus


def request_id(request: Request, response: Response) -> str:
    """The id that the client gave the request, or a new one; it is sent back."""
    given = request.headers.get(_HEADER, "")
    chosen = given if _PLAIN.fullmatch(given) else uuid4().hex
    response.headers[_HEADER] = chosen
    return chosen


Bus = Annotated[EventBus, Depends(the_bus)]
RequestId = Annotated[str, Depends(request_id)]


@router.post("/users", status_code=201)
async def create_user(user: NewUser, bus: Bus, correlation_id: RequestId) -> Created:
    """Publish the event, and wait for its handlers; a failure of theirs is not the client's."""
    event = Event(
        EventType.USER_CREATED, {"name": user.name}, source="api", correlation_id=correlation_id
    )
    result = await bus.publish(event)
    return Created(event_id=event.id, handled=result.ok)


@router.get("/health")
async def health(request: Request, response: Response, bus: Bus) -> Health:
    """503 if something is broken."""
    plugins = {row.name: str(row.state) for row in request.state.plugins}
    told = Health(plugins=plugins, handlers=bus.health())
    response.status_code = 200 if told.is_good() else 503
    return told


def create_app() -> FastAPI:
    """An application with a bus of its own."""
    made = FastAPI(lifespan=lifespan)
    made.include_router(router)
    return made


app: Final = create_app()
