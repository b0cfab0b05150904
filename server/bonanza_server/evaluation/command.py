"""``bonanza evaluate``: run what has not been run of the paper's experiment, then write table 1's row of each search."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bonanza.cli.console import console
from bonanza.spaces import InvalidSpace, space_from_spec
from bonanza.worker.evaluator import BrokenEvaluator
from bonanza_server.bench.command import THREADS, versions
from bonanza_server.bench.contestant import Contestant, parse
from bonanza_server.bench.errors import CannotBench
from bonanza_server.bench.table import load
from bonanza_server.evaluation.experiment import Terms, random_cell, search
from bonanza_server.evaluation.journal import Journal
from bonanza_server.evaluation.measuring import Measurer, TableMeasurer, TrainingMeasurer
from bonanza_server.evaluation.relative_improvement import improvement
from bonanza_server.evaluation.table1 import Row, markdown
from bonanza_server.memory import give_back_large_arrays


@dataclass(frozen=True)
class Subject:
    """What is searched on, by name, so that a process that runs searches opens it itself: a table's data set, or an evaluator on a space."""

    name: str
    dataset: str
    space: str
    maximize: bool
    folder: Path | None = None
    """Of the measurements, where an evaluator makes them."""

    def open(self) -> Measurer:
        """The measurer.

        Raises:
            CannotBench: there is no such table, space or evaluator.
        """
        if self.folder is None:
            return TableMeasurer(load(self.name, self.dataset, self.space, self.maximize))
        try:
            space = space_from_spec(json.loads(self.space))
            return TrainingMeasurer(self.name, space, self.folder, maximize=self.maximize)
        except (BrokenEvaluator, InvalidSpace, ValueError) as error:
            raise CannotBench(str(error)) from error


@dataclass(frozen=True)
class Job:
    """One entry of the journal: a search, or a random cell where there is no contestant."""

    subject: Subject
    contestant: Contestant | None
    number: int
    terms: Terms

    @property
    def key(self) -> str:
        """Equal for equal jobs, in every process."""
        terms = self.terms
        said: list[Any] = [
            self.subject.name,
            self.subject.dataset,
            self.subject.space,
            self.number,
            terms.augmentation_seed,
        ]
        if self.contestant is not None:
            said += [dict(self.contestant.spec), terms.trials, terms.top, terms.seeds]
        return json.dumps(said, sort_keys=True)


def evaluate(
    *,
    subjects: Sequence[Subject],
    strategies: Sequence[str],
    runs: int,
    baseline: int,
    terms: Terms,
    jobs: int,
    folder: Path,
) -> None:
    """Run every search and every random cell, keep them in ``folder``, print the table and write it there.

    Raises:
        CannotBench: there is no such table, strategy or evaluator, or the budget leaves nothing to search with.
    """
    contestants = [parse(text, peer=False) for text in strategies]
    kept_back = terms.top * terms.seeds
    if terms.trials <= kept_back:
        raise CannotBench(
            f"{terms.trials} trials are all taken by the confirmation of {kept_back}: give more, or --top 0"
        )
    for subject in subjects:
        _opened(subject)  # what cannot be opened says so before anything is run
    journal = Journal(folder / "evaluation.jsonl")
    searches = [
        Job(subject, contestant, seed, terms)
        for seed in range(runs)
        for subject in subjects
        for contestant in contestants
    ]
    cells = [Job(subject, None, number, terms) for subject in subjects for number in range(baseline)]
    left = [job for job in (*cells, *searches) if journal.get(job.key) is None]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True)) as bar:
        total = len(cells) + len(searches)
        task = bar.add_task("evaluate", total=total, completed=total - len(left))
        for job, kept in _outcomes(left, jobs):
            journal.add(job.key, kept | {"versions": versions()})
            bar.update(task, advance=1)
    rows = []
    for subject in subjects:
        random = _values(journal, [job for job in cells if job.subject == subject])
        for contestant in contestants:
            mine = [job for job in searches if job.subject == subject and job.contestant == contestant]
            entries = [entry for job in mine if (entry := journal.get(job.key)) is not None]
            note = (
                f"{runs} searches of {terms.trials} trials, {kept_back} of them to confirm; {len(random)} random cells"
            )
            rows.append(
                Row(
                    dataset=_opened(subject).name,
                    method=contestant.label,
                    improvement=improvement(_values(journal, mine), random, maximize=subject.maximize, note=note),
                    first=improvement(_values(journal, mine)[:8], random[:8], maximize=subject.maximize, note=note),
                    hours=sum(entry["hours"] for entry in entries if entry.get("hours")) / max(1, len(entries)),
                )
            )
    text = markdown(rows, terms=terms, runs=runs, baseline=baseline)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table1.md").write_text(text, encoding="utf-8")
    (folder / "table1.json").write_text(json.dumps([row.json for row in rows], indent=1), encoding="utf-8")
    print(text)  # noqa: T201 - Markdown, which rich would wrap


@cache  # one of each data set in a process: an evaluator may have loaded its data
def _opened(subject: Subject) -> Measurer:
    return subject.open()


def _values(journal: Journal, jobs: Sequence[Job]) -> list[float]:
    found = (journal.get(job.key) for job in jobs)
    return [entry["value"] for entry in found if entry is not None and entry["value"] is not None]


def run(job: Job) -> dict[str, Any]:
    """What comes of a job, on one thread; JSON types."""
    torch.set_num_threads(1)
    give_back_large_arrays()
    measurer = _opened(job.subject)
    if job.contestant is None:
        return {"value": random_cell(measurer, job.number, job.terms)}
    found = search(measurer, job.contestant, job.number, job.terms)
    return {"value": None} if found is None else found.json


def _outcomes(jobs: Sequence[Job], at_once: int) -> Iterator[tuple[Job, dict[str, Any]]]:
    searches = [job for job in jobs if job.contestant is not None]
    # An evaluator's measurements are kept by one process; a table's random cells cost less than a process.
    here = [
        job
        for job in jobs
        if job.contestant is None or job.subject.folder is not None or at_once == 1 or len(searches) < 2
    ]
    for job in here:
        yield job, run(job)
    done_here = {job.key for job in here}
    away = [job for job in jobs if job.key not in done_here]
    if not away:
        return
    for name in THREADS:
        os.environ.setdefault(name, "1")  # read when a spawned process loads its libraries
    pool = ProcessPoolExecutor(min(at_once, len(away)), mp_context=multiprocessing.get_context("spawn"))
    try:
        futures = {pool.submit(run, job): job for job in away}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)
