"""Loading: one plugin on its way from candidate to row, in quarantine until it is whole."""

from __future__ import annotations

import copy
import time
import traceback
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from busway._names import text_of
from busway.events import event_types, unregister_event_types
from busway.exceptions import (
    PluginConflictError,
    PluginError,
    PluginLoadError,
    PluginSettingsError,
)
from busway.settings import Section

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pluggy

    from busway._build import Built
    from busway._discovery import Candidate
    from busway._importing import Imported

__all__ = ["BROKEN", "Loading", "PluginRow", "PluginState"]


class PluginState(StrEnum):
    """What became of a plugin that was discovered."""

    ACTIVE = "active"
    DISABLED = "disabled"
    BLOCKED = "blocked"
    INCOMPATIBLE = "incompatible"
    CONFLICT = "conflict"
    FAILED = "failed"


BROKEN: Final = (PluginState.INCOMPATIBLE, PluginState.CONFLICT, PluginState.FAILED)


@dataclass(frozen=True, slots=True)
class PluginRow:
    """One plugin in the report.

    Attributes:
        name: the plugin's name.
        kind: the groups of its entry points, without `busway.`.
        distribution: what it comes from.
        version: that distribution's.
        state: what became of it.
        reason: why, if it is not active.
        provided: what it brought and the bus now has: the very instances.
        settings: value, secrets hidden, and source of each setting.
        error: what went wrong; its message may hold what `reason` hides.
        traceback: where, if it failed; secrets are hidden.
        seconds: how long it took to read its settings, import and build it.
        notes: what is odd about it, though nothing broke.
    """

    name: str
    kind: str
    distribution: str
    version: str
    state: PluginState
    reason: str = ""
    provided: tuple[object, ...] = field(default=(), repr=False)
    settings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    error: PluginError | None = field(default=None, repr=False, compare=False)
    traceback: str = field(default="", repr=False)
    seconds: float = field(default=0.0, repr=False, compare=False)
    notes: tuple[str, ...] = ()


class Loading:
    """One plugin on its way from candidate to row."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.section = Section(candidate.name, {})
        self.imported: Imported | None = None
        self.manager: pluggy.PluginManager | None = None
        self.built: Built | None = None
        self.enums: list[type[StrEnum]] = []
        self.row = PluginRow(
            candidate.name,
            candidate.kind,
            candidate.distribution,
            candidate.version,
            PluginState.ACTIVE,
        )

    @property
    def going(self) -> bool:
        """Whether it may still become active."""
        return self.row.state is PluginState.ACTIVE

    def stop(self, state: PluginState, reason: str, error: BaseException | None = None) -> None:
        """Not to become active; what it did to the registry of event types is taken back."""
        for enum in self.enums:
            unregister_event_types(enum)
        self.enums = []
        trace = "".join(traceback.format_exception(error)) if error is not None else ""
        reason, trace = self.section.scrub(reason), self.section.scrub(trace)
        reason = " / ".join(filter(None, map(str.strip, reason.splitlines())))  # one line
        self.row = replace(
            self.row,
            state=state,
            reason=reason,
            traceback=trace,
            settings=self.section.shown(),
            error=self._error(state, reason, error) if state in BROKEN else None,
        )

    def note(self, text: str) -> None:
        """Tell of something odd that broke nothing."""
        self.row = replace(self.row, notes=(*self.row.notes, self.section.scrub(text)))

    def guard(self, step: str) -> _Guard:
        """For a `with`: what is raised inside is this plugin's failure, and goes no further."""
        return _Guard(self, step)

    def _error(self, state: PluginState, reason: str, cause: BaseException | None) -> PluginError:
        if isinstance(cause, PluginError):
            return self._without_secrets(cause)
        kind = PluginConflictError if state is PluginState.CONFLICT else PluginLoadError
        error = kind(f"plugin {self.row.name}: {reason}", plugin=self.row.name)
        if not self.section.has_secrets:  # the cause might tell them
            error.__cause__ = cause
        return error

    def _without_secrets(self, error: PluginError) -> PluginError:
        text = self.section.scrub(str(error))
        if text != str(error):
            error = copy.copy(error)
            error.args = (text,)
        return error


class _Guard:
    """Keeps what one plugin raises, even SystemExit, from all else."""

    def __init__(self, loading: Loading, step: str) -> None:
        self._loading = loading
        self._step = step

    def __enter__(self) -> None:
        self._before = set(map(type, event_types().values()))
        self._began = time.perf_counter()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        row = self._loading.row
        self._loading.row = replace(row, seconds=row.seconds + time.perf_counter() - self._began)
        after = dict.fromkeys(map(type, event_types().values()))
        self._loading.enums += [enum for enum in after if enum not in self._before]
        if error is None or isinstance(error, KeyboardInterrupt):
            return False
        step = "settings" if isinstance(error, PluginSettingsError) else self._step
        told = str(error) if isinstance(error, PluginError) else text_of(error)
        self._loading.stop(PluginState.FAILED, f"{step}: {told}", error)
        return True
