"""Links between the pages lead somewhere, on GitHub and in the built documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.pages import ROOT

WHOLE = (ROOT / "core").is_dir()
"""Whether this is a whole tree, and not the copy that is tested against the wheels."""

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "plugins/*/README.md")
    for path in ROOT.glob(pattern)
)
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"^(```|~~~).*?^\1$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def _links() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        text = _CODE.sub("", page.read_text(encoding="utf-8"))
        for link in _LINK.finditer(text):
            if not re.match(r"[a-z]+:", link["target"]):
                found.append((page.relative_to(ROOT).as_posix(), link["target"]))
    return found


LINKS = _links()


def _anchors(page: Path) -> set[str]:
    """As GitHub and MyST make them of headings."""
    text = re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(text)
    }


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_a_link_leads_to_a_file_and_a_heading(page: str, target: str) -> None:
    """In a copy of a part of the tree, links to the other part are taken on trust."""
    path, _, anchor = target.partition("#")
    file = (ROOT / page).parent / path if path else ROOT / page
    inside = file.resolve().relative_to(ROOT).parts
    assert file.exists() or (not WHOLE and inside[0] != "docs")
    if anchor and file.exists():
        assert anchor in _anchors(file)


def test_the_readme_links_every_how_to_page_it_names() -> None:
    """And the tutorial and the explanation."""
    linked = {target for page, target in LINKS if page == "README.md"}
    pages = ["tutorial", "explanation", *(f"how-to/{n}" for n in ("applications", "settings"))]
    pages += [f"how-to/{name}" for name in ("middleware", "operate")]
    assert linked >= {f"docs/{page}.md" for page in pages}


def test_every_page_is_in_a_table_of_contents() -> None:
    """None can be found by its address alone."""
    docs = ROOT / "docs"
    listed = {"index"}
    for index in docs.rglob("*.md"):
        for toctree in re.findall(
            r"^```\{toctree\}\n(.*?)^```$", index.read_text(), re.MULTILINE | re.DOTALL
        ):
            folder = index.parent.relative_to(docs)
            entries = [line for line in toctree.splitlines() if line and not line.startswith(":")]
            listed |= {(folder / entry).as_posix() for entry in entries}
    assert listed == {
        page.relative_to(docs).with_suffix("").as_posix() for page in docs.rglob("*.md")
    }
