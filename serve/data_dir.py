"""The data directory: made by `onefold init`, and looked over before anything is served from it.

    onefold.toml      settings, every one commented out at its default
    control.sqlite    keys, sources, segments, webhooks, and the number of shards, which never changes
    admin.key         the key that the command line uses (mode 0600)
    audit.sqlite      who did what, with audit.head and audit.key, which show that it is whole
    suppression.key   with which the identifiers of erased people are hashed
    hash.key          with which rules of fields hash, and token.key, with which they make tokens and turn them back
    findings.sqlite   where personal data was found in free text
    purges.sqlite     runs of the purge, and what each took out
    privacy.sqlite    requests of data subjects
    privacy-signing.pem  the key that answers to them are signed with, made at the first start
    privacy/          what access and portability requests have found
    shards/           one SQLite file a shard
    backup-keys.sqlite  what backups can be read with
    tenants/          a directory like this one for each tenant beside the default one (`serve.tenant_data`)
    deliveries.sqlite where deliveries to webhooks stand
    run/              lock, record and sockets of the running service
    spill/            what Ray puts on disk for lack of memory; emptied at every start
    logs/             the service's log when it runs detached

Everything in it is for its owner only: the directory has mode 0700.
"""

import os
import secrets
import stat
from pathlib import Path

import msgspec

from actors.control import ControlStore
from actors.private_file import write_private, write_private_once
from models.privacy import field_rules
from models.privacy.suppression import KEY_BYTES
from serve.command_audit import record_command
from serve.settings import CONTROL_FILE, FILE_NAME, LOOPBACK, Settings, flatten
from serve.tls import TlsError, read_files

ADMIN_KEY_FILE = "admin.key"
SUPPRESSION_KEY_FILE = "suppression.key"
HASH_KEY_FILE = "hash.key"
TOKEN_KEY_FILE = "token.key"  # nosec B105 # a prefix or a file name
INGEST_KEY_NAME = "default"
ADMIN_KEY_NAME = "cli"

TEMPLATE = """\
# Settings of this Onefold service. Each line below is the default; take the # away to change it.
# ONEFOLD_HTTP_PORT=... in the environment and --http-port on the command line go before this file.
# All settings, explained: docs/configuration.md.

# Where it listens. Any other address than loopback needs an API key to be served.
# http_host = "127.0.0.1"   # for gRPC too
# http_port = 8080
# grpc_port = 50051

# Replicas answer requests; about one for every two cores.
# replicas = 1
# log_level = "info"        # debug, info, warning, error
# object_store_mb = 128     # shared memory for Ray
# drain_s = 5.0             # how long requests in progress may take to finish at a stop
# start_timeout_s = 120.0

[limits]
# event_bytes = 32768
# batch_bytes = 4194304
# batch_events = 2500
# events_per_second = 0.0   # of one key in one replica; 0 for no limit
# events_burst = 10000.0

[identity]
# limits = { user_id = 1 }  # most identifiers of a namespace on one profile
# limit_default = 5         # of every other namespace
# priority = ["user_id", "email"]
# blocked_values = ["-1", "null", "anonymous"]
# blocked_patterns = ["^[0-]*$"]
# phone_region = "US"       # of numbers without a country code; "" refuses them
# gmail_dots = true         # j.doe@gmail.com is jdoe@gmail.com
# gmail_plus_tags = true    # jdoe+news@gmail.com is jdoe@gmail.com

[profile]
# currency = "USD"          # of orders that name none

[profile.default_attribute]
# merge = "latest"          # latest, first, source_priority or most_frequent

# [profile.attributes]      # by attribute, for example:
# birthday = { merge = "first" }
# address = { merge = "source_priority", sources = ["crm", "pos", "web"] }

[lifecycle]
# new_days = 30
# at_risk_days = 90
# lapsed_days = 180
# loyal_orders = 3
"""


class DirectoryError(Exception):
    """The data directory cannot be used; the message says what to do."""


class Made(msgspec.Struct, frozen=True):
    """What init made. `ingest_key` is shown here and never again; empty if it was there before."""

    data_dir: str
    shards: int
    settings_file: str  # empty for a tenant: the settings are the service's
    admin_key_file: str
    ingest_key: str


def create(settings: Settings, chosen: tuple[str, ...] = ()) -> Made:
    """Makes the data directory with its first keys; `chosen` settings are written down. Repeating it is harmless.

    Raises DirectoryError if the directory holds something else, actors.errors.Conflict for another number of shards.
    """
    path = settings.service_path
    if path.exists() and not path.is_dir():
        raise DirectoryError(f"{path} is not a directory: move it away, or choose another --data-dir")
    if path.is_dir() and not settings.control_path.exists() and any(path.iterdir()):
        raise DirectoryError(f"{path} is not empty and not a data directory of Onefold: choose another --data-dir")
    made = _make(settings)
    settings_file = path / FILE_NAME
    if not settings_file.exists():
        write_private(settings_file, settings_text(settings, chosen))
    return msgspec.structs.replace(made, settings_file=str(settings_file))


