"""``bonanza study``: make, list, look at studies."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from bonanza import schemas
from bonanza.cli.console import cell, console, say, table
from bonanza.cli.options import DEFAULT_SERVER, AsJson, Key, Server, file_text, spec, write_file
from bonanza.client import Client
from bonanza.errors import InvalidRequest
from bonanza.study import Study

app = typer.Typer(help="Make, list and look at studies.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The study's name.", show_default=False)]


def connect(server: str, key: str | None) -> Client:
    """A client for one command: a person waits, so a server that is away is said after seconds, not after a minute."""
    return Client(server, key=key, patience_s=3.0)


@app.command()
def create(
    name: Name,
    space: Annotated[
        str, typer.Option(help="Search space: a kind such as [bold]nasbench201[/], JSON, or @FILE.", show_default=False)
    ],
    strategy: Annotated[
        str | None, typer.Option(help="Search strategy: a name, JSON, or @FILE; the server's default if left out.")
    ] = None,
    pruner: Annotated[
        str | None,
        typer.Option(
            help="Early stopping: [bold]median[/], [bold]asha[/], JSON with their options, or @FILE; none if left out.",
            show_default=False,
        ),
    ] = None,
    max_trials: Annotated[int | None, typer.Option(help="Trials to start; no limit if left out.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Everything the search draws comes from it.", min=0)] = 0,
    direction: Annotated[Literal["maximize", "minimize"], typer.Option(help="Which way is better.")] = "maximize",
    objective: Annotated[str, typer.Option(help="Name of the number that is told.")] = "accuracy",
    server: Server = DEFAULT_SERVER,
    key: Key = None,
) -> None:
    """Make a study, or find the one that is just like it."""
    with connect(server, key) as client:
        study = client.create_study(
            name,
            space=spec(space, "kind"),
            strategy=None if strategy is None else spec(strategy, "name"),
            pruner=None if pruner is None else spec(pruner, "name"),
            budget=None if max_trials is None else {"max_trials": max_trials},
            seed=seed,
            direction=direction,
            objective=objective,
        )
    verb = "created" if study.created else "already there, just as asked for:"
    say(f"[green]{verb}[/] study [bold]{escape(study.name)}[/]: {escape(described(study.info))}")
    say(
        "Give it a worker:",
        f"  [cyan]bonanza worker --server {server} --study {study.name} --evaluator tabular:nasbench201/cifar10[/]",
    )


@app.command("list")
def list_(server: Server = DEFAULT_SERVER, key: Key = None, as_json: AsJson = False) -> None:
    """List the studies."""
    with connect(server, key) as client:
        infos = [study.info for study in client.studies()]
    if as_json:
        print_json({"studies": [info.model_dump(mode="json", exclude={"space"}) for info in infos]})
    elif not infos:
        say(
            f"No studies yet at {server}. Make one:",
            f"  [cyan]bonanza study create first --space nasbench201 --server {server}[/]",
        )
    else:
        columns = ("study", "state", "strategy", "complete", "of", "best", "model lag", "created")
        rows = (
            (
                i.name,
                i.state,
                i.strategy["name"],
                i.trials.get("complete", 0),
                i.budget.max_trials,
                i.best and i.best.value,
                i.model.lag if i.model.version else None,
                f"{i.created_at:%Y-%m-%d %H:%M}",
            )
            for i in infos
        )
        console().print(table(*columns, rows=rows, right=columns[3:7]))


@app.command()
def show(name: Name, server: Server = DEFAULT_SERVER, key: Key = None, as_json: AsJson = False) -> None:
    """Show a study: what it searches, how far it is, what it found."""
    with connect(server, key) as client:
        study = client.study(name)
        if as_json:
            print_json(study.info.model_dump(mode="json"))
            return
        best = study.best(5)
        say(*(f"[bold]{label:<10}[/] {escape(value)}" for label, value in described_at_length(study)))
        if best:
            say("", "[bold]Best so far[/]")
            console().print(best_table(study, best))


@app.command()
def best(
    name: Name,
    k: Annotated[int, typer.Option("-k", "--top", help="How many.", min=1, max=1000)] = 1,
    server: Server = DEFAULT_SERVER,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show the best architectures found, best first."""
    with connect(server, key) as client:
        study = client.study(name)
        trials = study.best(k)
        if as_json:
            print_json({"trials": [trial.model_dump(mode="json") for trial in trials]})
        elif trials:
            console().print(best_table(study, trials))
        else:
            say(f"Study {escape(name)} has no complete trial yet.")


