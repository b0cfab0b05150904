"""Backups: the whole database as one file, taken while the server works, and put back.

SQLite by ``sqlite_copy``, PostgreSQL by its own ``pg_dump``, ``pg_restore`` and ``psql``, in one transaction. What was there is replaced only where that is said.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from bonanza_server.store import migrate
from bonanza_server.store.database import Database, DatabaseError, FileLock
from bonanza_server.store.models import metadata, servers
from bonanza_server.store.sqlite_copy import copy, damages, stamp, written

ALIVE_S = 10.0
"""A server that gave a sign of life within so many seconds is using the database."""


def backup(database: Database, target: Path, *, overwrite: bool = False) -> Path:
    """Write everything to ``target``, or into the folder ``target`` under a name with the time; return the file.

    Raises:
        DatabaseError: there is such a file, the disk is full, or PostgreSQL's programs are missing; nothing is left behind.
    """
    if target.is_dir():
        target /= f"bonanza-{stamp()}.{'db' if database.sqlite else 'dump'}"
    if target.exists() and not overwrite:
        raise DatabaseError(f"{target} exists: give another name, or --overwrite")
    migrate.check_ours(database)
    if database.sqlite:
        copy(database.file, target)
    else:
        with written(target) as part:
            _run(database, "pg_dump", "--format=custom", f"--file={part}")
    return target


def restore(database: Database, source: Path, *, overwrite: bool = False) -> Path | None:
    """Have the database hold what a backup holds. Return where the SQLite file that was there is kept, if there was one.

    Raises:
        DatabaseError: the file is no backup, a server is using the database, or it holds something and ``overwrite`` is not given; nothing is changed then.
    """
    if not source.is_file():
        raise DatabaseError(f"there is no file {source}")
    if database.sqlite:
        return _restore_file(database, source, overwrite)
    _restore_dump(database, source, overwrite)
    return None


def is_served(database: Database) -> bool:
    """Whether a server gave a sign of life on a PostgreSQL database lately."""
    with migrate.reaching(database), database.engine.connect() as connection:
        if not sa.inspect(connection).has_table(servers.name):
            return False
        newest = connection.execute(sa.select(sa.func.max(servers.c.alive_at))).scalar_one()
    return newest is not None and newest > datetime.now(UTC).timestamp() - ALIVE_S


def _restore_file(database: Database, source: Path, overwrite: bool) -> Path | None:
    _check_backup(source)
    target = database.file
    database.disconnect()
    lock = FileLock(target)
    try:
        kept = target.with_name(f"{target.name}.replaced-{stamp()}") if target.exists() else None
        if kept is not None and not overwrite:
            raise DatabaseError(
                f"{database.label} exists: give another with --database, or --overwrite, which keeps it as {kept.name}"
            )
        with written(target) as part:
            shutil.copyfile(source, part)
            # The log of the old file goes first: beside the new one it would be taken for its own.
            for suffix in ("-wal", "-shm", ""):
                old = target.with_name(target.name + suffix)
                if kept is not None and old.exists():
                    old.rename(kept.with_name(kept.name + suffix))
                elif suffix:
                    old.unlink(missing_ok=True)
    finally:
        lock.close()
    return kept


def _check_backup(file: Path) -> None:
    with file.open("rb") as opened:
        if opened.read(5) == b"PGDMP":
            raise DatabaseError(f"{file} is a backup of PostgreSQL's: give a postgresql://… with --database")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            [revision] = connection.execute(f"SELECT version_num FROM {migrate.VERSION_TABLE}").fetchone() or [None]  # nosec B608 # noqa: S608 - a constant
    except sqlite3.Error as error:
        raise DatabaseError(f"{file} is no backup of Bonanza's: {error}") from error
    if damage := damages(file):
        raise DatabaseError(f"{file} is damaged, take another backup: {'; '.join(damage)}")
    if revision not in migrate.known():
        raise DatabaseError(f"{file} is of a newer version of bonanza (schema {revision}): upgrade bonanza")


def _restore_dump(database: Database, source: Path, overwrite: bool) -> None:
    with migrate.reaching(database), database.engine.connect() as connection:
        there = sorted({*metadata.tables, migrate.VERSION_TABLE} & set(sa.inspect(connection).get_table_names()))
    if there and not overwrite:
        raise DatabaseError(
            f"{database.label} has tables of Bonanza's: give another with --database, or --overwrite; `bonanza db backup FILE` keeps what is there"
        )
    if is_served(database):
        raise DatabaseError(
            f"a server is using {database.label}, or was {ALIVE_S:g} seconds ago: stop it first; after that, wait as long"
        )
    script = source.with_name(f".{source.name}.{os.getpid()}.sql")
    try:
        _run(database, "pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(source), connect=False)
        drop = f"DROP TABLE IF EXISTS {', '.join(there)} CASCADE" if there else "SELECT 1"
        how = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", f"--output={os.devnull}")
        _run(database, "psql", *how, f"--command={drop}", f"--file={script}")
    finally:
        script.unlink(missing_ok=True)
    migrate.check_ours(database)


def _run(database: Database, program: str, *arguments: str, connect: bool = True) -> None:
    """Run one of PostgreSQL's client programs; the password goes by the environment, for a list of processes shows arguments to everybody."""
    if shutil.which(program) is None:
        raise DatabaseError(
            f"{program} is not on this machine: install PostgreSQL's client programs (Debian: apt install postgresql-client), "
            "of the server's version or newer, or run this where they are"
        )
    url = database.url.set(drivername="postgresql")
    named = [f"--dbname={url.set(password=None).render_as_string(hide_password=False)}"] if connect else []
    environment = os.environ | ({"PGPASSWORD": str(url.password)} if url.password is not None else {})
    done = subprocess.run([program, *named, *arguments], env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - no shell is between
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[:500]
        raise DatabaseError(f"{program} failed on {database.label}: {said or f'exit code {done.returncode}'}")
