"""``bonanza key``: who may use a server. Handed over to the server's own commands, which work in its database."""

from __future__ import annotations

import re
from typing import Annotated, Final

import typer

from bonanza.cli.options import Database
from bonanza.cli.serve import needing
from bonanza.errors import InvalidRequest

app = typer.Typer(
    help="Make, list and revoke keys, in the database of a server that runs or is stopped.", no_args_is_help=True
)

SECONDS: Final = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="For people: whose it is, or what for.", show_default=False)],
    scope: Annotated[
        list[str],
        typer.Option(
            help="What it opens; may be given again. [bold]read[/]: look at everything. [bold]ask[/]: a worker's: ask, tell, heartbeat. "
            "[bold]write[/]: both, make and steer studies. [bold]admin[/]: all that, and keys.",
            show_default=False,
        ),
    ],
    study: Annotated[
        str | None, typer.Option(help="The one study it is for; with the scopes read and ask.", show_default=False)
    ] = None,
    project: Annotated[str, typer.Option(help="Project whose studies it is for; others it cannot see.")] = "default",
    expires: Annotated[
        str | None, typer.Option(help="How long it is good: 12h, 30d, 8w.", show_default="for ever")
    ] = None,
    database: Database = None,
) -> None:
    """Make a key and print it, once: the database keeps a hash of it.

    Only the key goes to standard output: export BONANZA_KEY=$(bonanza key create gpu7 --scope ask --study cifar10-cells)
    """
    lasts = None if expires is None else seconds(expires)
    with needing("server"):
        from bonanza_server import cli, key_command
    url = cli.read_settings(database_url=database).database_url
    made = key_command.create(url, name=name, scopes=scope, study=study, project=project, expires_in_s=lasts)
    typer.echo(made)


@app.command("list")
def list_(
    project: Annotated[str | None, typer.Option(help="Of this project alone.", show_default="all")] = None,
    database: Database = None,
) -> None:
    """List the keys, revoked ones too: whose they are, what they open, when they were last used."""
    with needing("server"):
        from bonanza_server import cli, key_command
    key_command.show(cli.read_settings(database_url=database).database_url, project=project)


@app.command()
def revoke(
    keys: Annotated[list[str], typer.Argument(help="Ids, as [bold]key list[/] shows them.", show_default=False)],
    database: Database = None,
) -> None:
    """End keys, and the dashboard's sessions under them. A running server refuses them within seconds."""
    with needing("server"):
        from bonanza_server import cli, key_command
    key_command.revoke(cli.read_settings(database_url=database).database_url, keys)


def seconds(text: str) -> float:
    """The seconds of ``12h``, ``30d`` or ``8w``.

    Raises:
        InvalidRequest: it is none of these.
    """
    match = re.fullmatch(r"(\d{1,5})([hdw])", text.strip())
    if match is None:
        raise InvalidRequest(f"{text!r} is no time: write 12h, 30d or 8w")
    return float(int(match[1]) * SECONDS[match[2]])
