"""The keys of backups, where the settings say that they are."""

from pathlib import Path

from actors.backup_keys import FILE, BackupKeys
from serve.settings import Settings


def open_keys(settings: Settings) -> BackupKeys:
    """The keys of the backups of a tenant, made if there are none. Their copy has the tenant's name at its end."""
    copy = settings.backup.keys_copy
    if copy and settings.tenant:
        copy += f".{settings.tenant}"
    return BackupKeys(settings.data_path / FILE, Path(copy).expanduser() if copy else None)
