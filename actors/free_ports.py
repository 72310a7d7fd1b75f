"""TCP ports for servers of a moment, of which somebody must know before they listen.

All are from below the ports that Linux gives to connections, and to servers that ask for any: one of those that is free
now could be another's a moment later.
"""

import secrets
import socket

_FIRST, _LAST = 10_000, 32_767
_TRIES = 200


def free_ports(count: int) -> range:
    """So many ports in a row on which nobody listens, on any interface. Raises OSError."""
    for _ in range(_TRIES):
        first = _FIRST + secrets.randbelow(_LAST - _FIRST - count)
        ports = range(first, first + count)
        if all(_is_free(port) for port in ports):
            return ports
    raise OSError(f"no {count} free TCP ports in a row between {_FIRST} and {_LAST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("0.0.0.0", port))  # nosec B104 # it is tried and closed
        except OSError:
            return False
    return True
