"""``bonanza bench``: run what has not been run, then report on all of it."""

from __future__ import annotations

import multiprocessing
import os
import platform
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bonanza.cli.console import console, say
from bonanza_server.bench import plot
from bonanza_server.bench.contestant import parse
from bonanza_server.bench.errors import CannotBench
from bonanza_server.bench.race import Outcome, Terms, race
from bonanza_server.bench.report import markdown
from bonanza_server.bench.results import Results, Search
from bonanza_server.bench.table import Table, load
from bonanza_server.memory import give_back_large_arrays

PACKAGES = ("bonanza", "numpy", "torch", "optuna", "smac")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class TableArguments:
    """What ``table.load`` takes: a process that runs searches loads the table itself, once."""

    name: str
    dataset: str
    space: str
    maximize: bool
    features: str | None = None

    def load(self) -> Table:
        """The table."""
        return load(self.name, self.dataset, self.space, self.maximize, self.features)


def bench(
    *,
    table: TableArguments,
    strategies: Sequence[str],
    peers: Sequence[str],
    seeds: int,
    first_seed: int,
    terms: Terms,
    targets: Sequence[float],
    jobs: int,
    folder: Path,
) -> None:
    """Run every contestant with every seed, keep the outcomes in ``folder``, print the report and write it beside them.

    Raises:
        CannotBench: There is no such table, strategy or peer, or nobody to compare.
    """
    contestants = [parse(text, peer=False) for text in strategies] + [parse(text, peer=True) for text in peers]
    if not contestants:
        raise CannotBench("name at least one strategy or peer: --strategies bonanza,random")
    if len({one.label for one in contestants}) < len(contestants):
        raise CannotBench("a contestant is named twice; its searches would be the same")
    loaded = table.load()
    terms = replace(terms, features=loaded.known.label if loaded.known else None)
    for contestant in contestants:
        if contestant.peer:
            contestant.start(loaded, 0)  # a peer that cannot take part says so before anything is run
    results = Results(folder)
    searches = [
        Search(table=loaded.name, contestant=contestant, seed=seed, terms=terms)
        for seed in range(first_seed, first_seed + seeds)
        for contestant in contestants
    ]
    open_searches = [search for search in searches if results.get(search) is None]
    found = versions()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True)) as progress:
        task = progress.add_task(loaded.name, total=len(searches), completed=len(searches) - len(open_searches))
        for search, outcome in outcomes_of(open_searches, table, jobs):
            results.add(search, outcome, found)
            progress.update(task, advance=1, description=f"{loaded.name}: {search.contestant.label} {search.seed}")
    by_contestant: defaultdict[str, list[Outcome]] = defaultdict(list)
    for search in searches:
        kept = results.get(search)
        assert kept is not None, "every search was run"
        by_contestant[search.contestant.label].append(kept)
    text = markdown(loaded, by_contestant, peers, terms, targets)
    (folder / "report.md").write_text(text, encoding="utf-8")
    print(text)  # noqa: T201 - Markdown, which rich would wrap
    if plot.can_plot():
        plot.curves(by_contestant, loaded.name, terms, folder / "regret.svg")
    else:
        say("[dim]no curves: they need matplotlib, pip install 'bonanza\\[plot]'[/]")


def outcomes_of(searches: Sequence[Search], table: TableArguments, jobs: int) -> Iterator[tuple[Search, Outcome]]:
    """Each search with its outcome, in the order they end; ``jobs`` at once, each in a process of its own unless that is one."""
    if jobs == 1 or len(searches) < 2:
        for search in searches:
            yield search, run(search, table)
        return
    for name in THREADS:
        os.environ.setdefault(name, "1")  # read when a spawned process loads its libraries
    pool = ProcessPoolExecutor(min(jobs, len(searches)), mp_context=multiprocessing.get_context("spawn"))
    try:
        futures = {pool.submit(run, search, table): search for search in searches}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def run(search: Search, table: TableArguments) -> Outcome:
    """The outcome of one search, on one thread."""
    torch.set_num_threads(1)
    give_back_large_arrays()
    return race(table.load(), search.contestant, search.seed, search.terms)


def versions() -> dict[str, str]:
    """What was measured: the packages and the Python that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