@app.command()
def report(
    name: Name,
    form: Annotated[
        Literal["markdown", "html", "json"] | None,
        typer.Option("--format", help="By the name of OUT if left out, else markdown.", show_default=False),
    ] = None,
    out: Annotated[str, typer.Option(help="File to write; [bold]-[/] is standard output.")] = "-",
    server: Server = DEFAULT_SERVER,
    key: Key = None,
) -> None:
    """Report what a study found, and what a paper should say of it."""
    form = form or {"html": "html", "json": "json"}.get(out.rpartition(".")[2], "markdown")  # type: ignore[assignment]
    with connect(server, key) as client:
        study = client.study(name)
        text = print_form(study.report()) if form == "json" else study.report_text(form or "markdown")
    if out == "-":
        typer.echo(text, nl=not text.endswith("\n"))
        return
    write_file(out, text)
    say(f"[green]written[/] {escape(out)}")


def print_form(made: schemas.Report) -> str:
    """A report as indented JSON."""
    return made.model_dump_json(indent=2)


@app.command()
def export(
    name: Name,
    out: Annotated[str, typer.Option(help="File to write; [bold]-[/] is standard output.")] = "-",
    server: Server = DEFAULT_SERVER,
    key: Key = None,
) -> None:
    """Write the whole study to one file: for a paper, a reviewer, another server."""
    with connect(server, key) as client:
        lines = client.study(name).export()
    if out == "-":
        typer.echo(lines, nl=False)
        return
    write_file(out, lines)
    say(
        f"[green]written[/] {escape(out)}: {lines.count(chr(10)):,} records, {len(lines.encode()):,} bytes. Whoever has it can check it:",
        f"  [cyan]bonanza replay {escape(out)} --check[/]",
    )


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(help="What [bold]study export[/] wrote.", show_default=False)],
    name: Annotated[
        str | None, typer.Option(help="Name of the study; its own if left out.", show_default=False)
    ] = None,
    server: Server = DEFAULT_SERVER,
    key: Key = None,
) -> None:
    """Open an exported study in this server, whole or not at all."""
    lines = file_text(file)
    with connect(server, key) as client:
        study = client.import_study(name or exported_name(lines), lines)
    say(f"[green]imported[/] study [bold]{escape(study.name)}[/]: {escape(described(study.info))}")


def exported_name(lines: str) -> str:
    """The name that an export says its study has.

    Raises:
        InvalidRequest: its first line does not say.
    """
    try:
        return str(json.loads(lines.partition("\n")[0])["study"]["name"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidRequest(
            "line 1: an exported study begins with the study; name it with --name to try all the same"
        ) from error


def best_table(study: Study, trials: Iterable[schemas.Ranked]) -> Table:
    """Cells with their architectures as the space prints them, ranked by what all their measurements say."""
    columns = ("trial", study.info.objective.name, "all measurements", "predicted", "origin", "architecture")
    rows = (
        (
            t.number,
            t.value,
            known(t.posterior),
            None if t.prediction is None else f"{t.prediction.mean:.2f} ± {t.prediction.std:.2f}",
            t.origin,
            study.space.validate(t.architecture).text,
        )
        for t in trials
    )
    return table(*columns, rows=rows, right=columns[:4])


def known(posterior: schemas.Posterior | None) -> str | None:
    """The mean of a cell, how sure, and from how many measurements."""
    if posterior is None:
        return None
    spread = "" if posterior.std is None else f" ± {posterior.std:.2f}"
    return f"{posterior.mean:.2f}{spread} ({posterior.count})"


def described(info: schemas.Study) -> str:
    """A study in one line."""
    space = (info.space or {}).get("kind", "a space")
    budget = "no limit" if info.budget.max_trials is None else f"{info.budget.max_trials} trials"
    pruned = "" if info.pruner["name"] == "none" else f", pruned by {info.pruner['name']}"
    return f"{info.strategy['name']} on {space}, {info.objective.direction} {info.objective.name}, {budget}, seed {info.seed}{pruned}"


def described_at_length(study: Study) -> list[tuple[str, str]]:
    """What a person wants to know of a study, label and text."""
    info = study.info
    done = ", ".join(f"{count} {state}" for state, count in info.trials.items() if count) or "none yet"
    model = info.model
    if model.version == 0:
        fitted = "none yet" if "n_initial" in info.strategy else f"none: {info.strategy['name']} needs none"
    else:
        notes = [note for note, holds in (("refitting", model.refitting), ("degraded", model.degraded)) if holds]
        fitted = ", ".join([f"fit {model.version} on {model.observations} results", f"{model.lag} behind", *notes])
    space = json.dumps(info.space)
    return [
        ("study", info.name),
        ("state", info.state + (f": {info.state_reason}" if info.state_reason else "")),
        ("space", space if len(space) <= 300 else f"{space[:300]}…"),
        ("objective", f"{info.objective.direction} {info.objective.name}"),
        ("strategy", json.dumps(info.strategy)),
        ("budget", json.dumps(info.budget.model_dump(mode="json", exclude_none=True))),
        ("seed", cell(info.seed)),
        ("trials", done),
        ("model", fitted),
        ("created", f"{info.created_at:%Y-%m-%d %H:%M:%S} UTC"),
    ]


def print_json(value: Any) -> None:
    """One JSON document on standard output, for programs."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
