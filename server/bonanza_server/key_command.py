"""``bonanza key``: keys made, listed and revoked in the database itself.

Whoever can write the database needs no key to make one, the first can be made in no other way, and it does not matter whether a server runs: one
insert waits its turn like any other process's, and a server looks for a key that it does not know. So the commands need no second way over HTTP;
who is not on the server's machine has ``/v1/keys``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bonanza.cli.console import console, say, table
from bonanza.errors import BonanzaError, InvalidRequest
from bonanza.schemas import KeySpec
from bonanza_server.access import DEFAULT_PROJECT
from bonanza_server.settings import Settings
from bonanza_server.store import keys, migrate
from bonanza_server.store.database import Database, DatabaseError, FileLock


class NoSuchKey(BonanzaError):
    """There is no key of that id; the message has the command that lists them."""


class CannotOpen(BonanzaError):
    """The database cannot be used; the message says what to do."""


def create(url: str, **what: Any) -> str:
    """Make a key of the fields of a ``KeySpec``; returns it. What a person should know goes to standard error.

    Raises:
        InvalidRequest: a field does not fit.
        CannotOpen: the database cannot be used.
    """
    try:
        spec = KeySpec.model_validate(what)
    except ValidationError as error:
        raise InvalidRequest.from_validation(error) from error
    now = time.time()
    ends = None if spec.expires_in_s is None else now + spec.expires_in_s
    with _opened(url, make=True) as database:
        first = not database.read_now(lambda connection: keys.listed(connection, None))
        made = database.write_now(
            lambda connection: keys.make(
                connection,
                project=spec.project or DEFAULT_PROJECT,
                name=spec.name,
                scopes=spec.scopes,
                study=spec.study,
                expires_at=ends,
                now=now,
                by=None,
            )
        )
    err = console(stderr=True)
    until = "" if ends is None else f", until {_day(ends)}"
    of = f", for the study {spec.study}" if spec.study else ""
    err.print(f"[green]made[/] key {made.row['id']} ({spec.name}): {', '.join(spec.scopes)}{of}{until}", soft_wrap=True)
    err.print("It is shown this once: give it as BONANZA_KEY, or as Authorization: Bearer …", soft_wrap=True)
    if first:
        err.print("It is the first: from now on a server on this database wants a key of everybody.", soft_wrap=True)
    return made.token


def show(url: str, *, project: str | None) -> list[keys.Row]:
    """Print the keys of a project, or of all; returns them.

    Raises:
        CannotOpen: the database cannot be used.
    """
    with _opened(url) as database:
        found = database.read_now(lambda connection: keys.listed(connection, project))
    columns = ("key", "name", "scopes", "study", "project", "made", "used", "state")
    if found:
        console().print(table(*columns, rows=map(_shown, found)))
    else:
        say("There is no key. Make one:", "  [cyan]bonanza key create NAME --scope admin[/]")
    return found


def revoke(url: str, wanted: Sequence[str]) -> None:
    """End keys, by id; all of them or none.

    Raises:
        NoSuchKey: one of them is not there.
        CannotOpen: the database cannot be used.
    """
    with _opened(url) as database:

        def work(connection: Any) -> list[keys.Row]:
            rows = [keys.revoke(connection, key, project=None, now=time.time(), by=None) for key in wanted]
            for key, row in zip(wanted, rows, strict=True):
                if row is None:
                    raise NoSuchKey(f"there is no key {key}: bonanza key list shows which there are")
            return [row for row in rows if row is not None]

        for row in database.write_now(work):
            say(f"[green]revoked[/] {row['id']} ({row['name']}); a running server refuses it within seconds")


def has_key(settings: Settings) -> bool:
    """Whether the database has a key that opens something; nothing is made or changed.

    Raises:
        DatabaseError: it cannot be reached.
    """
    database = Database(settings.database_url)
    try:
        if database.sqlite and not Path(str(database.url.database)).exists():
            return False
        if migrate.current(database) != migrate.newest():
            return False  # such a schema may have no table of keys; the server's start will say what is wrong
        return database.read_now(lambda connection: keys.any_live(connection, time.time()))
    finally:
        database.close()


@contextmanager
def _opened(url: str, *, make: bool = False) -> Iterator[Database]:
    """The database with the schema of this code; made where there is none, if ``make``."""
    try:
        database = Database(url)
        try:
            there = not database.sqlite or Path(str(database.url.database)).exists()
            if make and (not there or migrate.current(database) is None):
                lock = FileLock(Path(str(database.url.database))) if database.sqlite else None
                try:
                    migrate.upgrade(database)
                finally:
                    if lock is not None:
                        lock.close()
            elif not there:
                raise DatabaseError(
                    f"there is no {database.label}: give the server's with --database, or in BONANZA_DATABASE_URL"
                )
            migrate.check(database)
            yield database
        finally:
            database.close()
    except DatabaseError as error:
        raise CannotOpen(str(error)) from error


def _shown(row: keys.Row) -> tuple[Any, ...]:
    state = "good"
    if row["revoked_at"] is not None:
        state = f"revoked {_day(row['revoked_at'])}"
    elif row["expires_at"] is not None:
        state = f"{'over since' if row['expires_at'] <= time.time() else 'until'} {_day(row['expires_at'])}"
    used = None if row["last_used_at"] is None else _day(row["last_used_at"])
    scopes = ", ".join(row["scopes"])
    return row["id"], row["name"], scopes, row["study"], row["project"], _day(row["created_at"]), used, state


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"
