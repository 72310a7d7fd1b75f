"""The environment of Ray Serve: ports that no other service on the machine has."""

from pathlib import Path

from serve.ray_environment import environment
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
