"""What a failed login counts for: the address that it came from, the account that it was for."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

from busway_notify._text import MAX_KEY, one_line, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from busway.events import Event

__all__ = ["ACCOUNT", "ADDRESS", "WORDS", "key_of"]

ADDRESS: Final = "ip_address"
ACCOUNT: Final = "user_id"
WORDS: Final = {ADDRESS: "address", ACCOUNT: "user"}

_HOST_BITS: Final = 64
"""Of an IPv6 address, those that whoever has a network chooses at will."""


def key_of(event: Event, namespaces: Sequence[str]) -> tuple[str, str] | None:
    """Namespace and key: the first of the payload's values that is not blank.

    An IPv6 address counts for its /64, and one that stands for an address of IPv4 for that one.
    """
    for namespace in namespaces:
        key = text_of(event.payload.get(namespace)).strip()
        if one_line(key, MAX_KEY):
            return namespace, _network_of(key) if namespace == ADDRESS and ":" in key else key
    return None


def _network_of(key: str) -> str:
    try:
        address = IPv6Address(key.strip("[]").partition("%")[0])
    except ValueError:
        return key
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, _HOST_BITS), strict=False))
