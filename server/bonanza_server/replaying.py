"""Replay with the brain: every proposal of an exported study made again from its history, and compared bit for bit.

A proposal of a model is (fit, rank), and a fit a function of the history up to the event it had read; a cell drawn without a model is a function of
(study seed, trial number) and of the cells that were taken. So each is made again from the events before it alone, whatever workers, servers, lost
leases and failures there were, and whenever the fits happened to end.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

from bonanza.spaces import Architecture, SearchSpace
from bonanza_server.engine import job_of
from bonanza_server.fitting import FitJob, FitResult, fit, rank
from bonanza_server.lifecycle.archive import Archive
from bonanza_server.lifecycle.ask import draws, sample_rng
from bonanza_server.lifecycle.ledger import Row
from bonanza_server.lifecycle.modelling import history_of, known_cells, ranked_by_mean, source_of
from bonanza_server.lifecycle.phases import draws_of
from bonanza_server.lifecycle.replay import Replay
from bonanza_server.search.known_cells import encoded
from bonanza_server.search.spec import reads_features

CIRCUMSTANCES: Final = ("torch", "numpy", "threads", "cpu")
COMPARED: Final = ("arch_id", "architecture", "mean", "std", "acquisition")
DRAWN: Final = frozenset({"initial", "fallback"})
MOST_SENT: Final = 8
"""Fits that are sent and not done: each holds a history, and maybe features, of tens of megabytes."""


@dataclass(frozen=True)
class Difference:
    """Where the study and its replay part: trial ``number`` (None: a choice of cells to confirm), what it had and what comes out now."""

    event: int
    number: int | None
    what: str
    recorded: Any
    replayed: Any

    def __str__(self) -> str:
        where = "the cells to confirm" if self.number is None else f"trial {self.number}"
        return f"event {self.event}, {where}: {self.what} was {self.recorded!r} and is {self.replayed!r} here"


@dataclass
class Checked:
    """What a check came to: how many proposals of each origin came out the same, and the differences, by event."""

    same: Counter[str] = field(default_factory=Counter)
    not_checked: Counter[str] = field(default_factory=Counter)
    """Trials that nobody proposed: queued, imported, repeated."""
    differences: list[Difference] = field(default_factory=list)
    fits: int = 0
    circumstances: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """What is not as it was when the fits were made: (then, now)."""


@dataclass
class _Proposed:
    """A trial that a model proposed."""

    event: int
    number: int
    rank: int
    recorded: dict[str, Any]


def check(
    archive: Archive,
    space: SearchSpace,
    executor: Executor,
    progress: Callable[[int, int], None],
    others: Mapping[str, Archive] | None = None,
) -> Checked:
    """Make every proposal again, fits by ``executor``; call ``progress(done, of)`` as they come.

    ``others``, by name, are the exports of studies that the strategy reads; a fit that read one which is not there is not checked.
    """
    others = others or {}
    found = Checked()
    proposed: defaultdict[int, list[_Proposed]] = defaultdict(list)  # by the fit's version
    # What a fit read of other studies is in their exports, not in this one.
    elsewhere = {
        event["data"]["version"]
        for event in archive.events
        if event["kind"] == "fit.published" and _unknown(event, others)
    }
    for event in archive.events:
        if event["kind"] == "trial.started" and event["data"].get("fit_version") is not None:
            data = event["data"]
            if data["fit_version"] in elsewhere:
                found.not_checked["acquisition (its fit read other studies)"] += 1
                continue
            recorded = {name: data.get(name) for name in COMPARED}
            proposed[data["fit_version"]].append(_Proposed(event["seq"], event["number"], data["fit_rank"], recorded))
    wanted = {
        event["data"]["read"]: event["data"]
        for event in archive.events
        if event["kind"] == "fit.published" and event["data"]["version"] in proposed
    }
    choices = {event["data"]["read"]: event for event in archive.events if event["kind"] == "confirm.chosen"}
    made: dict[int, Future[FitResult]] = {}
    chosen: list[tuple[dict[str, Any], Future[list[tuple[int, float, float | None]]]]] = []
    draw, known = _Drawing(space), _KnownAt(archive)
    for so_far, event in _moments(archive):
        draw.look(so_far, event, found)
        so_far.add(event)
        if event["seq"] in wanted:
            published = wanted[event["seq"]]
            made[published["version"]] = executor.submit(fit, _job(archive, so_far, published, others, known))
            if len(sent := [one for one in made.values() if not one.done()]) >= MOST_SENT:
                wait(sent, return_when=FIRST_COMPLETED)
                progress(sum(one.done() for one in made.values()), len(wanted))
        if event["seq"] in choices:
            choice = choices[event["seq"]]
            if _unknown(choice, others):
                found.not_checked["choice to confirm (it read other studies)"] += 1
            elif choice["data"]["by"] == "model":
                chosen.append((choice, executor.submit(rank, _job(archive, so_far, choice["data"], others, known))))
            else:
                future: Future[list[tuple[int, float, float | None]]] = Future()
                future.set_result(ranked_by_mean(history_of(so_far.study(), {}, _trials(so_far))))
                chosen.append((choice, future))
    found.fits = len(made)
    for version, future_fit in sorted(made.items()):
        _compare(proposed[version], future_fit.result(), found)
        progress(sum(one.done() for one in made.values()), len(wanted))
    for choice, ranked in chosen:
        _compare_choice(choice, ranked.result(), found)
    found.differences.sort(key=lambda difference: difference.event)
    here = next((future.result().diagnostics for future in made.values()), None)
    found.circumstances = _changed(archive, set(proposed), here)
    return found


class _KnownAt:
    """What was known of cells without training them at each event, as a fit is sent it: made once for all fits between two tells."""

    def __init__(self, archive: Archive) -> None:
        self._told = sorted((feature for _, feature in archive.features), key=itemgetter("arch_id", "seq"))
        self._events = sorted({feature["seq"] for feature in self._told})
        self._newest, self._known = 0, b""

    def at(self, event: int) -> bytes:
        """After ``event``."""
        before = bisect_right(self._events, event)
        newest = self._events[before - 1] if before else 0
        if newest != self._newest:
            self._newest = newest
            self._known = encoded(known_cells(feature for feature in self._told if feature["seq"] <= newest))
        return self._known


def _moments(archive: Archive) -> Iterator[tuple[Replay, dict[str, Any]]]:
    """Each event with the study as it was before it."""
    so_far = Replay()
    for event in archive.events:
        yield so_far, event


def _trials(so_far: Replay) -> list[Row]:
    return list(so_far.tables.trials.values())


def _job(
    archive: Archive, so_far: Replay, made: Mapping[str, Any], others: Mapping[str, Archive], known: _KnownAt
) -> FitJob:
    study = so_far.study()
    read = history_of(study, archive.header["space"], _trials(so_far))
    sources = [_source(others[source["study"]], source) for source in made.get("sources", ())]
    told = known.at(study["last_event"]) if reads_features(study["strategy"]) else b""
    return job_of(read._replace(sources=sources, features=told), pool_size=archive.header["pool_size"])


def _source(other: Archive, source: Mapping[str, Any]) -> dict[str, Any]:
    """The study ``other`` as it was when it was read."""
    so_far = Replay()
    for event in other.events[: source["read"]]:
        so_far.add(event)
    study = so_far.study() | {"name": source["study"]}
    return source_of(history_of(study, other.header["space"], _trials(so_far)))


def _unknown(event: dict[str, Any], others: Mapping[str, Archive]) -> bool:
    """Whether ``event`` read a study that is not at hand."""
    read = event["data"].get("sources", ())
    return any(source["study"] not in others or len(others[source["study"]].events) < source["read"] for source in read)


def _compare(proposed: list[_Proposed], result: FitResult, found: Checked) -> None:
    for one in proposed:
        here: Mapping[str, Any] = result.proposals[one.rank] if one.rank < len(result.proposals) else {}
        what = next((name for name in COMPARED if one.recorded[name] != here.get(name)), None)
        if what is None:
            found.same["acquisition"] += 1
        else:
            found.differences.append(Difference(one.event, one.number, what, one.recorded[what], here.get(what)))


def _compare_choice(choice: dict[str, Any], ranked: list[tuple[int, float, float | None]], found: Checked) -> None:
    recorded = [(cell["number"], cell["mean"], cell["std"]) for cell in choice["data"]["cells"]]
    here = ranked[: len(recorded)]
    if recorded == here:
        found.same["confirm"] += len(recorded)
    else:
        found.differences.append(Difference(choice["seq"], None, "the choice", recorded, here))


class _Drawing:
    """The cells that were drawn without a model, drawn again."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._every: list[Architecture] | None = None

    def look(self, so_far: Replay, event: dict[str, Any], found: Checked) -> None:
        """Compare what ``event`` starts with what is drawn from the study as it was before."""
        number, data = event["number"], event["data"]
        if event["kind"] not in {"trial.started", "trial.queued", "trial.imported"} or number in so_far.tables.trials:
            return
        origin = data.get("origin", "import")
        if origin in DRAWN:
            here = self._unseen(so_far, number, origin)
        elif origin == "baseline":
            study = so_far.tables.study | {
                "baselines": sum(row["phase"] == "baseline" for row in so_far.tables.trials.values())
            }
            here = self._space.sample(draws_of(study)).arch_id
        else:
            if origin != "acquisition":
                found.not_checked[origin] += 1
            return
        if here == data["arch_id"]:
            found.same[origin] += 1
        else:
            found.differences.append(Difference(event["seq"], number, "arch_id", data["arch_id"], here))

    def _unseen(self, so_far: Replay, number: int, origin: str) -> str | None:
        taken = {
            row["arch_id"]
            for row in so_far.tables.trials.values()
            if row["repeat_of"] is None and not row["invalidated"]
        }
        for drawn in draws(self._space, sample_rng(so_far.tables.study, number, origin)):
            if drawn.arch_id not in taken:
                return drawn.arch_id
        if self._every is None:
            first = {cell.arch_id: cell for cell in reversed(list(self._space.enumerate()))}
            self._every = list(reversed(first.values()))
        unseen = [cell for cell in self._every if cell.arch_id not in taken]
        rng: random.Random = sample_rng(so_far.tables.study, number, origin)
        return unseen[rng.randrange(len(unseen))].arch_id if unseen else None


def _changed(archive: Archive, versions: set[int], here: Mapping[str, Any] | None) -> dict[str, tuple[Any, Any]]:
    """The circumstances of the fits that were used, where they are not those of this process."""
    if here is None:
        return {}
    then: defaultdict[str, set[Any]] = defaultdict(set)
    for made in archive.fits:
        if made["version"] in versions:
            for name in CIRCUMSTANCES:
                then[name].add(made["diagnostics"].get(name))
    return {
        name: (", ".join(sorted(map(str, then[name]))), here.get(name))
        for name in CIRCUMSTANCES
        if then[name] and then[name] != {here.get(name)}
    }
