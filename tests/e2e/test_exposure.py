"""What of a running service can be reached, and by whom: sockets of all its processes, and Ray behind its token."""

import os
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from bench.processes import title
from tests.e2e.service import ROOT, RunningService

WITH_TOKEN = ("raylet", "gcs_server", "ray::", "python")  # of titles; Python, of any version, is the service itself
LISTENS = "0A"  # TCP_LISTEN, in /proc/net/tcp


def listening() -> dict[str, tuple[IPv4Address | IPv6Address, int]]:
    """Address and port of each listening TCP socket of this machine, by inode."""
    found = {}
    for name in ("tcp", "tcp6"):
        for line in Path("/proc/net", name).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS:
                host, port = fields[1].split(":")
                words = struct.unpack(f">{len(host) // 8}I", bytes.fromhex(host))  # each word is in the host's order
                packed = struct.pack(f"={len(words)}I", *words)
                address = ip_address(packed)
                mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
                found[fields[9]] = mapped or address, int(port, 16)
    return found


def sockets_of(pid: int) -> set[str]:
    """Inodes of a process's sockets."""
    found = set()
    with suppress(OSError):
        for entry in Path("/proc", str(pid), "fd").iterdir():
            with suppress(OSError):
                target = os.readlink(entry)
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


def test_this_sees_a_socket_that_listens_on_every_interface() -> None:
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with socket.create_server((host, 0), family=family) as server:
            inodes = sockets_of(os.getpid()) & listening().keys()
            assert (ip_address(host), server.getsockname()[1]) in {listening()[inode] for inode in inodes}


def test_only_what_asks_for_a_token_or_a_key_listens_beyond_loopback(service: RunningService) -> None:
    """Ray's own processes do, and with them the replicas: no proxy, no dashboard, no agent, no page of statistics."""
    everywhere = listening()
    found = {everywhere[inode]: pid for pid in service.processes() for inode in sockets_of(pid) & everywhere.keys()}
    ports = {port for _, port in found}
    assert {service.http_port, service.grpc_port} <= ports
    exposed = {title(pid) for (address, _), pid in found.items() if not address.is_loopback}
    assert not {name for name in exposed if name.startswith(("haproxy", "dashboard", "monitor"))}
    assert all(address.is_loopback for (address, port) in found if port in (service.http_port, service.grpc_port))
    assert all(name.startswith(WITH_TOKEN) for name in exposed), exposed


def test_ray_talks_to_nobody_without_the_token(service: RunningService, tmp_path: Path) -> None:
    address = (service.data_dir / "run" / "ray.address").read_text().strip()
    code = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False); print('NODES', len(ray.nodes()))"
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ONEFOLD_", "RAY_"))}

    def join(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, address]
        return subprocess.run(
            command, env=own | variables, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
        )

    wrong = tmp_path / "token"
    wrong.write_text("0" * 64)
    token = str(service.data_dir / "run" / "ray.token")
    with ThreadPoolExecutor() as pool:  # to be refused takes a while, most of it waiting
        known, *refused = pool.map(
            join,
            (
                {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": token},
                {},
                {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(wrong)},
            ),
        )
    assert "NODES 1" in known.stdout
    for each in refused:
        assert each.returncode != 0 and "NODES" not in each.stdout
