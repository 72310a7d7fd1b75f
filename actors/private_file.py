"""Files for their owner only, written whole or not at all."""

import os
import secrets
import sqlite3
from contextlib import suppress
from pathlib import Path


def write_private(path: Path, content: str | bytes) -> None:
    """Writes a file that only its owner can read, whole or not at all; it is on disk when this returns."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(path.parent)


def write_private_once(path: Path, content: str | bytes) -> None:
    """Like `write_private` where there is no such file. Of several processes that write it at once, the first counts:
    what is there when this returns stays."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    write_private(draft, content)
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    sync(path.parent)


def open_private_store(path: Path, *pragmas: str) -> sqlite3.Connection:
    """A connection to a SQLite file for its owner only, which is made if it is missing, with a write-ahead log.

    In autocommit mode, and usable from any thread but one at a time. `pragmas`: such as "secure_delete=ON".
    """
    if not path.exists():
        path.touch(mode=0o600)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in (*pragmas, "journal_mode=WAL"):
        db.execute(f"PRAGMA {pragma}")
    return db


def sync(path: Path) -> None:
    """What was written to a file or directory is on disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
