"""The mutants that no test kills: the list of `docs/mutation.md`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

__all__ = ["harmless"]

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "mutation.md"
_ROW: Final = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \| (.+) \|$", re.MULTILINE)


def harmless() -> dict[str, str]:
    """Their keys, and why each is harmless.

    Raises:
        AssertionError: if a mutant is in the list twice.
    """
    rows = _ROW.findall(PAGE.read_text(encoding="utf-8").replace(r"\|", "|"))
    listed = {f"{where}: {change}": why for where, change, why in rows}
    assert len(listed) == len(rows), "a mutant is in the list twice"
    return listed
