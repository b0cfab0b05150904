"""The schema's version: upgrade to the newest under a lock, with a copy of a SQLite file kept beside it, or say what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from bonanza_server.store.database import Database, DatabaseError
from bonanza_server.store.models import metadata
from bonanza_server.store.sqlite_copy import copy, stamp

VERSION_TABLE = "bonanza_version"  # not Alembic's default, which other tools in the same database use too
ADVISORY_LOCK = 0x626F6E616E7A61  # "bonanza"


def migrations_folder() -> Path:
    """Where the migrations are: beside the package once installed, in the checkout while developing."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "migrations", package.parents[1] / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise DatabaseError("the migrations are missing from this installation: install bonanza again")


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The revision this code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise DatabaseError("the migrations are missing from this installation: install bonanza again")
    return head


def current(database: Database) -> str | None:
    """The revision of the database, or None where there is no schema yet.

    Raises:
        DatabaseError: the database cannot be reached.
    """
    with reaching(database), database.engine.connect() as connection:
        return _revision(connection)


class Upgraded(NamedTuple):
    """The revisions before and after, and the copy of the file as it was (None: nothing was changed, or it is no file)."""

    before: str | None
    after: str
    kept: Path | None = None


class Step(NamedTuple):
    """A migration that is to come: its revision and what it does."""

    revision: str
    does: str


def upgrade(database: Database, *, keep: bool = True) -> Upgraded:
    """Bring the schema to the newest revision; two processes that start at once take turns.

    A SQLite file that is changed is copied beside itself first, unless ``keep`` is false.

    Raises:
        DatabaseError: the database cannot be reached, is of a newer version than this code, or its copy has no room.
    """
    with reaching(database), _turn(database) as connection:
        before, kept = _revision(connection), None
        _check_ours(database, connection, before)
        if before != newest():
            if database.sqlite and before is not None and keep:
                # Nobody else writes now, and this transaction has not yet: the copy is what the file was.
                kept = database.file.with_name(f"{database.file.name}.schema-{before}-{stamp()}")
                copy(database.file, kept)
            command.upgrade(_config(connection), "head")
        return Upgraded(before, newest(), kept)


def plan(database: Database) -> list[Step]:
    """The migrations that ``upgrade`` would run, oldest first.

    Raises:
        DatabaseError: the database cannot be reached, or is of a newer version than this code.
    """
    with reaching(database), database.engine.connect() as connection:
        before = _revision(connection)
        _check_ours(database, connection, before)
    steps = list(ScriptDirectory.from_config(_config()).iterate_revisions("head", before or "base"))
    return [Step(script.revision, script.doc.splitlines()[0]) for script in reversed(steps)]


def rehearse(database: Database) -> None:
    """Run ``upgrade`` and undo it, so that what it would stumble over is known.

    SQLite: on a copy, which goes again. PostgreSQL: in a transaction that is rolled back, and that gives way where somebody uses the tables.

    Raises:
        DatabaseError: it would fail.
    """
    if database.sqlite:
        rehearsal = database.file.with_name(f".{database.file.name}.rehearsal-{stamp()}")
        copy(database.file, rehearsal)
        tried = Database(f"sqlite:///{rehearsal}", synchronous="NORMAL")
        try:
            upgrade(tried, keep=False)
        finally:
            tried.close()
            for suffix in ("", "-wal", "-shm"):
                rehearsal.with_name(rehearsal.name + suffix).unlink(missing_ok=True)
        return
    with reaching(database), database.engine.connect() as connection:
        connection.execute(sa.select(sa.func.set_config("lock_timeout", "2s", True)))
        connection.execute(sa.select(sa.func.set_config("statement_timeout", "0", True)))
        command.upgrade(_config(connection), "head")
        connection.rollback()


def known() -> set[str]:
    """Every revision that this code can upgrade from."""
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def check_ours(database: Database) -> None:
    """Nothing, where the database is Bonanza's and of a version that this code knows.

    Raises:
        DatabaseError: it is not.
    """
    if database.sqlite and not database.file.exists():
        raise DatabaseError(f"there is no {database.label}")
    with reaching(database), database.engine.connect() as connection:
        found = _revision(connection)
        _check_ours(database, connection, found)
    if found is None:
        raise DatabaseError(f"{database.label} has no schema yet: run bonanza db upgrade --database {database.label}")


def _check_ours(database: Database, connection: sa.Connection, found: str | None) -> None:
    if found is not None and found not in known():
        raise DatabaseError(
            f"{database.label} is at schema {found}, which is newer than this version of bonanza knows: upgrade bonanza"
        )
    if found is None and (foreign := _foreign_table(connection)) is not None:
        raise DatabaseError(
            f"{database.label} has a table {foreign} of another program: give Bonanza a database of its own"
        )


def check(database: Database) -> str:
    """The revision, when it is the one this code needs.

    Raises:
        DatabaseError: it is not, with the command that mends it.
    """
    found = current(database)
    if found != newest():
        what = "has no schema yet" if found is None else f"is at schema {found}, this code needs {newest()}"
        raise DatabaseError(f"{database.label} {what}: run bonanza db upgrade --database {database.label}")
    return found


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def _foreign_table(connection: sa.Connection) -> str | None:
    """A table of a database without our schema whose name we would need: Optuna, for one, has studies and trials too."""
    return next(iter(sorted(set(sa.inspect(connection).get_table_names()) & set(metadata.tables))), None)


@contextmanager
def reaching(database: Database) -> Iterator[None]:
    """Turn the driver's errors into a message that says what to do."""
    try:
        yield
    except DBAPIError as error:
        cause = str(error.orig).strip().splitlines()[0]
        hint = (
            "is the folder there and writable?"
            if database.sqlite
            else "is the server up, and are host, name and password right?"
        )
        raise DatabaseError(f"cannot use {database.label}: {cause}; {hint}") from error


@contextmanager
def _turn(database: Database) -> Iterator[sa.Connection]:
    """A transaction in which nobody else upgrades: SQLite has one writer at a time, PostgreSQL a lock made for such things."""
    with database.engine.begin() as connection:
        if not database.sqlite:
            # An upgrade of a large table, or waiting for one, takes longer than any request may.
            for limit in ("lock_timeout", "statement_timeout"):
                connection.execute(sa.select(sa.func.set_config(limit, "0", True)))
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        yield connection
