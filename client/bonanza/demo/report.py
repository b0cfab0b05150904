"""What the demo found, beside what there was to find."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.console import Console
from rich.markup import escape

from bonanza.cli.console import table
from bonanza.demo.search import Found
from bonanza.demo.setting import Setting
from bonanza.worker.tabular import Table, load_nasbench201


@dataclass(frozen=True)
class Report:
    """The outcome of a demo.

    Regret is the table's best mean accuracy minus the mean accuracy of the cell whose observed value was best: what somebody who trains the
    winner again must expect to miss.
    """

    setting: Setting
    found: Found
    rival: Found | None
    seconds: float

    @cached_property
    def table(self) -> Table | None:
        """The table that was searched."""
        return None if self.setting.table is None else load_nasbench201(self.setting.table)

    @property
    def optimum(self) -> float | None:
        """The best mean accuracy there is, in percent."""
        return None if self.table is None else self.table.optimum.mean

    def mean(self, found: Found) -> float | None:
        """The mean accuracy of the cell found, over the table's seeds, in percent."""
        return None if self.table is None else self.table[found.architecture].mean

    def regret(self, found: Found | None) -> float | None:
        """Percentage points that the cell found lacks to the optimum."""
        return (
            None
            if self.table is None or found is None
            else self.table.optimum.mean - self.table[found.architecture].mean
        )

    def json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "study": self.found.study,
            "trials": self.found.trials,
            "best": {"architecture": self.found.architecture, "value": round(self.found.value, 4)},
            "optimum": _rounded(self.optimum),
            "regret": _rounded(self.regret(self.found)),
            "random_regret": _rounded(self.regret(self.rival)),
            "seconds": round(self.seconds, 1),
        }

    def print(self, console: Console) -> None:
        """For people."""
        console.print()
        searches = [self.found, *([self.rival] if self.rival is not None else [])]
        if self.table is None:
            columns: tuple[str, ...] = ("search", "trials", "best accuracy", "seconds")
            rows: list[tuple[object, ...]] = [(f.study, f.trials, f.value, f"{f.seconds:.0f}") for f in searches]
        else:
            columns = ("search", "trials", "best observed", "mean of that cell", "regret", "seconds")
            rows = [(f.study, f.trials, f.value, self.mean(f), self.regret(f), f"{f.seconds:.0f}") for f in searches]
        console.print(table(*columns, rows=rows, right=columns[1:]))
        if self.table is not None:
            best = self.table.optimum
            console.print(
                f"\nThe best of all {len(self.table):,} cells of the table has a mean of {best.mean:.2f} %: {escape(best.text)}",
                soft_wrap=True,
            )
        console.print(
            f"\n[bold]Best architecture[/] ({self.found.study}, trial {self.found.number}, {self.found.value:.2f} %)",
            soft_wrap=True,
        )
        console.print(f"  [bold green]{escape(self.found.architecture)}[/]\n", soft_wrap=True)
        console.print(f"{self.seconds:.0f} seconds in all.", soft_wrap=True)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
