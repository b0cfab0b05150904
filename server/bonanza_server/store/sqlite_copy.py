"""A SQLite database copied while it is in use, by SQLite's backup interface: one file, of one moment, proved and on the disk before it has its name."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bonanza_server.store.database import DatabaseError


def copy(source: Path, target: Path) -> None:
    """Copy a database as of now to a file that needs no other beside it; whoever uses the source goes on.

    Raises:
        DatabaseError: it cannot be read, or the copy not written or not proved; nothing is left behind.
    """
    with written(target) as part:
        try:
            with (
                closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as old,
                closing(sqlite3.connect(part, isolation_level=None)) as new,
            ):
                # All in one step, which is one read transaction and holds no writer up: in several, every write of another process begins it anew.
                old.backup(new)
                new.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.Error as error:
            raise DatabaseError(f"cannot copy {source} to {target}: {error}") from error
        if damage := damages(part):
            raise DatabaseError(f"{source} is damaged, and so is its copy: {'; '.join(damage)}")


def damages(file: Path) -> list[str]:
    """What SQLite finds wrong with a file that nobody writes to; empty where it is whole.

    Raises:
        DatabaseError: it is no SQLite database.
    """
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            said = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.Error as error:
        raise DatabaseError(f"cannot read {file}: {error}") from error
    return [] if said == ["ok"] else said


@contextmanager
def written(target: Path) -> Iterator[Path]:
    """A file beside ``target`` for the body to write; once it is on the disk it has the target's name. A body that raises leaves nothing.

    Raises:
        DatabaseError: the disk does not take it.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # lease tokens are in it
        yield part
        _flush(part)
        part.replace(target)
        _flush(target.absolute().parent)
    except OSError as error:
        raise DatabaseError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def stamp() -> str:
    """The time as it stands in the names of files."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
