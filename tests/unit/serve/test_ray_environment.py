"""The environment of Ray Serve: ports that no other service on the machine has."""

import socket
from pathlib import Path

import pytest

from serve import ray_environment
from serve.ray_environment import environment, free_range
from serve.settings import Settings


def test_replicas_have_ports_of_their_own(tmp_path: Path) -> None:
    variables = environment(Settings(data_dir=str(tmp_path), replicas=3))
    name = "RAY_SERVE_DIRECT_INGRESS_{}_{}_PORT"
    ranges = [
        range(int(variables[name.format("MIN", protocol)]), int(variables[name.format("MAX", protocol)]) + 1)
        for protocol in ("HTTP", "GRPC")
    ]
    assert not set(ranges[0]) & set(ranges[1])
    assert all(len(ports) > 64 for ports in ranges)
    single = [int(value) for key, value in variables.items() if key.endswith("_PORT") and "INGRESS_M" not in key]
    assert len(single) == len(set(single)) == 4


def test_a_range_that_somebody_listens_in_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=True) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(ray_environment, "_RANGE_FIRST", port - 1)
        monkeypatch.setattr(ray_environment, "_RANGE_LAST", port + 3)
        with pytest.raises(OSError, match="no 3 free TCP ports"):
            free_range(3)
