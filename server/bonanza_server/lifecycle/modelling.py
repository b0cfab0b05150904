"""Between the tables and the brain: the history a fit reads, the fit it leaves, and how good its predictions turned out."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.lifecycle.ledger import Ledger, Row
from bonanza_server.lifecycle.posterior import Cell
from bonanza_server.search.known_cells import KnownCell, encoded
from bonanza_server.search.spec import reads_features, sources_of
from bonanza_server.store.models import features, fits, spaces, studies, trials

MOST_OBSERVATIONS = 2_000
"""Beyond this many results a deterministic subset is fitted."""
PAIRS = 500
"""Newest (prediction, result) pairs that the rank correlation is taken over."""


class HistoryRead(NamedTuple):
    """One moment of a study, as a fit needs it: plain values only."""

    study: Row
    space: dict[str, Any]
    observations: list[tuple[int, dict[str, Any], list[float]]]
    """(first trial's number, architecture, every value measured of the cell)."""
    pending: list[dict[str, Any]]
    excluded: list[str]
    """Ids of the cells that must not be proposed."""
    sources: list[dict[str, Any]]
    """Of other studies that the strategy reads: {study, seq, space, maximize, observations}, ``seq`` being the newest event read."""
    pruned: list[tuple[int, dict[str, Any], list[list[float]]]]
    """(trial's number, architecture, learning curve) of the trainings that were cut short."""
    curves: list[tuple[list[list[float]], float]]
    """(learning curve, value) of the complete ones, where something was cut short."""
    features: bytes = b""
    """What is known of cells without training them (``search.known_cells``); nothing for a strategy that reads none."""

    @property
    def maximize(self) -> bool:
        """Whether a larger value is better."""
        return bool(self.study["objectives"][0]["direction"] == "maximize")


def read_history(connection: Connection, study_id: int) -> HistoryRead | None:
    """Read a study's history, and that of its sources, in one view; None if it is gone."""
    study = connection.execute(sa.select(studies).where(studies.c.id == study_id)).mappings().one_or_none()
    if study is None:
        return None
    sources = []
    for name in sources_of(study["strategy"]).values():
        named = (studies.c.project == study["project"], studies.c.name == name)
        source = connection.execute(sa.select(studies).where(*named)).mappings().one_or_none()
        if source is not None:  # a search goes on without a source that was deleted
            sources.append(source_of(_read_one(connection, dict(source))))
    known = read_features(connection, study_id) if reads_features(study["strategy"]) else b""
    return _read_one(connection, dict(study))._replace(sources=sources, features=known)


def read_features(connection: Connection, study_id: int) -> bytes:
    """What is known of a study's cells without training them, as a fit is sent it."""
    columns = (features.c.arch_id, features.c.architecture, features.c.known)
    query = sa.select(*columns).where(features.c.study_id == study_id).order_by(features.c.arch_id, features.c.seq)
    return encoded(known_cells(connection.execute(query).mappings()))


def known_cells(rows: Iterable[Mapping[Any, Any]]) -> Iterator[KnownCell]:
    """What ``merged`` makes of ``rows``, with the cells' architectures."""
    return ((first["arch_id"], first["architecture"], known) for first, known in merged(rows))


def merged(rows: Iterable[Mapping[Any, Any]]) -> Iterator[tuple[Mapping[Any, Any], dict[str, float]]]:
    """The first of the ``rows`` of each cell, and all values by feature, later ones before earlier; the rows in the order of their cells and events."""
    for _, told in groupby(rows, key=itemgetter("arch_id")):
        first = next(told)
        yield first, {name: value for row in chain((first,), told) for name, value in row["known"].items()}


def source_of(read: HistoryRead) -> dict[str, Any]:
    """A study as another's fit is given it."""
    return {
        "study": read.study["name"],
        "seq": read.study["last_event"],
        "space": read.space,
        "maximize": read.maximize,
        "observations": read.observations,
    }


def _read_one(connection: Connection, study: Row) -> HistoryRead:
    spec = connection.execute(sa.select(spaces.c.spec).where(spaces.c.hash == study["space_hash"])).scalar_one()
    columns = (
        trials.c.number,
        trials.c.arch_id,
        trials.c.architecture,
        trials.c.state,
        trials.c.value,
        trials.c.measurements,
        trials.c.curve,
    )
    rows = connection.execute(
        sa.select(*columns, trials.c.repeat_of, trials.c.protocol, trials.c.invalidated)
        .where(trials.c.study_id == study["id"], sa.not_(trials.c.invalidated))
        .order_by(trials.c.number)
    )
    return history_of(study, spec, rows.mappings())


def history_of(study: Row, space: dict[str, Any], rows: Iterable[Mapping[Any, Any]]) -> HistoryRead:
    """What a fit is given of a study's ``rows`` of trials, in the order of their numbers.

    All measurements of a cell are one observation, its repeats' too. Trials by a protocol of their own are left out: their values are of another
    training, and say nothing of the ones that the model predicts.
    """
    cells: dict[str, tuple[int, dict[str, Any], list[float]]] = {}
    pending: dict[str, dict[str, Any]] = {}
    excluded: dict[str, None] = {}
    pruned: list[tuple[int, str, dict[str, Any], list[list[float]]]] = []
    curves: list[tuple[list[list[float]], float]] = []
    for row in rows:
        if row["invalidated"]:
            continue
        if row["repeat_of"] is None:
            excluded[row["arch_id"]] = None
        if row["protocol"] is not None:
            continue
        if row["state"] == "complete":
            values = cells.setdefault(row["arch_id"], (row["number"], row["architecture"], []))[2]
            values.append(row["value"])
            values.extend(measurement["value"] for measurement in row["measurements"] or ())
            if row["curve"] and row["repeat_of"] is None:
                curves.append((row["curve"], row["value"]))
        elif row["state"] == "pruned" and row["curve"]:
            pruned.append((row["number"], row["arch_id"], row["architecture"], row["curve"]))
        elif row["state"] in {"pending", "running"}:
            pending[row["arch_id"]] = row["architecture"]
    observations = subset(list(cells.values()), study)
    unmeasured = [architecture for arch_id, architecture in pending.items() if arch_id not in cells]
    room = MOST_OBSERVATIONS - len(observations)
    cut_short = [(number, cell, curve) for number, arch_id, cell, curve in pruned if arch_id not in cells]
    cut_short = cut_short[max(0, len(cut_short) - room) :]
    return HistoryRead(
        study, space, observations, unmeasured, list(excluded), [], cut_short, curves if cut_short else []
    )


def measured_cells(connection: Connection, study_id: int) -> list[Cell]:
    """Every measured cell, by its first trial with a result, with all its measurements by the study's protocol."""
    rows = connection.execute(
        sa.select(trials.c.number, trials.c.arch_id, trials.c.value, trials.c.measurements, trials.c.mean, trials.c.std)
        .where(
            trials.c.study_id == study_id,
            trials.c.state == "complete",
            sa.not_(trials.c.invalidated),
            trials.c.protocol.is_(None),
        )
        .order_by(trials.c.number)
    )
    found: dict[str, tuple[int, list[float], tuple[float, float] | None]] = {}
    for row in rows:
        predicted = None if row.mean is None or row.std is None else (row.mean, row.std)
        values = found.setdefault(row.arch_id, (row.number, [], predicted))[1]
        values.append(row.value)
        values.extend(measurement["value"] for measurement in row.measurements or ())
    return [Cell(number, tuple(values), predicted) for number, values, predicted in found.values()]


def ranked_by_mean(read: HistoryRead) -> list[tuple[int, float, float | None]]:
    """(first trial, mean of its measurements, None) of each cell, the best first: what is known without a model."""
    sign = -1 if read.study["objectives"][0]["direction"] == "maximize" else 1
    means = [(number, sum(value / len(values) for value in values)) for number, _, values in read.observations]
    return [(number, mean, None) for number, mean in sorted(means, key=lambda one: (sign * one[1], one[0]))]


def subset(
    observations: list[tuple[int, dict[str, Any], list[float]]], study: Row, most: int = MOST_OBSERVATIONS
) -> list[tuple[int, dict[str, Any], list[float]]]:
    """At most ``most`` observations: the best half, the newest quarter, and a sample seeded by the study for the rest; in order of number."""
    if len(observations) <= most:
        return observations
    sign = -1 if study["objectives"][0]["direction"] == "maximize" else 1
    ranked = sorted(observations, key=lambda seen: (sign * sum(seen[2]) / len(seen[2]), seen[0]))
    chosen = {seen[0]: seen for seen in ranked[: most // 2]}
    for seen in reversed(observations):
        if len(chosen) >= most * 3 // 4:
            break
        chosen.setdefault(seen[0], seen)
    rest = [seen for seen in observations if seen[0] not in chosen]
    rng = random.Random(f"{study['seed']}/{len(observations)}/subset")
    chosen.update((seen[0], seen) for seen in rng.sample(rest, most - len(chosen)))
    return [chosen[number] for number in sorted(chosen)]


def studies_behind(connection: Connection) -> list[tuple[int, int]]:
    """The running studies with results that no fit has read, as (key, newest event)."""
    late = sa.or_(studies.c.result_event > studies.c.fit_event, studies.c.search_state == "over")
    query = sa.select(studies.c.id, studies.c.last_event)
    found = connection.execute(query.where(studies.c.state == "running", studies.c.complete > 0, late))
    return [(row.id, row.last_event) for row in found]


def study_rows(connection: Connection, keys: list[int]) -> list[Row]:
    """The rows of these studies."""
    return [dict(row) for row in connection.execute(sa.select(studies).where(studies.c.id.in_(keys))).mappings()]


def is_same(study: Row, other: Row) -> bool:
    """Whether two rows are of one study: a name, and SQLite's keys, may come back after a delete."""
    return (study["id"], study["created_at"]) == (other["id"], other["created_at"])


def publish(
    ledger: Ledger,
    read: Row,
    *,
    observations: int,
    sources: Sequence[dict[str, Any]] = (),
    proposals: list[dict[str, Any]],
    diagnostics: dict[str, Any],
    seconds: float,
) -> bool:
    """Store a fit of the history as the study row ``read`` had it, and make it the newest.

    False, and nothing is stored, where the study is another by now or another process has published a fit as new. The pool before it is
    dropped: a trial keeps its own explanation. The event says up to which event each of the ``sources`` was read, so that their own events
    give what the fit was given.
    """
    study = ledger.study
    if not is_same(study, read) or read["last_event"] <= study["fit_event"]:
        return False
    version = study["fit_version"] + 1
    key = ledger.connection.execute(
        sa.insert(fits).values(
            study_id=ledger.id,
            version=version,
            event=read["last_event"],
            results=read["results"],
            observations=observations,
            seconds=seconds,
            diagnostics=diagnostics,
            pool=proposals,
            created_at=ledger.now,
        )
    ).inserted_primary_key
    assert key is not None
    ledger.connection.execute(
        sa.update(fits).where(fits.c.study_id == ledger.id, fits.c.version == version - 1).values(pool=[])
    )
    study.update(
        fit_id=key[0],
        fit_version=version,
        fit_event=read["last_event"],
        fit_results=read["results"],
        fit_failures=0,
    )
    facts: dict[str, Any] = {"version": version, "read": read["last_event"], "observations": observations}
    if sources:
        facts["sources"] = [{"study": source["study"], "read": source["seq"]} for source in sources]
    ledger.record("fit.published", **facts, seconds=round(seconds, 3))
    return True


def note_failure(ledger: Ledger, message: str) -> int:
    """A fit failed: nothing is lost but freshness. Return how many have failed in a row."""
    ledger.study["fit_failures"] += 1
    ledger.record("fit.failed", error=message[:2000], in_a_row=ledger.study["fit_failures"])
    return int(ledger.study["fit_failures"])


def rank_correlation(connection: Connection, study_id: int) -> tuple[float | None, int]:
    """Kendall's tau-b between the mean predicted at the ask and the value told later, over the newest pairs; and how many pairs.

    The predictions were made before their results were known, so this is what the model is worth, not how well it remembers.
    """
    rows = connection.execute(
        sa.select(trials.c.mean, trials.c.value)
        .where(
            trials.c.study_id == study_id,
            trials.c.state == "complete",
            sa.not_(trials.c.invalidated),
            trials.c.mean.is_not(None),
        )
        .order_by(trials.c.number.desc())
        .limit(PAIRS)
    ).all()
    return kendall_tau([row.mean for row in rows], [row.value for row in rows]), len(rows)


def kendall_tau(x: list[float], y: list[float]) -> float | None:
    """Kendall's tau-b; None where it is not defined (fewer than two points, or one side constant). O(n²), for n of some hundreds."""
    concordant = discordant = ties_x = ties_y = 0
    for i in range(len(x)):
        for j in range(i):
            a, b = (x[i] > x[j]) - (x[i] < x[j]), (y[i] > y[j]) - (y[i] < y[j])
            ties_x += a == 0
            ties_y += b == 0
            concordant += a * b > 0
            discordant += a * b < 0
    pairs = len(x) * (len(x) - 1) // 2
    scale = ((pairs - ties_x) * (pairs - ties_y)) ** 0.5
    return (concordant - discordant) / scale if scale else None
