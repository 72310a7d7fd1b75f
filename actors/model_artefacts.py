"""Files of models: copied below the data directory when a model is registered, and the same ever after.

`models/NAME/VERSION/` holds what was given, a file or a folder, readable by the service alone. Its SHA-256 is kept with
the version and checked each time it is loaded.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from actors.errors import Conflict, Invalid
from models.scoring.registry import ModelVersion

DIRECTORY = "models"
"""Where they are, in the data directory."""

ARTEFACT_BYTES_MAX = 1 << 30
_CHUNK = 1 << 20


@contextmanager
def staged(artefact: Path, models_dir: Path) -> Iterator[tuple[Path, Callable[[ModelVersion], ModelVersion]]]:
    """Copies an artefact. Gives the copy, and what puts it where a numbered version's belongs: see `register_model`.

    What was not put anywhere by the end of the block is deleted. Raises Invalid.
    """
    files = _files(artefact)
    if sum(path.stat().st_size for path in files.values()) > ARTEFACT_BYTES_MAX:
        raise Invalid(f"artefact: expected at most {ARTEFACT_BYTES_MAX >> 30} GiB")
    models_dir.mkdir(mode=0o700, exist_ok=True)
    staging = models_dir / f".incoming-{secrets.token_hex(8)}"
    staging.mkdir(mode=0o700)
    copy = staging / artefact.name
    try:
        for relative, path in files.items():
            target = copy / relative if relative else copy
            _make_folders(target.parent, staging)
            with path.open("rb") as read, os.fdopen(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as written:
                shutil.copyfileobj(read, written, _CHUNK)
                written.flush()
                os.fsync(written.fileno())
        digest = digest_of(copy)

        def place(model: ModelVersion) -> ModelVersion:
            folder = models_dir / model.name / str(model.version)
            folder.parent.mkdir(mode=0o700, exist_ok=True)
            if folder.exists():  # left by a registration that did not come to its end
                shutil.rmtree(folder)
            staging.rename(folder)
            return msgspec.structs.replace(
                model, target=str((folder / copy.name).relative_to(models_dir)), digest=digest
            )

        yield copy, place
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def checked_path(model: ModelVersion, models_dir: Path) -> Path:
    """Where a version's artefact is. Raises Conflict if it is not what was registered."""
    path = models_dir / model.target
    try:
        found = digest_of(path)
    except (OSError, Invalid):
        found = ""
    if found != model.digest:
        raise Conflict(
            "the artefact is not the one that was registered: restore it from a backup, or register it again"
        )
    return path


def digest_of(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files with their names; hexadecimal. Raises Invalid, OSError."""
    whole = hashlib.sha256()
    for relative, file in _files(path).items():
        with file.open("rb") as read:
            whole.update(f"{relative}\0{hashlib.file_digest(read, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def _files(path: Path) -> dict[str, Path]:
    """Relative path -> file, in order; "" for a path that is a file itself. What is compiled of sources is left out."""
    if path.is_file() and not path.is_symlink():
        return {"": path}
    if not path.is_dir() or path.is_symlink():
        raise Invalid("artefact: expected a file or a folder, and no link")
    found = {}
    for file in sorted(path.rglob("*")):
        if file.is_symlink():
            raise Invalid("artefact: a folder with links in it cannot be kept as it is; copy what they lead to")
        if file.is_file() and "__pycache__" not in file.parts:
            found[file.relative_to(path).as_posix()] = file
    if not found:
        raise Invalid("artefact: the folder is empty")
    return found


def _make_folders(folder: Path, staging: Path) -> None:
    for each in reversed([folder, *folder.parents]):
        if each.is_relative_to(staging):
            each.mkdir(mode=0o700, exist_ok=True)