def create_tenant(settings: Settings) -> Made:
    """Makes the directory of the tenant that `settings` names, with its first keys. Repeating it is harmless.

    Raises DirectoryError if there is no data directory, actors.errors.Conflict for another number of shards.
    """
    if not (settings.service_path / CONTROL_FILE).exists():
        raise DirectoryError(f"{settings.service_path} is not set up: run `onefold init` first")
    settings.data_path.parent.mkdir(mode=0o700, exist_ok=True)
    return _make(settings)


def _make(settings: Settings) -> Made:
    path = settings.data_path
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    control = ControlStore(settings.control_path, create=True)
    try:
        shards = settings.shards or control.meta("shards") or os.cpu_count() or 1
        control.fix_meta("shards", shards)
        ingest_key = ""
        if not control.keys():
            _, admin_key = control.create_key(ADMIN_KEY_NAME, ["admin"])
            write_private(path / ADMIN_KEY_FILE, admin_key + "\n")
            _, ingest_key = control.create_key(INGEST_KEY_NAME, ["ingest"])
            record_command(settings, "init")
    finally:
        control.close()
    (path / "shards").mkdir(mode=0o700, exist_ok=True)
    return Made(str(path), shards, "", str(path / ADMIN_KEY_FILE), ingest_key)


def settings_text(settings: Settings, chosen: tuple[str, ...]) -> str:
    """The commented settings file, with the top-level settings `chosen` set to their value."""
    values = flatten(settings)
    lines = []
    for line in TEMPLATE.splitlines():
        name = line.removeprefix("# ").partition(" = ")[0]
        if name in chosen and name in values:
            line = f"{name} = {msgspec.json.encode(values[name]).decode()}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def check(settings: Settings) -> int:
    """The number of shards of a directory that can be served. Raises DirectoryError, actors.errors.OnefoldError."""
    path = settings.data_path
    if not settings.control_path.exists():
        raise DirectoryError(f"{path} is not set up: run `onefold init --data-dir {path}` first")
    if problem := privacy_problem(path) or secrets_problem(path):
        raise DirectoryError(problem)
    try:
        read_files(settings.tls, settings.service_path)
    except TlsError as error:
        raise DirectoryError(str(error)) from None
    control = ControlStore(settings.control_path)
    try:
        shards = control.meta("shards")
        if shards is None:
            raise DirectoryError(f"{path} is half set up: run `onefold init --data-dir {path}` again")
        if settings.shards and settings.shards != shards:
            raise DirectoryError(
                f"shards: {path} was made with {shards} and cannot be served with {settings.shards}; "
                "leave the setting out, or make another data directory"
            )
        if not settings.is_loopback and not control.has_keys():
            raise DirectoryError(
                f"http_host: without a valid API key only loopback ({LOOPBACK[0]}) may be served, not "
                f"{settings.http_host}; make a key with `onefold keys create`"
            )
        if not (settings.is_loopback or settings.tls.is_on or settings.tls.by_proxy):
            raise DirectoryError(
                f"http_host: {settings.http_host} would take keys and people's data in plain text from the network; "
                "set tls.certificate and tls.key, or tls.by_proxy = true if a proxy in front ends TLS or the network "
                "is trusted"
            )
    finally:
        control.close()
    return shards


def suppression_key(path: Path) -> bytes:
    """The secret with which identifiers of erased people are hashed; made once. Raises DirectoryError if it is lost."""
    file = path / SUPPRESSION_KEY_FILE
    if not file.exists() and any((path / "shards").glob("*.sqlite")):
        # With another key nobody who was erased would be refused any more.
        raise DirectoryError(f"{file} is gone: put back the one that was made with this data directory")
    return _key(file, KEY_BYTES)


def field_keys(path: Path) -> field_rules.Keys:
    """The secrets of rules of fields; each is made once. Raises DirectoryError if one is damaged."""
    return field_rules.Keys(*(_key(path / name, field_rules.KEY_BYTES) for name in (HASH_KEY_FILE, TOKEN_KEY_FILE)))


def _key(file: Path, size: int) -> bytes:
    if not file.exists():
        write_private_once(file, secrets.token_hex(size) + "\n")
    try:
        key = bytes.fromhex(file.read_text().strip())
    except ValueError:
        key = b""
    if len(key) != size:
        raise DirectoryError(f"{file} is damaged: put back the one that was made with this data directory")
    return key


def privacy_problem(path: Path) -> str:
    """Why others could read the directory; empty if only its owner can."""
    status = path.stat()
    if status.st_uid != os.geteuid():
        return f"{path} belongs to another user: serve it as that user"
    if stat.S_IMODE(status.st_mode) & 0o077:
        return f"{path} can be opened by other users: run `chmod 700 {path}`"
    return ""


def secrets_problem(path: Path) -> str:
    """Which secret of the directory others could read if the directory let them in; empty if none."""
    for file in sorted([*path.glob("*.key"), *path.glob("*.pem")]):
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            return f"{file} can be read by other users: run `chmod 600 {file}`"
    return ""
