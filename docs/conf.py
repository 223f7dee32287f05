"""Sphinx: how the documentation is built. It needs no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docutils.nodes import Element, TextElement, reference
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "Busway"
author = "The Busway maintainers"
project_copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "code"  # single backticks in docstrings

html_theme = "furo"
html_title = "Busway"

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False  # it takes tuple[str, int] apart at the comma
napoleon_custom_sections = ["Ordering", "Cancellation", "Threads", "Source"]

nitpick_ignore_regex = [
    # The pages of the standard library and of others are elsewhere: to link takes the network.
    (
        r"py:.*",
        r"(asyncio|cashews|collections|concurrent|contextlib|datetime|enum|msgspec|pathlib|redis|types)\..+",
    ),
    (r"py:.*", r"(AbstractContextManager|Future|Path|StrEnum|datetime)"),
    # What Sphinx makes of a dict of dicts when it writes annotations short.
    (r"py:class", r"dict\[str"),
    # Type variables have no page.
    (r"py:class", r"(busway\.\w+\.)?_\w+"),
]

# Documented under another module than that of who speaks of them, and there imported for type
# checkers only, so that Sphinx cannot find them by itself.
_ELSEWHERE = {
    "Call": "busway.handlers.Call",
    "Handler": "busway.handlers.Handler",
}


def _resolve_elsewhere(
    app: Sphinx, env: BuildEnvironment, node: Element, contnode: TextElement
) -> reference | None:
    full = _ELSEWHERE.get(node.get("reftarget", ""))
    if full is None:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], full, node, contnode
    )


def _spare_first_line(_app: Sphinx, what: str, *rest: object) -> None:
    """Keep napoleon from reading "What it is: more" of an attribute as "type: description"."""
    lines = rest[-1]
    if what in ("attribute", "data", "property") and isinstance(lines, list) and lines:
        lines[0] = f": {lines[0]}"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("missing-reference", _resolve_elsewhere)
    app.connect("autodoc-process-docstring", _spare_first_line, priority=400)  # before napoleon
