"""Is a version among those required? As much of the standards as that takes.

Core may not depend on `packaging`, so this reads the common forms. Of a distribution's requirement
on `busway`, what it cannot read is taken as met: that is a second look at what the installer has
checked already.

Source: PEP 440 (versions, specifiers) and PEP 508 (requirements).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    Key: TypeAlias = tuple[tuple[int, ...], tuple[int, int], int, int]

__all__ = ["is_specifier", "meets", "unmet"]

_REQUIREMENT: Final = re.compile(
    r"\s*busway(?![\w.-])\s*(?:\[[^\]]*\])?\s*\(?(?P<clauses>[^;)]*)\)?\s*(?:;(?P<marker>.*))?$",
    re.IGNORECASE,
)
_CLAUSE: Final = re.compile(r"\s*(?P<operator>===|==|!=|<=|>=|~=|<|>)\s*(?P<version>[^\s,]+)\s*")
_VERSION: Final = re.compile(
    r"v?(?:\d+!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[._-]?(?P<pre>a|b|c|rc|alpha|beta|pre|preview)[._-]?(?P<pre_number>\d*))?"
    r"(?:[._-]?(?P<post>post|rev|r)[._-]?(?P<post_number>\d*))?"
    r"(?:[._-]?(?P<dev>dev)[._-]?(?P<dev_number>\d*))?(?:\+.*)?$",
    re.IGNORECASE,
)
_PHASES: Final = {"a": 0, "alpha": 0, "b": 1, "beta": 1}
_FINAL: Final = 3
_BEFORE_PHASES: Final = -1
_MANY: Final = 1 << 60


def unmet(requirements: Iterable[str], version: str) -> str | None:
    """The first requirement on `busway` that `version` does not meet, or None.

    Args:
        requirements: a distribution's `Requires-Dist` lines; those with a marker are passed over.
        version: that of the `busway` that is running.
    """
    for requirement in requirements:
        found = _REQUIREMENT.match(requirement)
        if found is None or found["marker"]:
            continue
        if not meets(version, found["clauses"]):
            return requirement
    return None


def meets(version: str, specifier: str) -> bool:
    """Whether a version is among those of a specifier as `>=0.2,<1`; an empty one has all."""
    return all(_meets(version, clause) for clause in specifier.split(","))


def is_specifier(text: str) -> bool:
    """Whether a text is a specifier of which every clause can be read."""
    found = [_CLAUSE.fullmatch(clause) for clause in text.split(",")]
    return not text or all(one and _key(one["version"].removesuffix(".*")) for one in found)


def _meets(version: str, clause: str) -> bool:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        return True
    operator, wanted = found["operator"], found["version"].removesuffix(".*")
    have, want = _key(version), _key(wanted)
    if have is None or want is None:
        return True
    if wanted != found["version"]:
        same = _starts_with(version, wanted, drop=0)
        return {"==": same, "!=": not same}.get(operator, True)
    if operator == "~=":
        return have >= want and _starts_with(version, wanted, drop=1)
    compared = {
        "==": have == want,
        "===": version == wanted,
        "!=": have != want,
        ">=": have >= want,
        "<=": have <= want,
        # PEP 440: >2 does not mean 2's own post-releases, nor <2 its pre-releases
        ">": have > want and not (have[:2] == want[:2] and have[2] > 0 == want[2]),
        "<": have < want
        and not (have[0] == want[0] and have[1] < (_FINAL, 0) and want[1] == (_FINAL, 0)),
    }
    return compared[operator]


def _key(version: str) -> Key | None:
    """What orders versions: release, phase, post and dev numbers."""
    found = _VERSION.fullmatch(version.strip())
    if found is None:
        return None
    release = [int(part) for part in found["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    post = int(found["post_number"] or 0) + 1 if found["post"] else 0
    dev = int(found["dev_number"] or 0) if found["dev"] else _MANY
    if found["pre"]:
        phase = (_PHASES.get(found["pre"].lower(), 2), int(found["pre_number"] or 0))
    else:
        phase = (_FINAL, 0) if post or not found["dev"] else (_BEFORE_PHASES, 0)
    return tuple(release), phase, post, dev


def _starts_with(version: str, prefix: str, *, drop: int) -> bool:
    """Whether a version's release begins with a prefix's, but for its last `drop` parts."""
    have, want = _VERSION.match(version), _VERSION.match(prefix)
    if have is None or want is None:
        return True
    parts, wanted = have["release"].split("."), want["release"].split(".")
    wanted = wanted[: len(wanted) - drop]
    parts += ["0"] * (len(wanted) - len(parts))
    return [int(part) for part in parts[: len(wanted)]] == [int(part) for part in wanted]
