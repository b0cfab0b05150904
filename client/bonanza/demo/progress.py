"""How a search goes, on the screen: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bonanza import schemas

LINE_EVERY_S: Final = 5.0


def ended(study: schemas.Study) -> int:
    """Trials of a study that have come to their end."""
    return sum(count for state, count in study.trials.items() if state not in {"pending", "running"})


def best_so_far(study: schemas.Study) -> str:
    """The best value so far, as text."""
    return "no result yet" if study.best is None else f"best {study.best.value:.2f}"


def model_so_far(study: schemas.Study) -> str:
    """How fresh the model is, as text; nothing for a strategy that has none."""
    model = study.model
    if study.strategy["name"] == "random":
        return ""
    if model.version == 0:
        return "initial design"
    behind = "up to date" if model.lag == 0 else f"{model.lag} behind"
    return f"model {model.version}, {behind}{', degraded' if model.degraded else ''}"


class Display(Protocol):
    """Shows one search; a context that ends with the search."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, leaving the last state on the screen."""

    def show(self, study: schemas.Study) -> None:
        """Show a newer state."""


class Bar:
    """A live bar. It has no thread: it is drawn when shown, so that children may be started meanwhile."""

    def __init__(self, console: Console, name: str, total: int) -> None:
        """On ``console``, for the search ``name`` of ``total`` trials."""
        self._progress = Progress(
            TextColumn("[bold]{task.description:<8}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[bold green]{task.fields[best]}"),
            TextColumn("[dim]{task.fields[model]}"),
            console=console,
            auto_refresh=False,
        )
        self._task = self._progress.add_task(name, total=total, best="", model="starting")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, study: schemas.Study) -> None:
        """Draw the bar."""
        self._progress.update(
            self._task, completed=ended(study), best=best_so_far(study), model=model_so_far(study), refresh=True
        )


class Lines:
    """A line every few seconds and one at the end, for logs and pipes."""

    def __init__(self, console: Console, name: str, total: int) -> None:
        """On ``console``, for the search ``name`` of ``total`` trials."""
        self._console = console
        self._name = name
        self._total = total
        self._began = self._said = time.monotonic()
        self._unsaid: schemas.Study | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._unsaid is not None:
            self._say(self._unsaid)

    def show(self, study: schemas.Study) -> None:
        """Print a line, unless the last one is recent."""
        self._unsaid = study
        if time.monotonic() - self._said >= LINE_EVERY_S:
            self._said, self._unsaid = time.monotonic(), None
            self._say(study)

    def _say(self, study: schemas.Study) -> None:
        seconds = time.monotonic() - self._began
        parts = [f"{ended(study)}/{self._total}", best_so_far(study), model_so_far(study), f"{seconds:.0f} s"]
        self._console.print(f"{self._name:<8} " + ", ".join(filter(None, parts)), soft_wrap=True)


def display(console: Console, name: str, total: int) -> Display:
    """What suits the console."""
    return Bar(console, name, total) if console.is_terminal else Lines(console, name, total)
