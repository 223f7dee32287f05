"""The files of a new plugin: out of templates, and on the disk whole or not at all."""

from __future__ import annotations

import re
import secrets
import shutil
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Final

import importlib_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from busway_cli._new_names import Names

__all__ = ["KINDS", "WIDTH", "Kind", "create", "lower_bound", "render"]

WIDTH: Final = 100
"""Characters of a line of Python, as the plugin's pyproject.toml says too."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of plugin.

    Attributes:
        group: of its entry point.
        points_at: which of its classes the entry point names.
        folders: of templates; what is in several is taken from the last.
        summary: what it does until its author changes it.
    """

    group: str
    points_at: str
    folders: tuple[str, ...]
    summary: str


KINDS: Final[Mapping[str, Kind]] = {
    "handler": Kind(
        "busway.handlers",
        "handler",
        ("every", "handler"),
        "A handler for Busway: counts the users that are created",
    ),
    "middleware": Kind(
        "busway.middleware",
        "middleware",
        ("every", "middleware"),
        "Middleware for Busway: names the source of events",
    ),
    "event-types": Kind(
        "busway.event_types",
        "types",
        ("every", "event-types"),
        "Event types for Busway: something starts and finishes",
    ),
    "plugin": Kind(
        "busway.plugins",
        "hooks",
        ("every", "event-types", "plugin"),
        "A plugin of Busway: event types, and a handler that knows what is unfinished",
    ),
}
"""By the names that `busway new` has for them."""


def render(kind: str, names: Names) -> dict[str, str]:
    """The files of a new plugin: their texts by their paths."""
    templates = files("busway_cli") / "templates"
    develop = (templates / "develop.md").read_text(encoding="utf-8")
    values = {**_values(KINDS[kind], names), "develop": develop}
    return {
        _path(path, names): _fill(text, values)
        for folder in KINDS[kind].folders
        for path, text in _templates(templates / folder)
    }


def create(folder: Path, texts: Mapping[str, str]) -> None:
    """Make a folder of files, beside its place first, so that a failure leaves nothing there.

    Raises:
        OSError: if it cannot be written, or something is in its place.
    """
    half = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    half.mkdir()
    try:
        for path, text in texts.items():
            (half / path).parent.mkdir(parents=True, exist_ok=True)
            (half / path).write_text(text, encoding="utf-8")
        half.rename(folder)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise


def lower_bound(version: str) -> str:
    """The version of busway from which on a plugin will do that is made with this one.

    The first of its feature release; of one that is yet to come, which PEP 440 orders before
    that, the version itself.
    """
    public = version.partition("+")[0]
    released = re.fullmatch(r"(\d+\.\d+)(\.\d+)*(\.post\d+)?", public)
    return released[1] if released else public


def _values(kind: Kind, names: Names) -> dict[str, str]:
    return {
        "distribution": names.distribution,
        "plugin": names.plugin,
        "package": names.package,
        "stem": names.stem,
        "variable": names.variable,
        **names.classes,
        "group": kind.group,
        "entry": f"{names.package}:{names.classes[kind.points_at]}",
        "summary": kind.summary,
        "busway": lower_bound(importlib_metadata.version("busway")),
    }


def _templates(folder: Traversable, place: str = "") -> Iterator[tuple[str, str]]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _templates(one, f"{place}{one.name}/")
        else:
            yield f"{place}{one.name}", one.read_text(encoding="utf-8")


def _path(template: str, names: Names) -> str:
    """Where a template goes; it is called otherwise, lest tools take it for what it will be."""
    path = template.removesuffix(".tmpl").replace("PACKAGE", names.package)
    return re.sub(r"(^|/)dot-", r"\1.", path)


def _fill(text: str, values: Mapping[str, str]) -> str:
    filled = Template(text).substitute(values)
    return "".join(_folded(line) for line in filled.splitlines(keepends=True))


def _folded(line: str) -> str:
    """A line; an import that a long name made too long is folded as formatters do."""
    found = re.fullmatch(r"(from \S+ import )(.+)\n", line)
    if found is None or len(line.rstrip()) <= WIDTH:
        return line
    names = "".join(f"    {name},\n" for name in found[2].split(", "))
    return f"{found[1]}(\n{names})\n"
