"""Settings: one typed object, from onefold.toml, the environment and flags, in rising order.

A setting has one name everywhere: `limits.batch_events` is `batch_events` in the table `[limits]` of onefold.toml,
`ONEFOLD_LIMITS__BATCH_EVENTS` in the environment and `limits.batch_events` in messages. Anything unknown is an
error, so that a misspelt setting is never ignored. docs/configuration.md lists them all; what operators change
while the service runs (keys, sources, segments) is in the control store instead (`actors.control`).
"""

import difflib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from actors.errors import Invalid
from actors.namespaces import namespace_of
from actors.tenants import DIRECTORY, check_tenant
from models.delivery.webhook import RetryPolicy
from models.identity.customer_id import SHARDS_MAX
from models.identity.identifiers import IdentitySettings, check_settings
from models.identity.online import MatchingSettings
from models.privacy.residency import NO_RESIDENCY, Residency
from models.privacy.settings import PrivacySettings
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import ProfilePolicy
from models.scoring.bands import policy_with_bands, purposes_with_bands
from models.scoring.settings import ScoringSettings
from serve.tls import TlsSettings

FILE_NAME = "onefold.toml"
CONTROL_FILE = "control.sqlite"
ENV_PREFIX = "ONEFOLD_"
# Read by the command line and by tests, not settings of the service.
_OTHER_VARIABLES = (
    "ONEFOLD_CONFIG",
    "ONEFOLD_INSTANCE",
    "ONEFOLD_KEY",
    "ONEFOLD_START_NUMBER",
    "ONEFOLD_URL",
    "ONEFOLD_TEST_",
    "ONEFOLD_BENCH_",
)

