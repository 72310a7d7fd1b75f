"""The keys of backups, where the settings say that they are."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from actors.backup_keys import FILE, BackupKeys
from models.identity.identifiers import IdentifierNormaliser
from models.privacy.suppression import fingerprint, known_as
from serve.data_dir import suppression_key
from serve.settings import Settings


def open_keys(settings: Settings) -> BackupKeys:
    """The keys of the backups of a tenant, made if there are none. Their copy has the tenant's name at its end."""
    copy = settings.backup.keys_copy
    if copy and settings.tenant:
        copy += f".{settings.tenant}"
    return BackupKeys(settings.data_path / FILE, Path(copy).expanduser() if copy else None)


def lift_in_backups(settings: Settings, identifiers: Iterable[str]) -> None:
    """Restores do not refuse these normalised identifiers any more, if there can be one."""
    if not (settings.data_path / FILE).exists():
        return
    key = suppression_key(settings.data_path)
    with closing(open_keys(settings)) as keys:
        normalise = IdentifierNormaliser(settings.identity).normal_form
        known = [each for identifier in identifiers for each in known_as(identifier, normalise)]
        keys.lift([fingerprint(identifier, key) for identifier in known])
