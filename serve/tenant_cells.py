"""The actors of all tenants: started with the service, and as tenants are made; ended as they are deleted.

A tenant's actors are like the default tenant's, in a namespace of their own and over a directory of their own. What
goes wrong with one tenant while the service runs is logged, tried again, and no other's trouble.
"""

import threading
import time
from contextlib import closing
from functools import partial

from actors import cluster
from actors.control import ControlStore
from actors.errors import OnefoldError
from actors.match_models import load_matcher
from actors.signing_key import load_signer
from models.shard.state import MachineSettings
from serve import data_dir, logs, tenant_data
from serve.addresses import processor_of
from serve.data_dir import DirectoryError
from serve.loose_ends import warn_of_loose_ends
from serve.privacy_work import work_on_requests
from serve.settings import Settings

_LOOK_S = 0.5
_PAUSE_S = 5.0  # after a tenant could not be started

log = logs.logger("tenants")


def machine_settings(settings: Settings) -> MachineSettings:
    """What the shards need of the settings."""
    key = data_dir.suppression_key(settings.data_path)
    return MachineSettings(
        settings.identity, settings.profile, settings.lifecycle, settings.matching, settings.privacy.purposes, key
    )


def start_cell(settings: Settings, shards_alone: bool = False) -> int:
    """Starts those actors of the tenant that `settings` names that do not run yet; the number of its shards. Raises
    DirectoryError and OnefoldError."""
    shards = data_dir.check(settings)
    if settings.privacy.fields:
        data_dir.field_keys(settings.data_path)  # once, before many replicas want them
    # Here too, so that no backup of a service that is ready lacks what its answers are signed with.
    load_signer(settings.data_path, processor_of(settings).domain, lambda: time.time_ns() // 1_000_000)
    cluster.start(
        settings.data_path,
        shards,
        machine_settings(settings),
        configure=partial(logs.configure, settings.log_level),
        timeout_s=settings.start_timeout_s,
        load_matcher=load_matcher,
        webhooks=settings.webhooks,
        work_on_requests=partial(work_on_requests, settings),
        namespace=settings.namespace,
        residency=settings.residency,
        scoring=settings.scoring,
        shards_alone=shards_alone,
    )
    return shards


class Cells:
    """The actors of the tenants of one service. Ray must have been initialised."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running: dict[str, int] = {}  # tenant -> shards; "" is the default one
        self._version = -1
        self._not_before_s = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="tenants", daemon=True)

    def start_shards(self) -> None:
        """Starts the shards of all tenants. Raises DirectoryError and OnefoldError."""
        self._running[""] = start_cell(self._settings, shards_alone=True)
        with closing(ControlStore(self._settings.control_path)) as control:
            for tenant in control.tenants():
                if tenant.is_served:
                    own = self._settings.of_tenant(tenant.name)
                    self._running[tenant.name] = start_cell(own, shards_alone=True)

    def start_others(self) -> None:
        """Starts what works beside the shards, and follows from then on which tenants there are. Raises
        DirectoryError and OnefoldError."""
        for name in self._running:
            own = self._settings.of_tenant(name)
            start_cell(own)
            warn_of_loose_ends(own)
        self._thread.start()

    def stop(self) -> None:
        """Ends all of them."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        for name, shards in self._running.items():
            cluster.stop(shards, self._settings.of_tenant(name).namespace)
        self._running.clear()

    def _follow(self) -> None:
        with closing(ControlStore(self._settings.control_path)) as control:
            while not self._ended.wait(_LOOK_S):
                try:
                    self._look(control)
                except (OnefoldError, DirectoryError, OSError) as error:
                    log.error("a tenant cannot be served as it should", exc_info=error)
                    self._version = -1
                    self._ended.wait(_PAUSE_S)

    def _look(self, control: ControlStore) -> None:
        """Starts what is new and ends what is to go."""
        version = control.version()
        if version == self._version:
            return
        is_done = True
        for tenant in control.tenants():
            own = self._settings.of_tenant(tenant.name)
            if tenant.is_served:
                if tenant.name not in self._running:
                    self._running[tenant.name] = start_cell(own)
                    warn_of_loose_ends(own)
                    log.info("a tenant is served", extra=logs.fields(tenant=tenant.name))
                continue
            shards = self._running.pop(tenant.name, None)
            if shards is not None:
                cluster.stop(shards, own.namespace)
            if time.time_ns() // 1_000_000 - tenant.ending_at < tenant_data.GRACE_MS:
                is_done = False
            else:
                tenant_data.remove(self._settings, control, tenant.name)
                log.info("a tenant is deleted", extra=logs.fields(tenant=tenant.name))
        self._version = version if is_done else -1
