"""Commands about tenants. They work on the data directory; a running service follows within seconds."""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from actors.control import ControlStore
from actors.errors import NotFound
from actors.tenants import DEFAULT, Tenant
from pipelines.batch_client import ApiClient, ApiError
from serve import instance, tenant_data
from serve.cli_common import (
    FAILED,
    USAGE,
    AsJson,
    CommandError,
    ConfigFile,
    DataDir,
    emit,
    settings_of,
    stored_key,
    table,
)
from serve.cli_service import Shards
from serve.settings import Settings

tenants = typer.Typer(no_args_is_help=True, help="Serve several tenants, each with data and keys of its own.")

Name = Annotated[str, typer.Argument(help="The tenant's name.", show_default=False)]
_WAIT_S = 120.0
_POLL_S = 0.2


@tenants.command("create")
def create(
    name: Name,
    shards: Shards = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a tenant with its first keys. A running service serves it when this ends."""
    settings = _settings(data_dir, config)
    made = tenant_data.create(settings, name, shards or 0)
    own = settings.of_tenant(name)
    record = instance.running(settings.service_path)
    if record is not None and record.ready:
        _wait(lambda: _is_served(record.http_url, own), "the service does not serve the tenant yet; its log says why")

    def human(console: Console) -> None:
        console.print(f"tenant {name}: {made.shards} shards in {made.data_dir}", highlight=False, soft_wrap=True)
        console.print(f"admin key       {made.admin_key_file}", highlight=False, soft_wrap=True)
        if made.ingest_key:
            console.print(f"write key       {made.ingest_key}   (shown once)", highlight=False, soft_wrap=True)

    emit(as_json, {"tenant": name, "served": record is not None, **msgspec.to_builtins(made)}, human)


@tenants.command("list")
def list_tenants(data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the tenants beside the default one."""
    settings = _settings(data_dir, config)
    with closing(ControlStore(settings.control_path)) as control:
        found = control.tenants()
    rows = [(each.name, _state(each), _time(each.created_at)) for each in found]
    data = [{"tenant": each.name, "state": _state(each), "created_at": _time(each.created_at)} for each in found]
    empty = f"no tenants beside {DEFAULT}"
    emit(as_json, data, lambda console: table(console, ("TENANT", "STATE", "CREATED"), rows, empty))


@tenants.command("delete")
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Delete all of its data.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Delete a tenant with everything that it has. Its keys end at once."""
    settings = _settings(data_dir, config)
    with closing(ControlStore(settings.control_path)) as control:
        control.tenant(name)
        if not yes:
            raise CommandError(f"--yes: give it to delete {name} and all of its data for good", USAGE, "usage")
        tenant_data.end(settings, name)
        if instance.running(settings.service_path) is None:
            tenant_data.remove(settings, control, name)
        else:
            _wait(lambda: _is_gone(control, name), "the tenant is not gone yet: the service goes on deleting it")
    emit(as_json, {"tenant": name, "deleted": True}, lambda console: console.print(f"tenant {name} is deleted"))


def _settings(data_dir: DataDir, config: ConfigFile) -> Settings:
    settings = settings_of(data_dir, config).settings
    if settings.tenant:
        raise CommandError("tenant: leave this setting out, and name the tenant after the command", USAGE, "usage")
    return settings


def _is_served(url: str, own: Settings) -> bool:
    """Whether the service answers the tenant's own key."""
    with ApiClient(url, stored_key(own), timeout_s=10) as client:
        try:
            client.get("/v1/status")
        except ApiError as error:
            if error.status in (0, 401, 503):
                return False
            raise
    return True


def _is_gone(control: ControlStore, name: str) -> bool:
    try:
        control.tenant(name)
    except NotFound:
        return True
    return False


def _wait(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise CommandError(otherwise, FAILED, "timeout")
        time.sleep(_POLL_S)


def _state(tenant: Tenant) -> str:
    return "served" if tenant.is_served else "being deleted"


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
