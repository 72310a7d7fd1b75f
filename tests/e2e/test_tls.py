"""TLS of a real service, with an authority made here: what is served, and what is refused."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc

from actors.private_file import write_private
from protos.client import Client
from tests.e2e.service import RunningService

WRONG_KEYS = 5


class Place:
    """A service with TLS of which clients must show a certificate, and the authority that all of them have."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.other = trustme.CA(), trustme.CA()
        self.folder = folder
        self.put(self.authority.issue_cert("127.0.0.1"))
        self.client = self.authority.issue_cert("client@example.com")
        self.authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        names = ("certificate", "key", "client_ca")
        files = zip(names, ("server.pem", "server.key", "ca.pem"), strict=True)
        variables = {f"ONEFOLD_TLS__{name.upper()}": str(folder / file) for name, file in files}
        variables["ONEFOLD_LIMITS__FAILED_KEYS_PER_MINUTE"] = str(WRONG_KEYS)
        variables["ONEFOLD_LIMITS__FORWARDED_FOR"] = "true"
        self.service = RunningService(folder / "data", shards=1, **variables)

    def put(self, certificate: trustme.LeafCert) -> None:
        """Makes it the service's."""
        chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
        for name, content in (("server.key", certificate.private_key_pem.bytes()), ("server.pem", chain)):
            write_private(self.folder / name, content)

    def context(self, trusts: trustme.CA, shows: trustme.LeafCert | None) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusts.configure_trust(made)
        if shows:
            shows.configure_cert(made)
        return made

    def ask(self, context: ssl.SSLContext, port: int) -> bytes:
        """The answer to a request over HTTP/1.1."""
        with self.connect(context, port) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return b"".join(iter(lambda: connection.recv(4096), b""))

    def connect(self, context: ssl.SSLContext, port: int) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", port), timeout=30)
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    def healthy(self, trusts: trustme.CA, shows: trustme.LeafCert | None) -> bool:
        """Whether gRPC answers."""
        key = shows.private_key_pem.bytes() if shows else None
        chain = shows.cert_chain_pems[0].bytes() if shows else None
        credentials = grpc.ssl_channel_credentials(trusts.cert_pem.bytes(), key, chain)
        with grpc.secure_channel(f"127.0.0.1:{self.service.grpc_port}", credentials) as channel:
            try:
                reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
            except grpc.RpcError:
                return False
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("tls"))
    try:
        place.service.start()
        yield place
    finally:
        place.service.stop()


def test_who_trusts_and_is_trusted_is_served(place: Place) -> None:
    answer = place.ask(place.context(place.authority, place.client), place.service.http_port)
    assert answer.startswith(b"HTTP/1.1 200")
    both = place.context(place.authority, place.client)
    both.set_alpn_protocols(["h2", "http/1.1"])
    with place.connect(both, place.service.http_port) as connection:
        assert connection.selected_alpn_protocol() == "h2"
    assert place.healthy(place.authority, place.client)
    key, chain = place.client.private_key_pem.bytes(), place.client.cert_chain_pems[0].bytes()
    credentials = grpc.ssl_channel_credentials(place.authority.cert_pem.bytes(), key, chain)
    target = f"127.0.0.1:{place.service.grpc_port}"
    with Client(target, place.service.admin_key, credentials=credentials) as client:
        client.ingest([{"type": "identify", "userId": "tls"}], wait=True)
        assert client.get("user_id:tls") is not None


def test_commands_on_the_machine_need_no_certificate(place: Place) -> None:
    assert place.service.cli("status")["service"]["http_url"].startswith("https://")
    (place.folder / "events.jsonl").write_text('{"type": "identify", "userId": "over-the-socket"}\n')
    assert place.service.cli("import", str(place.folder / "events.jsonl"))["imported"] == 1


@pytest.mark.parametrize("port", ["http_port", "grpc_port"])
def test_plain_text_is_refused(place: Place, port: str) -> None:
    with socket.create_connection(("127.0.0.1", getattr(place.service, port)), timeout=30) as plain:
        plain.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            answer = plain.recv(4096)
        except ConnectionResetError:
            answer = b""
    assert b"HTTP/" not in answer and b"ready" not in answer


@pytest.mark.parametrize("port", ["http_port", "grpc_port"])
def test_clients_without_a_certificate_or_with_a_foreign_one_are_refused(place: Place, port: str) -> None:
    number = getattr(place.service, port)
    foreign = place.other.issue_cert("client@example.com")
    for shows in (None, foreign):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            place.ask(place.context(place.authority, shows), number)
    assert not place.healthy(place.authority, None) and not place.healthy(place.authority, foreign)


def test_a_client_that_trusts_another_authority_does_not_talk_to_it(place: Place) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        place.ask(place.context(place.other, place.client), place.service.http_port)
    assert not place.healthy(place.other, place.client)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_are_refused_and_tls_1_2_is_not(place: Place) -> None:
    old = place.context(place.authority, place.client)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        place.ask(old, place.service.http_port)
    enough = place.context(place.authority, place.client)
    enough.maximum_version = ssl.TLSVersion.TLSv1_2
    assert place.ask(enough, place.service.http_port).startswith(b"HTTP/1.1 200")


def test_a_key_that_others_can_read_is_refused(place: Place, tmp_path: Path) -> None:
    for name in ("server.pem", "server.key"):
        (tmp_path / name).write_bytes((place.folder / name).read_bytes())
    (tmp_path / "server.key").chmod(0o644)
    files = {
        "ONEFOLD_TLS__CERTIFICATE": str(tmp_path / "server.pem"),
        "ONEFOLD_TLS__KEY": str(tmp_path / "server.key"),
    }
    refused = RunningService(tmp_path / "data", shards=1, **files).command("serve")
    assert refused.returncode == 2
    assert "chmod 600" in refused.stderr


def test_wrong_keys_are_counted_by_the_address_that_the_proxy_tells(place: Place) -> None:
    context = place.context(place.authority, place.client)

    def ask(key: str, address: str) -> int:
        lines = ["GET /v1/status HTTP/1.1", "Host: localhost", "Connection: close", f"Authorization: Bearer {key}"]
        lines += [f"X-Forwarded-For: 198.51.100.1, {address}", "Onefold-Client: 203.0.113.9", "", ""]
        with place.connect(context, place.service.http_port) as connection:
            connection.sendall("\r\n".join(lines).encode())
            return int(connection.recv(4096).split()[1])

    assert [ask("wrong", "192.0.2.1") for _ in range(WRONG_KEYS + 1)] == [401] * WRONG_KEYS + [429]
    assert ask(place.service.admin_key, "192.0.2.1") == 429
    assert ask(place.service.admin_key, "192.0.2.2") == 200
