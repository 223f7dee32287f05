"""Templates: the words around what a notification says, in mails."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

from busway_notify._text import MAX_SUBJECT, one_line
from busway_notify.notification import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from busway_notify.notification import Notification

__all__ = ["Rendered", "Templates"]

_NAMES: Final = (
    "kind", "severity", "key", "recipient", "subject", "body", "event_id", "timestamp", "sender",
)  # fmt: skip
_PARTS: Final = {
    "subject.txt": "$subject",
    "txt": "$body",
    "html": """\
<!doctype html>
<html><head><meta charset="utf-8"><title>$subject</title></head>
<body style="font-family: sans-serif">
<h1 style="font-size: 1.2em">$subject</h1>
<pre style="font-family: inherit; white-space: pre-wrap">$body</pre>
</body></html>
""",
}
_KINDS: Final = ("default", *Kind)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's words.

    Attributes:
        subject: one line.
        text: for readers of plain text.
        html: for the others.
    """

    subject: str
    text: str
    html: str


class Templates:
    """`string.Template`s for subject, plain text and HTML; ours where the user has none.

    In an HTML template each value is escaped, and so fit for text and for quoted attributes.

    Args:
        folder: with any of `KIND.subject.txt`, `KIND.txt` and `KIND.html`, where `default` stands
            for every kind that has none; None for no folder.

    Raises:
        ValueError: if the folder or a file in it cannot be read, a file's name is none of these,
            or a template holds a name that is not known; the message names file and name.
    """

    def __init__(self, folder: str | None = None) -> None:
        self._templates = {f"default.{part}": Template(text) for part, text in _PARTS.items()}
        if folder is not None:
            self._templates |= _read(Path(folder).expanduser())

    def render(self, notification: Notification) -> Rendered:
        """Fill in what a notification says."""
        values = {name: str(getattr(notification, name)) for name in _NAMES}
        values["timestamp"] = notification.timestamp.isoformat()
        escaped = {name: escape(value) for name, value in values.items()}
        subject = self._fill(notification.kind, "subject.txt", values)
        return Rendered(
            one_line(subject, MAX_SUBJECT),
            self._fill(notification.kind, "txt", values),
            self._fill(notification.kind, "html", escaped),
        )

    def _fill(self, kind: str, part: str, values: Mapping[str, str]) -> str:
        template = self._templates.get(f"{kind}.{part}") or self._templates[f"default.{part}"]
        return template.substitute(values)


def _read(folder: Path) -> dict[str, Template]:
    known = [f"{kind}.{part}" for kind in _KINDS for part in _PARTS]
    try:
        files = [path for path in folder.iterdir() if path.suffix in (".txt", ".html")]
        return {path.name: _check(path, known) for path in sorted(files)}
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"templates: {error}") from None


def _check(path: Path, known: list[str]) -> Template:
    if path.name not in known:
        raise ValueError(f"templates: {path} is no template; there are {', '.join(known)}")
    template = Template(path.read_text(encoding="utf-8"))
    unknown = sorted(set(template.get_identifiers()) - set(_NAMES))
    if unknown:
        names = ", ".join(f"${name}" for name in _NAMES)
        raise ValueError(f"templates: {path}: ${unknown[0]} is unknown; there are {names}")
    if not template.is_valid():
        raise ValueError(f"templates: {path}: a $ that is meant as one is written $$")
    return template
