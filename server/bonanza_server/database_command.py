"""What ``bonanza db`` does: upgrade, check, back up, restore, and look for what must not be."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.markup import escape
from sqlalchemy.exc import DBAPIError

from bonanza.cli.console import say
from bonanza_server import doctor as examining
from bonanza_server.cli import CannotStart, read_settings
from bonanza_server.store import backup as backups
from bonanza_server.store import migrate
from bonanza_server.store.database import Database, DatabaseError, FileLock


@contextmanager
def opened(database: str | None) -> Iterator[Database]:
    """The database that is named, or the environment's.

    Raises:
        CannotStart: it cannot be used; the message says what to do.
    """
    settings = read_settings(database_url=database)
    try:
        found = Database(settings.database_url)
        try:
            yield found
        finally:
            found.close()
    except DatabaseError as error:
        raise CannotStart(str(error)) from error
    except DBAPIError as error:
        cause = str(error.orig).strip().splitlines()[0]
        raise CannotStart(
            f"{found.label} is damaged or was lost: {cause}; bonanza db restore puts a backup back"
        ) from error


def upgrade(*, database: str | None, dry_run: bool = False) -> None:
    """Bring the schema to the newest version and say what was done, or what would be.

    Raises:
        CannotStart: the database cannot be used, or a server is using it.
    """
    with opened(database) as found:
        if dry_run:
            _rehearse(found)
            return
        # A server must not have its tables changed under it; PostgreSQL's servers wait for each other instead.
        lock = FileLock(found.file) if found.sqlite else None
        try:
            before, after, kept = migrate.upgrade(found)
        finally:
            if lock is not None:
                lock.close()
        label = escape(found.label)
        if before == after:
            say(f"{label} is at schema {after}, which is what this code needs")
        else:
            say(f"[green]upgraded[/] {label} from {before or 'no schema'} to schema {after}")
        if kept is not None:
            say(f"  as it was before: {escape(str(kept))}")


def _rehearse(found: Database) -> None:
    label = escape(found.label)
    if found.sqlite and not found.file.exists():
        say(f"there is no {label}: an upgrade would make it, at schema {migrate.newest()}")
        return
    steps = migrate.plan(found)
    if not steps:
        say(f"{label} is at schema {migrate.newest()}, which is what this code needs: an upgrade would do nothing")
        return
    say(f"{label} would be upgraded from {migrate.current(found) or 'no schema'} to schema {steps[-1].revision}:")
    say(*(f"  {step.revision}  {escape(step.does)}" for step in steps))
    if not found.sqlite and backups.is_served(found):
        say("a server is using it, so this was not tried")
        return
    begun = time.monotonic()
    migrate.rehearse(found)
    how = "on a copy" if found.sqlite else "and rolled back"
    say(f"[green]tried[/] {how}: it works, in {time.monotonic() - begun:.1f} s; nothing was changed")


def check(*, database: str | None) -> None:
    """Say that the schema is the one this code needs, and a SQLite file whole; nothing is changed or made.

    Raises:
        CannotStart: it is not, or the database cannot be reached.
    """
    with opened(database) as found:
        if found.sqlite and not found.file.exists():
            raise DatabaseError(f"there is no {found.label}: bonanza db upgrade --database {found.label} makes it")
        revision = migrate.check(found)
        if wrong := examining.unsound(found):
            raise DatabaseError(f"{found.label}: {wrong[0].violation}; bonanza db restore puts a backup back")
        say(f"[green]good[/]: {escape(found.label)} is at schema {revision}, which is what this code needs")


def backup(file: str, *, database: str | None, overwrite: bool) -> None:
    """Write the whole database to a file, also while servers use it.

    Raises:
        CannotStart: it cannot be read, or the file not written.
    """
    with opened(database) as found:
        begun = time.monotonic()
        written = backups.backup(found, Path(file), overwrite=overwrite)
        size = written.stat().st_size / 1e6
        say(
            f"[green]backed up[/] {escape(found.label)} to {escape(str(written))}: {size:.1f} MB in {time.monotonic() - begun:.1f} s"
        )


def restore(file: str, *, database: str | None, overwrite: bool) -> None:
    """Have the database hold what a backup holds.

    Raises:
        CannotStart: the file is no backup, a server uses the database, or something is there and may not be replaced.
    """
    with opened(database) as found:
        kept = backups.restore(found, Path(file), overwrite=overwrite)
        say(f"[green]restored[/] {escape(found.label)} from {escape(file)}")
        if kept is not None:
            say(f"  what was there before: {escape(str(kept))}")


def doctor(*, database: str | None, as_json: bool) -> bool:
    """Look for whatever must not be in the database, say it, and return whether there was nothing.

    Raises:
        CannotStart: the database cannot be read, or its schema is not this code's.
    """
    with opened(database) as found:
        if found.sqlite and not found.file.exists():
            raise DatabaseError(f"there is no {found.label}")
        migrate.check(found)
        findings = examining.unsound(found)
        looked = trials = events = 0
        for study in examining.examine(found):
            looked, trials, events = looked + 1, trials + study.trials, events + study.events
            findings += study.findings
        if as_json:
            for finding in findings:
                print(json.dumps(finding.record()))  # noqa: T201 - one a line, for programs
            return not findings
        for study_name, violation in findings:
            rows = f"   [dim]{escape(', '.join(violation.rows))}[/]" if violation.rows else ""
            say(f"[red]{escape(study_name or 'database')}[/]: {escape(violation.what)}{rows}")
        what = f"{looked} studies, {trials} trials, {events} events replayed"
        if findings:
            say(f"[bold red]{len(findings)} violations[/] in {escape(found.label)}: {what}")
        else:
            say(f"[green]healthy[/]: {escape(found.label)}: {what}")
        return not findings
