"""Which types of event pass whatever else is said: the setting `exempt`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from busway_middleware._matching import Names
from busway_middleware._settings import names_of
from busway_middleware.invalidations import INVALIDATIONS

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["exempt_of"]


def exempt_of(exempt: object, setting: str, named: Collection[str]) -> Names:
    """The types that are exempt.

    Args:
        exempt: the setting; None for those that make caches forget, but for what is named.
        setting: another one, which may name types by which they are not exempt.
        named: what that one says.

    Raises:
        ValueError: if both have a type in common.
    """
    if exempt is None:
        return Names([one for one in INVALIDATIONS if one not in named])
    names = names_of("exempt", exempt)
    both = sorted(set(names) & set(named))
    if both:
        raise ValueError(f"exempt: {', '.join(both)} cannot be exempt and be in {setting} too")
    return Names(names)
