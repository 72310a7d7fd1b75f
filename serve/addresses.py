"""Where the service listens: its addresses for clients, and whether it can listen there."""

import socket

from models.privacy.open_dsr_documents import Processor
from serve import tls
from serve.ray_environment import run_dir
from serve.settings import Settings


def http_url(settings: Settings) -> str:
    """Base URL of the HTTP API, as a client on this machine reaches it."""
    scheme = "https" if settings.tls.is_on else "http"
    return f"{scheme}://{_reachable(settings.http_host)}:{settings.http_port}"


def grpc_address(settings: Settings) -> str:
    """host:port of the gRPC API, as a client on this machine reaches it."""
    return f"{_reachable(settings.http_host)}:{settings.grpc_port}"


def local_http(settings: Settings) -> str:
    """Base URL of the HTTP API for commands on this machine: a socket of the service's own, where TLS is on."""
    return f"unix:{run_dir(settings) / tls.HTTP_SOCKET}" if settings.tls.is_on else http_url(settings)


def local_grpc(settings: Settings) -> str:
    """The same of the gRPC API."""
    return f"unix:{run_dir(settings) / tls.GRPC_SOCKET}" if settings.tls.is_on else grpc_address(settings)


def processor_of(settings: Settings) -> Processor:
    """How the service names itself to those who send it requests of data subjects."""
    domain = settings.privacy.processor_domain
    base_url = f"https://{domain}" if domain else http_url(settings)
    return Processor(settings.privacy.controller_id, domain or "localhost", base_url)


def port_problem(host: str, port: int) -> str:
    """Why nothing can listen there; empty if it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ports of connections just ended are free
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return f"{host}:{port} cannot be used ({error.strerror}): end what uses it, or choose another"
    return ""


def _reachable(host: str) -> str:
    """A server on all addresses is on loopback too."""
    if host in ("0.0.0.0", "::"):  # nosec B104 # it is compared, or tried and closed
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
