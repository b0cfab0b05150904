"""Table 1 of "NAS evaluation is frustratingly hard" as Markdown: a row a method, a column a data set, each RI with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bonanza.schemas.report import RelativeImprovement
from bonanza_server.evaluation.experiment import Terms
from bonanza_server.evaluation.markdown import spread, table


@dataclass(frozen=True)
class Row:
    """A method on a data set. ``first`` is of the first 8 searches and 8 random cells, as the paper has it."""

    dataset: str
    method: str
    improvement: RelativeImprovement | None
    first: RelativeImprovement | None
    hours: float

    @property
    def json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "dataset": self.dataset,
            "method": self.method,
            "improvement": None if self.improvement is None else self.improvement.model_dump(mode="json"),
            "first_8": None if self.first is None else self.first.model_dump(mode="json"),
            "hours": self.hours,
        }


def markdown(rows: Sequence[Row], *, terms: Terms, runs: int, baseline: int) -> str:
    """Table 1, then what it is made of."""
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    methods = list(dict.fromkeys(row.method for row in rows))
    cells = {(row.method, row.dataset): row for row in rows}
    relative = [(method, *(_ri(cells[method, dataset].improvement) for dataset in datasets)) for method in methods]
    detail = [
        (
            row.dataset,
            row.method,
            "–" if row.improvement is None else spread(row.improvement.searched),
            "–" if row.improvement is None else spread(row.improvement.random),
            "–" if row.first is None else f"{row.first.value:+.2f}",
            f"{row.hours:.1f}",
        )
        for row in rows
    ]
    confirmed = f"{terms.top} cells confirmed with {terms.seeds} seeds within it" if terms.top else "nothing confirmed"
    head = ("data set", "method", "searched", "random", "RI at 8 against 8", "hours a search")
    return (
        f"# Relative improvement over random architectures, in percent, with 95 % intervals\n\n"
        f"{table(('method', *datasets), relative)}\n\n"
        f"RI = 100 (searched - random) / random (Yang et al. 2020). {runs} searches of {terms.trials} trials each, {confirmed}; {baseline} random cells. "
        f"Every network is trained at the end with the augmentation seed {terms.augmentation_seed}; intervals by the studentised bootstrap.\n\n"
        f"{table(head, detail)}\n"
    )


def _ri(found: RelativeImprovement | None) -> str:
    if found is None:
        return "–"
    bounds = "" if found.interval is None else f" ({found.interval.low:+.2f} to {found.interval.high:+.2f})"
    return f"{found.value:+.2f}{bounds}"
