"""Ports that somebody listens on are not free."""

import socket

import pytest

from actors import free_ports as module
from actors.free_ports import free_ports


def test_ports_in_a_row_on_all_of_which_somebody_can_listen() -> None:
    ports = free_ports(5)
    assert len(ports) == 5
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


def test_a_range_that_somebody_listens_in_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=True) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(module, "_FIRST", port - 1)
        monkeypatch.setattr(module, "_LAST", port + 3)
        with pytest.raises(OSError, match="no 3 free TCP ports"):
            free_ports(3)
