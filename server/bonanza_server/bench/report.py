"""The outcomes as tables in Markdown: means over the seeds with standard errors, and each contestant beside the best peer.

A search that has not found the optimum within the cap counts as ``MISS`` caps. The comparison is paired by seed, because the initial designs
are the same: the p-value is that of a sign-flip test of the mean difference (Fisher's randomisation test), which assumes nothing of how
the differences are distributed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bonanza_server.bench.race import JUDGED_AFTER, JUDGED_ON, READ_AT, Outcome, Terms
from bonanza_server.bench.table import Table

MISS = 2
SHARES = (0.25, 0.5, 0.75, 1.0)
"""Of the hours that every search has used, where regret is read on the virtual clock."""
FLIPS = 20_000
Outcomes = Mapping[str, Sequence[Outcome]]
"""By contestant, in the order of the seeds."""


def markdown(
    table: Table, outcomes: Outcomes, peers: Sequence[str], terms: Terms, targets: Sequence[float] = (0.1,)
) -> str:
    """The whole report; queries are counted to the optimum, and to within each of the ``targets`` of it."""
    seeds = max((len(runs) for runs in outcomes.values()), default=0)
    values = "the mean of a cell's measurements" if terms.mean else "one measurement, drawn by the trial's seed"
    budget = f"cap {terms.cap}, a miss counts {MISS * terms.cap}" if terms.mean else f"{terms.trials} trials"
    if terms.confirm is not None:
        budget += f", the last {terms.confirm.trials} of them to measure the {terms.confirm.top} best cells {terms.confirm.seeds} times more"
    told = f" Our strategies are told the features in {terms.features}." if terms.features else ""
    parts = [
        f"## {table.name}",
        (
            f"{table.grouping}; the optimum is {table.optimum:.3f}. {seeds} seeds, {terms.workers} "
            f"{'worker' if terms.workers == 1 else 'workers, asynchronous, on a virtual clock'}; a trial's value is {values}; {budget}. "
            "Means ± standard errors over the seeds."
            f"{told}"
        ),
        queries(outcomes, terms, targets),
        regrets(outcomes, terms),
        *([] if terms.mean else [recommendations(outcomes, terms)]),
        *([regrets_by_hour(outcomes)] if terms.workers > 1 else []),
        (
            f"Rank correlation: Spearman's, of the predictions after {JUDGED_AFTER} results (or at the end, if that is earlier) "
            f"with the means of up to {JUDGED_ON:,} cells drawn from the space, the measured ones left out."
        ),
    ]
    if peers and len(outcomes) > 1:
        parts.append(comparison(outcomes, peers, terms))
    return "\n\n".join(parts) + "\n"


def queries(outcomes: Outcomes, terms: Terms, targets: Sequence[float]) -> str:
    """Queries to the optimum and to its neighbourhood, and what a proposal costs."""
    head = [
        "contestant",
        "queries to the optimum",
        "median",
        "found",
        *(f"queries to within {target:g}" for target in targets),
        "rank correlation",
        "seconds a proposal",
    ]
    rows = []
    for name, runs in outcomes.items():
        found = counted([run.found for run in runs], terms)
        hits = sum(run.found is not None for run in runs)
        correlations = [run.rank_correlation for run in runs if run.rank_correlation is not None]
        seconds = [run.seconds for run in runs if run.seconds is not None]
        rows.append(
            [
                name,
                spread(found, 1),
                f"{np.median(found):.0f}",
                f"{hits}/{len(runs)}",
                *(spread(counted([reached(run, target) for run in runs], terms), 1) for target in targets),
                spread(correlations, 2),
                f"{np.mean(seconds):.3f}" if seconds else "–",
            ]
        )
    return grid(head, rows)


def regrets(outcomes: Outcomes, terms: Terms) -> str:
    """Regret after so many trials: the optimum's mean minus the mean of the cell whose measured value is best."""
    return _after("regret after", regret_at, outcomes, terms)


def recommendations(outcomes: Outcomes, terms: Terms) -> str:
    """Regret of the cell that each would recommend after so many trials: ours by posterior mean, a peer the luckiest, or the best mean of those confirmed."""
    return _after("regret of the recommended cell after", recommended_at, outcomes, terms)


