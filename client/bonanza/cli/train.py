"""``bonanza train``: one architecture by hand, without a server."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bonanza.cli.console import console, say, table
from bonanza.cli.space import parsed, read
from bonanza.errors import InvalidRequest

if TYPE_CHECKING:
    from bonanza.worker.train_evaluator import TrainEvaluator

INTERRUPTED: Final = 130
DATA = (
    "Data set: [bold]digits[/], [bold]npz:FILE[/], [bold]cifar10:DIR[/], [bold]cifar100:DIR[/], [bold]imagenet16-120:DIR[/], "
    "[bold]folder:DIR[/], [bold]ptb:DIR[/], [bold]wikitext2:DIR[/] or [bold]text:DIR[/]"
)
PROTOCOL = (
    "Training protocol: [bold]proxy[/], [bold]digits[/], [bold]nasbench201[/], [bold]nasbench101[/], [bold]darts-search[/], [bold]darts-full[/], "
    "[bold]base[/] with any of [bold]+A +D +C +AA +50C +1500E[/], [bold]language[/]; with changes, [bold]proxy:epochs=3,batch=32[/]. "
    "Default: digits for digits, language for text, proxy for the rest"
)


def train(
    architecture: Annotated[
        str,
        typer.Argument(
            metavar="ARCHITECTURE",
            help="The space's official string, JSON, @FILE, or [bold]-[/] for standard input.",
            show_default=False,
        ),
    ],
    space: Annotated[str, typer.Option(help="Search space: a kind, JSON, FILE.json or @FILE.")] = "nasbench201",
    data: Annotated[str, typer.Option(help=DATA)] = "digits",
    protocol: Annotated[str | None, typer.Option(help=PROTOCOL, show_default=False)] = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the protocol's.", min=1, show_default=False)] = None,
    seeds: Annotated[str, typer.Option(help="One training each: 0,1,2")] = "0",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Keep weights, the network as a Python file, result and curves in this folder.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, on one line, last.")] = False,
) -> None:
    """Train one architecture, here and now, and measure it on the validation and the test part.

    Ctrl-C leaves a checkpoint; the same command goes on from there.
    """
    arch = read(parsed(space), architecture)
    numbers = seeds_of(seeds)
    evaluator = evaluator_for(data, protocol, epochs, None if out is None else out / "checkpoints")

    from bonanza.worker.evaluator import BrokenEvaluator, Stopped
    from bonanza.worker.single import plot, train_by_hand

    try:
        evaluator.check(arch.space)
        with Display(evaluator, numbers) as display:
            answer = train_by_hand(evaluator, arch, numbers, display.watch, out)
    except BrokenEvaluator as error:
        raise InvalidRequest(str(error)) from error
    except Stopped as stopped:
        kept = "no checkpoint could be written" if stopped.checkpoint is None else "the same command goes on from there"
        say(f"[yellow]interrupted[/]; {kept}")
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        raise InvalidRequest(f"cannot write to {error.filename or out}: {error.strerror}") from error
    except FloatingPointError as error:
        raise InvalidRequest(str(error)) from error
    drawn = out is not None and plot(answer, out / "curves.png")
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    show(answer, drawn=drawn, out=out)


def seeds_of(text: str) -> list[int]:
    """The seeds in ``0,1,2``.

    Raises:
        InvalidRequest: there are none.
    """
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InvalidRequest(f"seeds are whole numbers apart by commas, like 0,1,2, and not {text!r}") from error
    if min(found) < 0 or len(set(found)) < len(found):
        raise InvalidRequest(f"seeds are different whole numbers from 0, and not {text!r}")
    return found


def evaluator_for(data: str, protocol: str | None, epochs: int | None, checkpoints: Path | None) -> TrainEvaluator:
    """The data on the device and the protocol, which says that the test part is measured.

    Raises:
        InvalidRequest: torch, the data or the protocol is missing, or they do not go together.
    """
    try:
        from bonanza.worker.evaluator import BrokenEvaluator
        from bonanza.worker.protocol import InvalidProtocol
        from bonanza.worker.protocols import for_data, from_text
        from bonanza.worker.train_evaluator import TrainEvaluator
    except ModuleNotFoundError as error:
        raise InvalidRequest(
            f"training needs {error.name}, which is not installed: pip install 'bonanza[worker]'"
        ) from error
    try:
        recipe = for_data(data) if protocol is None else from_text(protocol)
        recipe = recipe.changed({"test": True} if epochs is None else {"test": True, "epochs": epochs})
        return TrainEvaluator(data, protocol=recipe, checkpoints=checkpoints, may_test=True)
    except (InvalidProtocol, BrokenEvaluator) as error:
        raise InvalidRequest(str(error)) from error


class Display:
    """A progress bar on standard error, and the signals that stop a training in order."""

    def __init__(self, evaluator: TrainEvaluator, seeds: list[int]) -> None:
        from bonanza.worker.single import Watch

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("epoch {task.fields[epoch]}"),
            TextColumn("{task.fields[value]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console(stderr=True),
        )
        self._seeds = iter(seeds)
        self._steps, self._epochs = evaluator.steps, evaluator.protocol.epochs
        self._task = self._progress.add_task("", total=None, epoch="", value="")
        self._next()
        self.watch = Watch(self._step, self._point)
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _next(self) -> None:
        seed = next(self._seeds, None)
        if seed is not None:
            total = self._steps * self._epochs
            self._progress.reset(
                self._task, total=total, description=f"seed {seed}", epoch=f"0/{self._epochs}", value=""
            )

    def _step(self) -> None:
        self._progress.advance(self._task)

    def _point(self, epoch: int, metrics: Any) -> None:
        value = f"{metrics['accuracy']:.2f} %" if "accuracy" in metrics else f"perplexity {metrics['perplexity']:.1f}"
        self._progress.update(
            self._task, completed=(epoch + 1) * self._steps, epoch=f"{epoch + 1}/{self._epochs}", value=value
        )
        if epoch + 1 == self._epochs:
            self._next()

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if self.watch.stop:
            raise SystemExit(128 + number)  # asked twice
        self.watch.stop = True


def show(answer: dict[str, Any], *, drawn: bool, out: Path | None) -> None:
    """The runs as a table, their curves as lines, and where what is kept lies."""
    from bonanza.worker.single import sparkline

    unit = "perplexity" if "val_perplexity" in answer else "accuracy"
    columns = [f"val_{unit}", f"val_{unit}_best", f"test_{unit}", "seconds"]
    rows = [[run["seed"], *(run[name] for name in columns), sparkline(run["curve"])] for run in answer["runs"]]
    if len(rows) > 1:
        rows.append(["mean", *(answer[name] for name in columns[:3]), answer["seconds"] / len(rows), ""])
    heads = ["seed", "validation", "best epoch's", "test", "seconds"]
    console().print(table(*heads, "curve", rows=rows, right=heads))
    say(
        f"[bold]{answer['parameters']:,}[/] parameters, protocol [bold]{answer['protocol']}[/] ({answer['protocol_hash']}), "
        f"{escape(answer['data'])}, {answer['device']}; the last epoch's weights are tested"
    )
    if out is not None:
        kept = [
            "weights",
            "result.json",
            *(["network.py"] if answer.get("network") else []),
            *(["curves.png"] if drawn else []),
        ]
        say(f"[green]kept[/] {', '.join(kept)} in {escape(str(out))}")
