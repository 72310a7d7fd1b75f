"""TLS of both transports, which HAProxy ends: the files that the settings name, checked, and how HAProxy is told.

The certificate with its chain and the key become one file beside HAProxy's sockets. With a client CA, whoever has no
certificate of it is not talked to. Commands on this machine go through sockets that only the service's user can open,
so that they need neither the certificate's name nor a certificate of their own.

A renewed certificate counts from the next start on. HAProxy could take it over its socket, but then forgets that it
speaks HTTP/2 (2.8.25: ALPN is not answered any more), which gRPC cannot do without.
"""

import shlex
import ssl
import stat
from pathlib import Path

import msgspec

from actors.private_file import write_private

HTTP_SOCKET, GRPC_SOCKET = "http.sock", "grpc.sock"
CERTIFICATE, CLIENT_CA = "tls.pem", "client-ca.pem"
_OPTIONS = f"ssl crt {CERTIFICATE} ssl-min-ver TLSv1.2"
_CLIENTS = f" ca-file {CLIENT_CA} verify required"


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Files in PEM; a relative path is relative to the data directory."""

    certificate: str = ""  # with its chain; empty: no TLS
    key: str = ""  # mode 0600
    client_ca: str = ""  # clients must show a certificate of it; empty: none is asked for
    by_proxy: bool = False  # something in front ends TLS, or the network is trusted

    @property
    def is_on(self) -> bool:
        """Whether Onefold ends TLS itself."""
        return bool(self.certificate)


class TlsError(ValueError):
    """The files cannot be used; the message names the setting and the way out."""


def read_files(settings: TlsSettings, base: Path) -> dict[str, str]:
    """What HAProxy reads, by file name. `base` is the data directory. Raises TlsError."""
    if not settings.is_on:
        if settings.key or settings.client_ca:
            raise TlsError("tls.certificate: it goes with tls.key and tls.client_ca; set it, or remove them")
        return {}
    if not settings.key:
        raise TlsError("tls.key: it goes with tls.certificate; set the file of its private key")
    certificate, key = base / settings.certificate, base / settings.key
    chain = _text(certificate, "tls.certificate")
    if _mode(key, "tls.key") & 0o077:
        raise TlsError(f"tls.key: {key} can be read by other users: run `chmod 600 {key}`")
    files = {CERTIFICATE: chain + _text(key, "tls.key")}
    try:
        # Not asked for a pass phrase: nobody is there to type it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")  # nosec B106
    except (ssl.SSLError, ValueError):
        raise TlsError(
            "tls.certificate: expected a certificate with its chain, in PEM, and in tls.key its private key without "
            "a pass phrase"
        ) from None
    if settings.client_ca:
        client_ca = base / settings.client_ca
        files[CLIENT_CA] = _text(client_ca, "tls.client_ca")
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(client_ca)
        except ssl.SSLError:
            raise TlsError("tls.client_ca: expected certificates in PEM") from None
    return files


def edits(settings: TlsSettings, run: Path, http_port: int, grpc_port: int) -> str:
    """Lines of the script that stands in for HAProxy, which edit `$config`; "" without TLS.

    If the configuration is not as expected the script ends with an error: nothing is ever served in plain.
    """
    if not settings.is_on:
        return ""
    options = _OPTIONS + (_CLIENTS if settings.client_ca else "")
    http = rf"s|^( *)(bind .*:{http_port})$|\1\2 {options} alpn h2,http/1.1\n\1bind unix@{HTTP_SOCKET} mode 600|"
    grpc = (
        rf"s|^( *)(bind .*:{grpc_port}) proto h2$|"
        rf"\1\2 {options} alpn h2\n\1bind unix@{GRPC_SOCKET} mode 600 proto h2|"
    )
    return (
        f"cd {shlex.quote(str(run))}  # what follows names files of it\n"
        f'sed -i -E -e {shlex.quote(http)} -e {shlex.quote(grpc)} "$config"\n'
        f'[ "$(grep -c " ssl crt {CERTIFICATE} " "$config")" = 2 ]\n'
    )


def write(files: dict[str, str], run: Path) -> None:
    """Puts the files where HAProxy reads them."""
    for name, content in files.items():
        write_private(run / name, content)


def _text(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="ascii").rstrip() + "\n"
    except OSError as error:
        raise TlsError(f"{name}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TlsError(f"{name}: {path} is not in PEM") from None


def _mode(path: Path, name: str) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise TlsError(f"{name}: {path} cannot be read: {error.strerror}") from None
