"""``bonanza replay``: an exported study from its events alone, and every proposal of it made again."""

from __future__ import annotations

from typing import Annotated

import typer

from bonanza.cli.options import file_text
from bonanza.cli.serve import needing


def replay(
    file: Annotated[str, typer.Argument(help="What [bold]bonanza study export[/] wrote.", show_default=False)],
    check: Annotated[
        bool, typer.Option("--check", help="Make every proposal again, and compare it bit for bit.")
    ] = False,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            "--with", help="Export of a study that this one's strategy reads; may be given again.", show_default=False
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Fits made at once, each in a process of its own.", min=1, max=64)] = 1,
) -> None:
    """Replay an exported study from its events; with --check, its proposals too.

    Ends with exit code 1 where a proposal does not come out the same, and says where the first is and what may be why.
    """
    with needing("server"):
        from bonanza_server.replay_command import replay as run
    if not run(file_text(file), check=check, jobs=jobs, others=[file_text(one) for one in beside or ()]):
        raise typer.Exit(1)
