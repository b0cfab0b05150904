"""Features of cells: what a client knows of them without training, told in bulk and read by every fit that comes after.

What is told is kept beside the event that says so, and a value told later goes before an earlier one. So what was known at any event stays known, and a
study replays. The event itself says only how many cells and which features: who follows a study need not read ten thousand of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza.schemas import FeatureColumn, FeatureList, FeaturesAnswer
from bonanza.spaces import Architecture
from bonanza_server.errors import Refused
from bonanza_server.lifecycle.ledger import Ledger, Row
from bonanza_server.lifecycle.modelling import PAIRS, kendall_tau, merged
from bonanza_server.search.spec import reads_features
from bonanza_server.store.models import features, trials

MOST_CELLS = 50_000
"""Cells of one study: a fit is sent what is known of all of them, 20 MB and more."""
MOST_NAMES = 32
"""Features of one study: each is a column of the model, and a regression."""
IDS_AT_ONCE = 500


def tell(ledger: Ledger, cells: Sequence[Architecture], values: Sequence[Mapping[str, float]]) -> FeaturesAnswer:
    """Keep the ``values`` of ``cells``; of equal cells the last that names a feature has the word.

    Raises:
        Refused: something would be known of more than ``MOST_CELLS`` cells, or more than ``MOST_NAMES`` things; nothing is kept then.
    """
    given: dict[str, tuple[Architecture, dict[str, float]]] = {}
    for cell, known in zip(cells, values, strict=True):
        given.setdefault(cell.arch_id, (cell, {}))[1].update(known)
    ids = list(given)
    before = dict(
        pair
        for start in range(0, len(ids), IDS_AT_ONCE)
        for pair in _known(ledger.connection, ledger.id, ids[start : start + IDS_AT_ONCE])
    )
    news = {
        arch_id: (cell, fresh)
        for arch_id, (cell, known) in given.items()
        if (fresh := {name: value for name, value in known.items() if before.get(arch_id, {}).get(name) != value})
    }
    if news:
        names = {name for _, fresh in news.values() for name in fresh}
        _check_room(ledger, cells=sum(arch_id not in before for arch_id in news), names=names)
        seq = ledger.record("features.told", cells=len(news), names=sorted(names))
        ledger.connection.execute(
            sa.insert(features),
            [
                {"study_id": ledger.id, "arch_id": arch_id, "seq": seq, "architecture": cell.json, "known": fresh}
                for arch_id, (cell, fresh) in news.items()
            ],
        )
        if reads_features(ledger.study["strategy"]):
            ledger.news(seq)
    return FeaturesAnswer(changed=len(news), unchanged=len(given) - len(news))


def _check_room(ledger: Ledger, *, cells: int, names: set[str]) -> None:
    """Refuse so many more cells, or so many features, than a study has room for."""
    distinct = sa.select(sa.func.count(sa.distinct(features.c.arch_id))).where(features.c.study_id == ledger.id)
    total = cells + int(ledger.connection.execute(distinct).scalar_one())
    if total > MOST_CELLS:
        detail = f"features of {total:,} architectures are more than a study takes ({MOST_CELLS:,}): tell those of the architectures that may be worth a training"
        raise Refused("invalid", detail, errors=[("/cells", f"more than {MOST_CELLS:,} with the ones before")])
    before = {name for data in ledger.said("features.told") for name in data["names"]}
    if names - before and len(names | before) > MOST_NAMES:
        detail = f"{len(names | before)} different features are more than a study takes ({MOST_NAMES}): tell those that say most, under the same names for all"
        raise Refused("invalid", detail, errors=[("/cells", f"more than {MOST_NAMES} features with the ones before")])


class FeaturesRead(NamedTuple):
    """One moment of a study's features: how many cells have each, its values of cells that were measured, and what was measured, the newest first."""

    cells: int
    counts: Counter[str]
    columns: defaultdict[str, dict[str, float]]
    measured: dict[str, float]
    read: bool

    def summary(self) -> FeatureList:
        """Each feature with how many cells have it, and how well it orders those that were measured. Takes up to a second."""
        found = [self._column(name, count) for name, count in sorted(self.counts.items())]
        return FeatureList(cells=self.cells, read=self.read, features=found)

    def _column(self, name: str, count: int) -> FeatureColumn:
        column = self.columns[name]
        both = [arch_id for arch_id in self.measured if arch_id in column][:PAIRS]
        tau = kendall_tau([column[arch_id] for arch_id in both], [self.measured[arch_id] for arch_id in both])
        return FeatureColumn(name=name, cells=count, measured=len(both), rank_correlation=tau)


def read(connection: Connection, study: Row) -> FeaturesRead:
    """What a study knows of its cells, and has measured of them."""
    done = sa.select(trials.c.arch_id, trials.c.value).where(
        trials.c.study_id == study["id"],
        trials.c.state == "complete",
        trials.c.repeat_of.is_(None),
        trials.c.protocol.is_(None),
        sa.not_(trials.c.invalidated),
    )
    measured = {row.arch_id: row.value for row in connection.execute(done.order_by(trials.c.number.desc()))}
    cells, counts, columns = 0, Counter[str](), defaultdict[str, dict[str, float]](dict)
    for arch_id, known in _known(connection, study["id"]):
        cells += 1
        counts.update(known.keys())
        if arch_id in measured:
            for name, value in known.items():
                columns[name][arch_id] = value
    return FeaturesRead(cells, counts, columns, measured, reads_features(study["strategy"]))


def _known(
    connection: Connection, study_id: int, ids: Sequence[str] | None = None
) -> Iterator[tuple[str, dict[str, float]]]:
    """The values by feature of each cell, or of those with ``ids``, later ones before earlier; the architectures, of which a fit has need, are not read."""
    query = sa.select(features.c.arch_id, features.c.known).where(features.c.study_id == study_id)
    if ids is not None:
        query = query.where(features.c.arch_id.in_(ids))
    rows = connection.execute(query.order_by(features.c.arch_id, features.c.seq)).mappings()
    return ((first["arch_id"], known) for first, known in merged(rows))