def _after(
    what: str, read: Callable[[Sequence[Outcome], int], NDArray[np.float64]], outcomes: Outcomes, terms: Terms
) -> str:
    marks = [*(mark for mark in READ_AT if mark < terms.trials), terms.trials]
    rows = [[name, *(spread(read(runs, mark), 3) for mark in marks)] for name, runs in outcomes.items()]
    return grid([what, *map(str, marks)], rows)


def regrets_by_hour(outcomes: Outcomes) -> str:
    """Regret against the virtual clock: after so many hours of training, of all workers together, as every search has used."""
    used = min((run.hours[-1] for runs in outcomes.values() for run in runs if run.hours), default=0.0)
    marks = [share * used for share in SHARES]
    rows = []
    for name, runs in outcomes.items():
        done = [[int(np.searchsorted(run.hours, mark, side="right")) for run in runs] for mark in marks]
        read = [
            [regret_at([run], count)[0] if count else np.nan for run, count in zip(runs, counts, strict=True)]
            for counts in done
        ]
        rows.append([name, *(spread([one for one in values if not np.isnan(one)], 3) for values in read)])
    return grid(["regret after simulated GPU hours", *(f"{mark:.1f}" for mark in marks)], rows)


def reached(run: Outcome, target: float) -> int | None:
    """Queries until the mean of the cell whose measured value is best is within ``target`` of the optimum's; None if it never was."""
    within = (k for k, regret in enumerate(run.regrets, start=1) if regret is not None and regret <= target)
    return next(within, None)


def comparison(outcomes: Outcomes, peers: Sequence[str], terms: Terms) -> str:
    """Each contestant's difference from the best peer, paired by seed."""

    def score(name: str) -> NDArray[np.float64]:
        runs = outcomes[name]
        return counted([run.found for run in runs], terms) if terms.mean else recommended_at(runs, terms.trials)

    what = "queries to the optimum" if terms.mean else f"regret of the recommended cell after {terms.trials}"
    best = min(peers, key=lambda name: float(score(name).mean()))
    rows = []
    for name in outcomes:
        if name != best:
            n = min(len(score(name)), len(score(best)))
            difference = score(name)[:n] - score(best)[:n]
            rows.append([name, spread(difference, 3), f"{sign_flip(difference):.4f}"])
    return grid([f"{what}, minus that of {best}", "difference", "p"], rows)


def counted(found: Sequence[int | None], terms: Terms) -> NDArray[np.float64]:
    """Queries, a miss as ``MISS`` times the most that were allowed; (seeds,)."""
    most = terms.cap if terms.mean else terms.trials
    return np.array([MISS * most if one is None else one for one in found], dtype=np.float64)


def regret_at(runs: Sequence[Outcome], trials: int) -> NDArray[np.float64]:
    """The regret after so many trials, or after the last of a search that ended before; nan where all had failed; (seeds,)."""
    read = [run.regrets[min(trials, len(run.regrets)) - 1] if run.regrets else None for run in runs]
    return np.array([np.nan if one is None else one for one in read], dtype=np.float64)


def recommended_at(runs: Sequence[Outcome], trials: int) -> NDArray[np.float64]:
    """As ``regret_at``, of the recommended cell; of the luckiest where a search ended before, or was run before anybody asked."""
    luckiest = regret_at(runs, trials)
    return np.array([run.recommended.get(str(trials), value) for run, value in zip(runs, luckiest, strict=True)])


def sign_flip(differences: NDArray[np.float64]) -> float:
    """The two-sided p-value of the mean of paired differences, over ``FLIPS`` random signs, or over all where they are fewer."""
    n, observed = len(differences), abs(float(differences.mean()))
    if 2**n <= FLIPS:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float((np.abs(signs @ differences) / n >= observed - 1e-12).mean())
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(FLIPS, n))
    return float((1 + (np.abs(signs @ differences) / n >= observed - 1e-12).sum()) / (1 + FLIPS))


def spread(values: Sequence[float] | NDArray[np.float64], digits: int) -> str:
    """Mean ± standard error, or a dash for nothing."""
    numbers = np.asarray(values, dtype=np.float64)
    if not len(numbers):
        return "–"
    error = numbers.std(ddof=1) / np.sqrt(len(numbers)) if len(numbers) > 1 else 0.0
    return f"{numbers.mean():.{digits}f} ± {error:.{digits}f}"


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, the first column to the left and the others to the right."""
    rules = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rules, *rows))
