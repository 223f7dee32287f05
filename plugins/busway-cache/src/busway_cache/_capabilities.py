"""Whether a cache can do what the templates ask for: told when a handler is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from busway_cache.cache import Cache, Capability

if TYPE_CHECKING:
    from collections.abc import Collection

    from busway_cache._templates import Templates

__all__ = ["able_to"]

_REMEDIES: Final = {
    Capability.PATTERNS: "; a redis:// does patterns with ?scan=yes",
    Capability.TAGS: ": 'memory:', redis and cashews know tags",
}


def able_to(cache: Cache, templates: Templates) -> frozenset[str]:
    """What a cache can do.

    Raises:
        ValueError: if there are templates of something else; it names their setting.
    """
    able = frozenset(cache.capabilities)
    for one in Capability:
        if templates.uses(one) and one not in able:
            raise ValueError(
                f"{one}: {type(cache).__name__} can do none ({_listed(able)}); "
                f"leave this setting out, or choose another cache{_REMEDIES.get(one, '')}"
            )
    return able


def _listed(able: Collection[str]) -> str:
    return f"only {', '.join(sorted(able))}" if able else "nothing at all"
