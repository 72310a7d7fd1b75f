"""Which tenants there are beside the default one, in the control store of the data directory.

What belongs to a tenant is in a directory of its own, with keys of its own; here is only that it exists. A tenant that
is being deleted stays known as ending until nothing of it is left, so that a crash in between is followed by the rest.
"""

from typing import Any

import msgspec

from actors.control_file import ControlFile, check_id
from actors.errors import Conflict, Invalid, NotFound

DEFAULT = "default"
"""How the default tenant is called where it needs a name. No other can have it."""

DIRECTORY = "tenants"
"""Where the others' directories are, in the data directory."""


class Tenant(msgspec.Struct, frozen=True):
    """A tenant beside the default one. Times in ms."""

    name: str
    created_at: int
    ending_at: int = 0  # since when it is being deleted; 0 while it is not

    @property
    def is_served(self) -> bool:
        """Whether its keys are good for anything."""
        return not self.ending_at


class TenantNames(ControlFile):
    """The tenants of a control store."""

    def add_tenant(self, name: str) -> Tenant:
        """Makes a tenant known: from now on it is served. Nothing happens if it is. Raises Invalid, Conflict."""
        check_tenant(name)
        with self._write():
            self._db.execute("INSERT OR IGNORE INTO tenants VALUES (?, ?, 0)", (name, self._clock()))
        tenant = self.tenant(name)
        if not tenant.is_served:
            raise Conflict("tenant: one of this name is being deleted; try again when it is gone")
        return tenant

    def tenants(self) -> list[Tenant]:
        """All of them, by name, those that are being deleted too."""
        return [_tenant(row) for row in self._rows("SELECT name, created_at, ending_at FROM tenants ORDER BY name")]

    def tenant(self, name: str) -> Tenant:
        """One of them. Raises NotFound."""
        row = self._row("SELECT name, created_at, ending_at FROM tenants WHERE name = ?", name)
        if row is None:
            raise NotFound("tenant: there is none of this name; `onefold tenants list` shows them")
        return _tenant(row)

    def end_tenant(self, name: str) -> Tenant:
        """From now on it is not served, and whoever follows this store deletes it. Raises NotFound."""
        self.tenant(name)
        with self._write():
            statement = "UPDATE tenants SET ending_at = ? WHERE name = ? AND ending_at = 0"
            self._db.execute(statement, (self._clock(), name))
        return self.tenant(name)

    def forget_tenant(self, name: str) -> None:
        """It was being deleted, and nothing of it is left."""
        with self._write():
            self._db.execute("DELETE FROM tenants WHERE name = ? AND ending_at != 0", (name,))


def check_tenant(name: str) -> None:
    """Raises Invalid unless a tenant can be called so."""
    check_id("tenant", name)
    if name == DEFAULT:
        raise Invalid(f"tenant: {DEFAULT} is the one that needs no name; choose another")


def _tenant(row: tuple[Any, ...]) -> Tenant:
    return Tenant(*row)
