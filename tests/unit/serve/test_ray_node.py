"""What the Ray node finds when it starts: private, empty directories and an environment of its own."""

import json
import stat
import subprocess
from pathlib import Path

import msgspec
import pytest

from serve import instance, ray_node, tls
from serve.data_dir import DirectoryError
from serve.ray_environment import run_dir
from serve.settings import Limits, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_directories_are_private_and_swept(settings: Settings) -> None:
    try:
        environment = ray_node.prepare(settings)
        spill, ray = settings.data_path / "spill", ray_node.ray_dir(settings)
        for directory in (spill, ray.parent, run_dir(settings)):
            assert mode(directory) == 0o700
        (spill / "old").write_text("left behind")
        (ray / "session_1").mkdir(parents=True)
        token = Path(environment["RAY_AUTH_TOKEN_PATH"])
        first = token.read_text()
        assert mode(token) == 0o600 and len(first) == 64
        ray_node.prepare(settings)
        assert not list(spill.iterdir()) and not ray.exists()
        assert token.read_text() != first
    finally:
        ray_node.sweep(settings)
    assert not spill.exists() and not ray.exists()


def test_environment(settings: Settings) -> None:
    try:
        environment = ray_node.prepare(settings)
    finally:
        ray_node.sweep(settings)
    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert environment[instance.MARK] == str(settings.data_path.resolve())
    wrapper = Path(environment["RAY_SERVE_HAPROXY_BINARY_PATH"])
    assert mode(wrapper) == 0o700 and ray_node.haproxy_path() in wrapper.read_text()


def test_sockets_fit_wherever_the_data_directory_is(tmp_path: Path) -> None:
    for path in (Path("/d"), tmp_path / ("x" * 150)):
        settings = Settings(data_dir=str(path))
        node = "f" * 56
        assert len(str(run_dir(settings) / node / "metrics.sock.4194304.tmp")) <= 107
        session = "session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
        assert len(str(ray_node.ray_dir(settings) / session)) <= 107
    one, other = (Settings(data_dir=str(tmp_path / name / ("x" * 99))) for name in "ab")
    assert run_dir(one) != run_dir(other) and ray_node.ray_dir(one) != ray_node.ray_dir(other)


def test_a_directory_that_others_prepared_is_refused(settings: Settings, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "ray").mkdir(parents=True)
    ray = ray_node.ray_dir(settings).parent
    ray.symlink_to(elsewhere)
    try:
        with pytest.raises(DirectoryError, match="remove it"):
            ray_node.prepare(settings)
        assert (elsewhere / "ray").exists()
    finally:
        ray.unlink()
        ray_node.sweep(settings)


def test_the_wrapper_keeps_statistics_on_loopback_and_lets_clients_come_back(tmp_path: Path) -> None:
    config, errors = tmp_path / "haproxy.cfg", tmp_path / "500.http"
    config.write_text(
        f"    errorfile 502 {errors}\n    errorfile 503 {errors}\n"
        "    bind *:8080\n    bind :9101\n  bind *:8404\n    default_backend default_backend\n"
        '    http-request return status 404 content-type text/plain lf-string "Path not found."\n'
    )
    wrapper = tmp_path / "wrapper.sh"
    wrapper.write_text(ray_node.haproxy_wrapper("/bin/echo"))
    environment = {
        "RAY_SERVE_HAPROXY_METRICS_PORT": "9101",
        "RAY_SERVE_HAPROXY_STATS_PORT": "8404",
        "PATH": "/bin:/usr/bin",
    }
    command = ["/bin/sh", str(wrapper), "-db", "-f", str(config), "-sf", "1"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"-db -f {config} -sf 1\n"
    assert config.read_text() == (
        f"    errorfile 502 {errors}\n    errorfile 503 {errors}\n"
        "    bind *:8080\n    bind 127.0.0.1:9101\n  bind 127.0.0.1:8404\n"
        "    http-response return status 503 default-errorfiles "
        "if { status 500 } { res.hdr(content-type) -m beg text/plain }\n    default_backend default_backend\n"
        "    http-request return status 503 default-errorfiles\n"
    )
    head, body = errors.read_bytes().split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 1" in head
    assert f"Content-Length: {len(body)}".encode() in head and json.loads(body)["code"] == "unavailable"


def run_wrapper(folder: Path, edits: str, text: str) -> tuple[int, str]:
    """Exit code of the wrapper, and the configuration after it."""
    config, wrapper = folder / "haproxy.cfg", folder / "wrapper.sh"
    config.write_text(f"    errorfile 503 {folder / '500.http'}\n{text}")
    wrapper.write_text(ray_node.haproxy_wrapper("/bin/true", edits))
    environment = {name: "1" for name in ("RAY_SERVE_HAPROXY_METRICS_PORT", "RAY_SERVE_HAPROXY_STATS_PORT")}
    command = ["/bin/sh", str(wrapper), "-f", str(config)]
    done = subprocess.run(command, env=environment | {"PATH": "/bin:/usr/bin"}, check=False, capture_output=True)
    return done.returncode, config.read_text().partition("\n")[2]


def test_the_wrapper_ends_tls_or_does_not_serve(tmp_path: Path) -> None:
    edits = tls.edits(tls.TlsSettings(certificate="c", key="k", client_ca="a"), tmp_path, 8080, 50051)
    plain = "    bind 0.0.0.0:8080\n    bind 0.0.0.0:50051 proto h2\n"
    options = "ssl crt tls.pem ssl-min-ver TLSv1.2 ca-file client-ca.pem verify required"
    assert run_wrapper(tmp_path, edits, plain) == (
        0,
        f"    bind 0.0.0.0:8080 {options} alpn h2,http/1.1\n    bind unix@http.sock mode 600\n"
        f"    bind 0.0.0.0:50051 {options} alpn h2\n    bind unix@grpc.sock mode 600 proto h2\n",
    )
    code, _ = run_wrapper(tmp_path, edits, "    bind 0.0.0.0:8080 something new\n    bind 0.0.0.0:50051 proto h2\n")
    assert code != 0
    assert tls.edits(tls.TlsSettings(by_proxy=True), tmp_path, 8080, 50051) == ""


def test_the_wrapper_tells_the_address_of_clients_where_it_is_counted(tmp_path: Path) -> None:
    frontends = "frontend http_frontend\n    bind x\nfrontend grpc_frontend\nfrontend prometheus\n"
    counted = Limits(failed_keys_per_minute=5)
    for limits, rules in (
        (Limits(), []),
        (counted, ["%[src]"]),
        (
            msgspec.structs.replace(counted, forwarded_for=True),
            ["%[src]", "%[req.hdr_ip(x-forwarded-for,-1)] if { req.hdr_ip(x-forwarded-for,-1) -m found }"],
        ),
    ):
        code, text = run_wrapper(tmp_path, ray_node.address_edits(limits), frontends)
        told = "".join(f"    http-request set-header onefold-client {rule}\n" for rule in rules)
        assert code == 0
        assert text == (
            f"frontend http_frontend\n{told}    bind x\nfrontend grpc_frontend\n{told}frontend prometheus\n"
        )
