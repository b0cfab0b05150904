"""``bonanza replay``: read an export, say what it holds, and check its proposals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bonanza.cli.console import console, say
from bonanza.errors import InvalidRequest
from bonanza_server.executor import LocalExecutor
from bonanza_server.lifecycle.archive import Archive, DamagedArchive, read
from bonanza_server.lifecycle.transfer import check as check_space
from bonanza_server.replaying import Checked
from bonanza_server.replaying import check as check_proposals

MOST_SHOWN = 5


def replay(text: str, *, check: bool, jobs: int, others: Sequence[str] = ()) -> bool:
    """Print what the export says, and what a check came to; False where a proposal came out different.

    Raises:
        InvalidRequest: the text is no whole export; the message has the line.
    """
    try:
        archive = read(text)
        space = check_space(archive)
        beside = {other.header["name"]: other for other in map(read, others)}
    except DamagedArchive as error:
        raise InvalidRequest(str(error)) from error
    _summary(archive)
    if not check:
        say("", "Its proposals, made again and compared bit for bit: [cyan]bonanza replay FILE --check[/]")
        return True
    executor = LocalExecutor(jobs, deadline_seconds=3600.0)
    columns = (TextColumn("making the fits again"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console(stderr=True), transient=True) as bar:
            task = bar.add_task("fits", total=None)
            found = check_proposals(
                archive, space, executor, lambda done, of: bar.update(task, completed=done, total=of), beside
            )
    finally:
        executor.shutdown(cancel_futures=True)
    _report(found)
    return not found.differences


def _summary(archive: Archive) -> None:
    study = archive.replay.study()
    trials = archive.replay.tables.trials.values()
    states = ", ".join(f"{count} {state}" for state, count in Counter(row["state"] for row in trials).items())
    header = archive.header
    say(
        f"[bold]{escape(header['name'])}[/]: {len(archive.events)} events give {len(trials)} trials ({states or 'none'})",
        f"best {study['best_value']} (trial {study['best_number']}), strategy {study['strategy']['name']}, seed {study['seed']}",
        f"exported {header.get('exported_at', 'at an unknown time')} by bonanza {header.get('bonanza', 'unknown')}",
    )


def _report(found: Checked) -> None:
    total = sum(found.same.values())
    by_origin = ", ".join(f"{count} {origin}" for origin, count in sorted(found.same.items()))
    say("", f"{total} proposals came out the same, bit for bit ({by_origin or 'none'}), from {found.fits} fits")
    if found.not_checked:
        left = ", ".join(f"{count} {origin}" for origin, count in sorted(found.not_checked.items()))
        say(f"[dim]not proposed by Bonanza, so not checked: {left}[/]")
    if not found.differences:
        say("[green]no difference[/]")
        return
    say(f"[red]{len(found.differences)} differ[/]; the first of them:")
    say(*(f"  {escape(str(difference))[:400]}" for difference in found.differences[:MOST_SHOWN]))
    if found.circumstances:
        what = "; ".join(f"{name} was {then}, here {now}" for name, (then, now) in found.circumstances.items())
        say(
            f"[yellow]made elsewhere:[/] {escape(what)}. The same bits need the same versions and the same kind of processor"
        )
    else:
        say("versions, threads and processor are as they were: the history or the code is not")
