"""``bonanza serve``: handed over to the server's own command, which the base install does not have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from bonanza import extensions
from bonanza.cli.options import Database
from bonanza.errors import MissingExtra


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Turn a missing package into the command that installs it.

    Raises:
        MissingExtra: a package is missing that is not part of Bonanza itself.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in {"bonanza", "bonanza_server"}:
            raise
        raise MissingExtra(
            f"this command needs {error.name}, which is not installed: pip install 'bonanza[{extra}]'"
        ) from error


def serve(
    database: Database = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", envvar="BONANZA_HOST", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port to listen on; 0 takes a free one.", envvar="BONANZA_PORT", min=0, max=65535, show_default="8423"
        ),
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option(
            help="[bold]text[/] for people, or [bold]json[/], an object a line and a line a request.",
            envvar="BONANZA_LOG_FORMAT",
            show_default="text",
        ),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(
            help="What is written: debug, info, warning or error; info has every request.",
            envvar="BONANZA_LOG_LEVEL",
            show_default="warning; info for json",
        ),
    ] = None,
    modules: Annotated[
        str | None,
        typer.Option(
            help="Modules, by commas, from which a study may name strategies, surrogates and spaces as MODULE:NAME.",
            envvar="BONANZA_MODULES",
            show_default="none",
        ),
    ] = None,
) -> None:
    """Run the server.

    Without options it listens on this machine only and keeps everything in ./bonanza.db. Every setting has an environment variable,
    BONANZA_DATABASE_URL and the like; a key is needed to listen beyond this machine, and bonanza key create makes one.
    """
    with needing("server"):
        from bonanza_server import cli
    if modules is not None:
        extensions.allow(modules.split(","))
    cli.serve(database=database, host=host, port=port, log_format=log_format, log_level=log_level)
