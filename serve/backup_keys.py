"""The keys of backups, where the settings say that they are."""

from pathlib import Path

from actors.backup_keys import FILE, BackupKeys
from serve.settings import Settings


def open_keys(settings: Settings) -> BackupKeys:
    """The keys of the backups of a data directory, made if there are none."""
    copy = settings.backup.keys_copy
    return BackupKeys(settings.data_path / FILE, Path(copy).expanduser() if copy else None)
