"""The sources of a distribution: read, never imported, for signs of what it is."""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from busway_cli._doctor_installed import Installed

__all__ = ["Sources"]

_PLUGIN: Final = re.compile(r"\b(EventHandler|hookimpl|on_event|register_event_types)\b")
_APPLICATION: Final = re.compile(
    r"\b(load_plugins|EventBus|set_instance|asyncio\.run)\s*\("
    r"|\.(subscribe|add_middleware|running)\s*\("
    r"|\bwith\s+EventBus\b"
)
_MOST: Final = 500
"""Files that are read: signs are seen early."""
_ELSEWHERE: Final = frozenset(
    {"build", "dist", "docs", "examples", "node_modules", "test", "tests", "venv"}
)
"""Folders of a project that are not what it installs."""


class Sources:
    """What the modules of a distribution look like.

    Attributes:
        define_plugins: whether there are handlers, hooks or event types.
        run_a_bus: whether they make or run one, as an application does.
    """

    def __init__(self, distribution: Installed) -> None:
        texts = [_read(path) for path in islice(_modules(distribution), _MOST)]
        self.define_plugins = any(_PLUGIN.search(text) for text in texts)
        self.run_a_bus = any(_APPLICATION.search(text) for text in texts)


def _modules(distribution: Installed) -> Iterator[Path]:
    if distribution.folder is not None:
        yield from _modules_in(distribution.folder)
        return
    for file in distribution.files.files or ():
        if str(file).endswith(".py"):
            yield Path(str(file.locate()))


def _modules_in(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(
            one for one in folders if one not in _ELSEWHERE and not one.startswith(".")
        )
        yield from (Path(place, name) for name in sorted(names) if name.endswith(".py"))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
