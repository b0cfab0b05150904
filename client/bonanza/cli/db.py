"""``bonanza db``: handed over to the server's own commands, which the base install does not have."""

from __future__ import annotations

from typing import Annotated

import typer

from bonanza.cli.options import Database
from bonanza.cli.serve import needing

app = typer.Typer(help="Look after the database.", no_args_is_help=True)


@app.command()
def upgrade(
    database: Database = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, try it on a copy, and change nothing.")
    ] = False,
) -> None:
    """Bring the schema to the version this code needs; make the database where there is none. A SQLite file is copied beside itself first."""
    with needing("server"):
        from bonanza_server import database_command
    database_command.upgrade(database=database, dry_run=dry_run)


@app.command()
def check(database: Database = None) -> None:
    """Say whether the schema is the one this code needs, and a SQLite file whole; exit with 1 if not."""
    with needing("server"):
        from bonanza_server import database_command
    database_command.check(database=database)


@app.command()
def backup(
    file: Annotated[
        str, typer.Argument(help="File to write, or a folder for one named by the time.", show_default=False)
    ],
    database: Database = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
) -> None:
    """Write the whole database to one file, while servers go on using it. For PostgreSQL this needs its pg_dump."""
    with needing("server"):
        from bonanza_server import database_command
    database_command.backup(file, database=database, overwrite=overwrite)


@app.command()
def restore(
    file: Annotated[str, typer.Argument(help="A backup.", show_default=False)],
    database: Database = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what the database holds; a SQLite file is kept beside.")
    ] = False,
) -> None:
    """Have the database hold what a backup holds; no server may be using it. For PostgreSQL this needs its pg_restore and psql."""
    with needing("server"):
        from bonanza_server import database_command
    database_command.restore(file, database=database, overwrite=overwrite)


@app.command()
def doctor(
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a violation and line.")] = False,
) -> None:
    """Prove that the tables hold what they must, and that the events, replayed, give them; servers may go on. Exit with 1 and each violation if not."""
    with needing("server"):
        from bonanza_server import database_command
    if not database_command.doctor(database=database, as_json=as_json):
        raise typer.Exit(1)
