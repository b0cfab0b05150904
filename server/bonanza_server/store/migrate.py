"""The schema's version: upgrade to the newest under a lock, or say what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from bonanza_server.store.database import Database, DatabaseError
from bonanza_server.store.models import metadata

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


def upgrade(database: Database) -> tuple[str | None, str]:
    """Bring the schema to the newest revision; two processes that start at once take turns. Return the revisions before and after.

    Raises:
        DatabaseError: the database cannot be reached, or is of a newer version than this code.
    """
    with reaching(database), _turn(database) as connection:
        before = _revision(connection)
        known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
        if before is not None and before not in known:
            raise DatabaseError(
                f"{database.label} is at schema {before}, which is newer than this version of bonanza knows: upgrade bonanza"
            )
        if before is None and (foreign := _foreign_table(connection)) is not None:
            raise DatabaseError(
                f"{database.label} has a table {foreign} of another program: give Bonanza a database of its own"
            )
        if before != newest():
            command.upgrade(_config(connection), "head")
        return before, newest()


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
