"""Which addresses are out in the world: a webhook is no way into a private network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

__all__ = ["is_public"]

_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Whether an address may be reached by anybody, and is not one of this host or its networks.

    Not: loopback, private, link-local (where clouds keep their credentials), shared, multicast and
    reserved ranges. An IPv6 address that stands for one of IPv4 is judged as that one.

    Args:
        text: an IPv4 or IPv6 address, as a resolver gives it.

    Source: the registries of RFC 6890; RFC 4291, 2.5.5.2 (mapped); RFC 3056 (6to4); RFC 6052
    (NAT64).
    """
    address = _stands_for(ip_address(text.partition("%")[0]))
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _stands_for(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
