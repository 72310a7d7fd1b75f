"""Whose request it is: the tenant is found by the credential alone, by nothing else that a request says.

A key is random and one tenant's; who shows none, or one that nobody knows, is the default tenant's to refuse. A key
that two tenants have (somebody has copied one's directory to the other's) opens neither.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

from actors.api_keys import digest
from actors.tenants import DEFAULT, Tenant
from serve import logs
from serve.auth import SECRET_CHARS_MAX, Authenticator
from serve.errors import Unauthenticated

_REFRESH_S = 0.5
_CACHE_MAX = 10_000

log = logs.logger("tenants")


class Served(Protocol):
    """What serves one tenant."""

    @property
    def authenticator(self) -> Authenticator:
        """Of the tenant's keys."""

    def end(self) -> None:
        """The tenant is being deleted."""


class TenantStore(Protocol):
    """Which tenants there are: `actors.control.ControlStore`."""

    def version(self) -> int: ...

    def tenants(self) -> list[Tenant]: ...


S = TypeVar("S", bound=Served)


class Tenants(Generic[S]):
    """What serves each tenant in one replica. It follows the store: at most half a second behind."""

    def __init__(
        self,
        store: TenantStore,
        default: S,
        make: Callable[[str], S],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`make` makes what serves a tenant, by its name; what it raises is logged, and it is asked again."""
        self._store = store
        self._default = default
        self._make = make
        self._monotonic_s = monotonic_s
        self._others: dict[str, tuple[int, S]] = {}  # name -> when the tenant was made, and what serves it
        self._found: OrderedDict[bytes, S] = OrderedDict()  # digest of a key -> whose it is
        self._version = -1
        self._checked_s = float("-inf")

    def served(self) -> Mapping[str, S]:
        """What serves each tenant, by name."""
        self._refresh()
        return {DEFAULT: self._default} | {name: served for name, (_, served) in self._others.items()}

    @property
    def is_alone(self) -> bool:
        """Whether there is no other tenant than the default one."""
        self._refresh()
        return not self._others

    def of(self, credential: str | None) -> S:
        """What serves the tenant whose key this is. Raises Unauthenticated if it is the key of two."""
        self._refresh()
        if not self._others or not credential or len(credential) > SECRET_CHARS_MAX or not credential.isascii():
            return self._default
        digested = digest(credential)
        found = self._found.get(digested)
        if found is not None:
            return found
        holders = [served for served in self._all() if served.authenticator.knows(credential)]
        if not holders:
            return self._default
        if len(holders) > 1:
            log.error("an API key is known to several tenants and opens none of them: revoke it")
            raise Unauthenticated("the API key belongs to more than one tenant and opens none: make another")
        self._found[digested] = holders[0]
        if len(self._found) > _CACHE_MAX:
            self._found.popitem(last=False)
        return holders[0]

    def _all(self) -> Iterable[S]:
        return [self._default, *(served for _, served in self._others.values())]

    def _refresh(self) -> None:
        now_s = self._monotonic_s()
        if now_s - self._checked_s < _REFRESH_S:
            return
        self._checked_s = now_s
        version = self._store.version()
        if version == self._version:
            return
        self._version = version
        self._found.clear()
        wanted = {tenant.name: tenant.created_at for tenant in self._store.tenants() if tenant.is_served}
        for name in [name for name, (made, _) in self._others.items() if wanted.get(name) != made]:
            self._others.pop(name)[1].end()
        for name, made in wanted.items():
            if name not in self._others:
                try:
                    self._others[name] = made, self._make(name)
                except Exception as error:  # one tenant's trouble is not the others'
                    log.error("a tenant cannot be served", exc_info=error, extra=logs.fields(tenant=name))
                    self._version = -1