Port = Annotated[int, Meta(ge=1, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class SettingsError(Exception):
    """A setting is wrong: the message names it, where it was set, and what was expected."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one request or one key may ask for."""

    event_bytes: Positive = 32 * 1024
    batch_bytes: Positive = 4 * 1024 * 1024
    batch_events: Positive = 2_500
    events_per_second: Annotated[float, Meta(ge=0)] = 0.0  # of one key in one replica; 0: no limit
    events_burst: Annotated[float, Meta(ge=1)] = 10_000.0  # how far ahead of that rate a key may run
    # The same of all calls that do not send events, those that change things among them.
    calls_per_second: Annotated[float, Meta(ge=0)] = 0.0
    calls_burst: Annotated[float, Meta(ge=1)] = 1_000.0
    # From one address, with keys that are not valid, at one replica; 0: no limit.
    failed_keys_per_minute: Annotated[int, Meta(ge=0)] = 0
    forwarded_for: bool = False  # a proxy in front tells the address in X-Forwarded-For


class SegmentSettings(msgspec.Struct, frozen=True):
    """What is told of segments."""

    min_count: Annotated[int, Meta(ge=1)] = 10  # people; fewer are not told to those who may not read profiles


class BackupSettings(msgspec.Struct, frozen=True):
    """What concerns backups."""

    keys_copy: str = ""  # a file elsewhere that is kept the same as the keys of backups; "" for none


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is decided when the service starts."""

    data_dir: str = "onefold-data"  # absolute once loaded
    tenant: str = ""  # whose data is meant; empty for the default tenant
    shards: Annotated[int, Meta(ge=0, le=SHARDS_MAX)] = 0  # 0: as the data directory was made; at init: one a core
    http_host: str = "127.0.0.1"
    http_port: Port = 8080
    grpc_port: Port = 50051
    replicas: Annotated[int, Meta(ge=1, le=256)] = 1
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    object_store_mb: Annotated[int, Meta(ge=80)] = 128  # shared memory of Ray's object store
    drain_s: Annotated[float, Meta(ge=0, le=300)] = 5.0  # how long requests in progress may take to finish at a stop
    start_timeout_s: Annotated[float, Meta(ge=5)] = 120.0
    tls: TlsSettings = TlsSettings()
    limits: Limits = Limits()
    identity: IdentitySettings = IdentitySettings()
    matching: MatchingSettings = MatchingSettings()
    profile: ProfilePolicy = ProfilePolicy()
    lifecycle: LifecycleRules = LifecycleRules()
    segments: SegmentSettings = SegmentSettings()
    scoring: ScoringSettings = ScoringSettings()
    webhooks: RetryPolicy = RetryPolicy()
    privacy: PrivacySettings = PrivacySettings()
    residency: Residency = NO_RESIDENCY
    backup: BackupSettings = BackupSettings()

    @property
    def service_path(self) -> Path:
        """The data directory of the service: that of all its tenants."""
        return Path(self.data_dir)

    @property
    def data_path(self) -> Path:
        """The directory of the tenant; the default tenant's is the data directory itself."""
        return self.service_path / DIRECTORY / self.tenant if self.tenant else self.service_path

    @property
    def namespace(self) -> str:
        """The Ray namespace of the tenant's actors."""
        return namespace_of(self.tenant)

    def of_tenant(self, name: str) -> "Settings":
        """The same for another tenant, which has as many shards as it was made with."""
        return msgspec.structs.replace(self, tenant=name, shards=0 if name else self.shards)

    @property
    def control_path(self) -> Path:
        """The control store's file."""
        return self.data_path / CONTROL_FILE

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return self.http_host in LOOPBACK


class Loaded(msgspec.Struct, frozen=True):
    """Settings and where they came from."""

    settings: Settings
    file: Path | None  # the onefold.toml that was read
    origins: dict[str, str]  # name -> where it was set, for those that are not defaults


def load(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Loaded:
    """The settings in force. `flags` maps names ("http_port") to values; None values count as not given.

    Without `file` (or ONEFOLD_CONFIG), the onefold.toml of the data directory is read if flags or environment
    name that directory, else ./onefold.toml, else the one of the default data directory. At most one is read.
    Raises SettingsError.
    """
    environment = os.environ if environment is None else environment
    given = {name: (value, f"flag --{name.replace('_', '-')}") for name, value in (flags or {}).items()}
    texts = {name: pair for name, pair in given.items() if pair[0] is not None}
    variables = _from_environment(environment)
    located = _locate(file, environment, {**variables, **texts})
    values = _from_file(located) if located else {}
    values |= variables | texts
    settings = _build(Settings, values, "")
    _check(settings, values)
    settings = _with_bands(settings)
    data_dir = Path(settings.data_dir).expanduser()
    if located and values.get("data_dir", ("", ""))[1] == str(located):
        data_dir = located.parent / data_dir  # a relative path in a file is relative to the file
    settings = msgspec.structs.replace(settings, data_dir=str(data_dir.absolute()))
    return Loaded(settings, located, {name: origin for name, (_, origin) in values.items()})


def flatten(settings: msgspec.Struct, prefix: str = "") -> dict[str, Any]:
    """Every setting by its dotted name."""
    flat: dict[str, Any] = {}
    for field in msgspec.structs.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, msgspec.Struct):
            flat |= flatten(value, f"{prefix}{field.name}.")
        else:
            flat[prefix + field.name] = value
    return flat


def _from_environment(environment: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    found = {}
    for variable, text in environment.items():
        if variable.startswith(ENV_PREFIX) and not variable.startswith(_OTHER_VARIABLES):
            name = variable.removeprefix(ENV_PREFIX).lower().replace("__", ".")
            found[name] = (text, variable)
    return found


def _locate(file: Path | None, environment: Mapping[str, str], values: Mapping[str, tuple[Any, str]]) -> Path | None:
    explicit = file or (Path(text) if (text := environment.get("ONEFOLD_CONFIG")) else None)
    if explicit:
        if not explicit.is_file():
            raise SettingsError(f"there is no settings file {explicit}: correct --config or ONEFOLD_CONFIG")
        return explicit.absolute()
    if "data_dir" in values:
        candidates = [Path(str(values["data_dir"][0])).expanduser() / FILE_NAME]
    else:
        candidates = [Path(FILE_NAME), Path(Settings().data_dir) / FILE_NAME]
    return next((path.absolute() for path in candidates if path.is_file()), None)


def _from_file(path: Path) -> dict[str, tuple[Any, str]]:
    try:
        tables = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    return {name: (value, str(path)) for name, value in _leaves(tables, _names(Settings), "")}


def _leaves(table: Mapping[str, Any], known: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    """Dotted names and values: a TOML table is opened where the settings have a table, else it is a value."""
    for key, value in table.items():
        name = prefix + key
        if isinstance(value, dict) and name not in known and any(n.startswith(name + ".") for n in known):
            yield from _leaves(value, known, name + ".")
        else:
            yield name, value


@cache
def _names(kind: type[msgspec.Struct], prefix: str = "") -> Mapping[str, Any]:
    """Dotted name of every setting -> its type."""
    names: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if _is_table(field.type):
            names |= _names(field.type, f"{prefix}{field.name}.")
        else:
            names[prefix + field.name] = field.type
    return names


def _build(kind: type[msgspec.Struct], values: Mapping[str, tuple[Any, str]], prefix: str) -> Any:
    names = _names(Settings)
    if not prefix:
        for name, (_, origin) in values.items():
            if name not in names:
                raise SettingsError(_unknown(name, origin, names))
    built = {}
    for field in msgspec.structs.fields(kind):
        name = prefix + field.name
        if _is_table(field.type):
            built[field.name] = _build(field.type, values, name + ".")
        elif name in values:
            value, origin = values[name]
            built[field.name] = _convert(name, value, origin, field.type)
    try:
        return kind(**built)
    except ValueError as error:  # fields that do not go together
        origins = sorted({values[name][1] for name in values if name.startswith(prefix)})
        raise SettingsError(f"{error} (set by {' and '.join(origins)})") from None


def _convert(name: str, value: Any, origin: str, kind: Any) -> Any:
    """One value as its type. Text from the environment or a flag is read as the type asks for."""
    from_text = isinstance(value, str) and not origin.endswith(".toml")
    try:
        if from_text:
            return msgspec.convert(_parse_text(value, kind), kind, strict=False)
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, ValueError) as error:
        if get_origin(kind) is Literal:
            expected = "expected one of " + ", ".join(get_args(kind))
        else:
            expected = _expected(str(error))
        raise SettingsError(f"{name}: {expected} (set by {origin})") from None


def _parse_text(text: str, kind: Any) -> Any:
    """Lists and tables in a text: JSON, or "a,b" and "a=1,b=2"."""
    container = get_origin(kind) or kind
    if container not in (list, tuple, dict, set, frozenset):
        return text
    if text.lstrip().startswith(("[", "{")):
        try:
            return json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            raise ValueError("expected JSON, or values separated by commas") from None
    items = [item.strip() for item in text.split(",") if item.strip()]
    if container is not dict:
        return items
    if not all("=" in item for item in items):
        raise ValueError("expected a JSON object, or name=value pairs separated by commas")
    return {key.strip(): value.strip() for key, _, value in (item.partition("=") for item in items)}


def _check(settings: Settings, values: Mapping[str, tuple[Any, str]]) -> None:
    """What one field's type cannot say."""
    if settings.http_port == settings.grpc_port:
        raise SettingsError(f"grpc_port: expected another port than http_port, which is {settings.http_port} too")
    if settings.tenant:
        try:
            check_tenant(settings.tenant)
        except Invalid as error:
            raise SettingsError(error.message) from None
    try:
        check_settings(settings.identity)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    kept = settings.privacy.retention.decision_days
    for name, point in settings.scoring.decisions.items():
        if 0 < kept <= point.horizon_days:
            raise SettingsError(
                f"privacy.retention.decision_days: expected 0 or more than {point.horizon_days}, the horizon_days of "
                f"scoring.decisions.{name}: what came of a decision is not known before"
            )


def _with_bands(settings: Settings) -> Settings:
    """The settings with what follows from the bands of scores for the traits that have them."""
    bands, privacy = settings.scoring.bands, settings.privacy
    try:
        profile = policy_with_bands(settings.profile, bands)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    purposes = purposes_with_bands(privacy.purposes, bands)
    return msgspec.structs.replace(
        settings, profile=profile, privacy=msgspec.structs.replace(privacy, purposes=purposes)
    )


def _expected(message: str) -> str:
    """msgspec's message in this module's words: no backticks, no JSON path."""
    text = message.replace("`", "").replace(" - at $.", " at ").replace(" - at $", " at ")
    return text[:1].lower() + text[1:]


def _unknown(name: str, origin: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), 1)
    hint = f"did you mean {close[0]}?" if close else "docs/configuration.md lists them"
    return f"{name}: there is no such setting, {hint} (set by {origin})"


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
