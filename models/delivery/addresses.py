"""Which addresses are this machine's own, and which webhooks may call: those of the internet, and nothing that this
network alone can reach."""

import ipaddress

_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_CALLED = (ipaddress.IPv6Network("2002::/16"), ipaddress.IPv6Network("3fff::/20"))  # 6to4, documentation
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet: not of this machine, a private network, or anything reserved.

    An IPv4 address inside an IPv6 address is what counts. What is no IP address is not public.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found in _NAT64:
            found = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        elif found not in _UNICAST or any(found in network for network in _NOT_CALLED):
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own, reached from nowhere else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
