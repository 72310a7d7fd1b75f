"""A tenant's directory: made with keys of its own, and deleted with everything in it.

To delete is two steps, so that nothing comes back: the tenant is marked as ending and its keys are revoked, and when
nobody writes to its directory any more, that is removed and the tenant is forgotten.
"""

import shutil
from contextlib import closing

import msgspec

from actors.control import ControlStore
from actors.tenants import check_tenant
from serve import data_dir
from serve.command_audit import record_command
from serve.data_dir import Made
from serve.settings import Settings

GRACE_MS = 2_000  # in which replicas let go of a tenant that ends, and write what their audit trails hold


def create(settings: Settings, name: str, shards: int) -> Made:
    """Makes a tenant's directory and its first keys; then it is served. Repeating it is harmless. `shards`: 0 for as
    many as the default tenant has. `settings` are the default tenant's. Raises Invalid, Conflict, NotFound."""
    check_tenant(name)
    with closing(ControlStore(settings.control_path)) as control:
        wanted = shards or control.meta("shards") or 1
        if any(tenant.name == name and not tenant.is_served for tenant in control.tenants()):
            control.add_tenant(name)  # says why not
        made = data_dir.create_tenant(msgspec.structs.replace(settings.of_tenant(name), shards=wanted))
        control.add_tenant(name)
    record_command(settings, "tenants create", tenant=name)
    return made


def end(settings: Settings, name: str) -> None:
    """From now on the tenant's keys are good for nothing, and what serves it ends. Raises NotFound."""
    with closing(ControlStore(settings.control_path)) as control:
        control.end_tenant(name)
    path = settings.of_tenant(name).control_path
    if path.exists():
        with closing(ControlStore(path)) as own:
            every = own.keys()
            for key in every:
                own.revoke_key(key.key_id)
    record_command(settings, "tenants delete", tenant=name)


def remove(settings: Settings, control: ControlStore, name: str) -> None:
    """Removes the directory of a tenant that is ending and that nothing serves any more."""
    path = settings.of_tenant(name).data_path
    if path.exists():
        shutil.rmtree(path)
    control.forget_tenant(name)
