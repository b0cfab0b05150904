"""Features of cells: what a client knows of them without training, told in bulk and read by every fit that comes after.

What is told is kept beside the event that says so, and a value told later goes before an earlier one. So what was known at any event stays known, and a
study replays. The event itself says only how many cells and which features: who follows a study need not read ten thousand of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza.schemas import FeatureList, FeaturesAnswer
from bonanza.spaces import Architecture
from bonanza_server.errors import Refused
from bonanza_server.lifecycle.ledger import Ledger, Row
from bonanza_server.lifecycle.modelling import PAIRS, Known, kendall_tau, merged, read_features
from bonanza_server.search.spec import reads_features
from bonanza_server.store.models import features, trials

MOST_CELLS = 50_000
"""Cells of one study: a fit is sent what is known of all of them, some 10 MB."""
IDS_AT_ONCE = 500


def tell(ledger: Ledger, cells: Sequence[Architecture], values: Sequence[Mapping[str, float]]) -> FeaturesAnswer:
    """Keep the ``values`` of ``cells``; of equal cells the last that names a feature has the word.

    Raises:
        Refused: something would be known of more than ``MOST_CELLS`` cells; nothing is kept then.
    """
    given: dict[str, tuple[Architecture, dict[str, float]]] = {}
    for cell, known in zip(cells, values, strict=True):
        given.setdefault(cell.arch_id, (cell, {}))[1].update(known)
    before = {arch_id: known for arch_id, _, known in of_cells(ledger.connection, ledger.id, list(given))}
    news = {
        arch_id: (cell, fresh)
        for arch_id, (cell, known) in given.items()
        if (fresh := {name: value for name, value in known.items() if before.get(arch_id, {}).get(name) != value})
    }
    if news:
        total = count(ledger.connection, ledger.id) + sum(arch_id not in before for arch_id in news)
        if total > MOST_CELLS:
            detail = f"features of {total:,} cells are more than a study takes ({MOST_CELLS:,}): tell those of the cells that are worth a training"
            raise Refused(
                "invalid", detail, errors=[("/cells", f"more than {MOST_CELLS:,} cells with the ones before")]
            )
        seq = ledger.record(
            "features.told", cells=len(news), names=sorted({name for _, fresh in news.values() for name in fresh})
        )
        ledger.connection.execute(
            sa.insert(features),
            [
                {"study_id": ledger.id, "arch_id": arch_id, "seq": seq, "architecture": cell.json, "known": fresh}
                for arch_id, (cell, fresh) in news.items()
            ],
        )
        ledger.new_result(seq)
    return FeaturesAnswer(changed=len(news), unchanged=len(given) - len(news))


def count(connection: Connection, study_id: int) -> int:
    """Cells that something is known of."""
    distinct = sa.func.count(sa.distinct(features.c.arch_id))
    return int(connection.execute(sa.select(distinct).where(features.c.study_id == study_id)).scalar_one())


def of_cells(connection: Connection, study_id: int, ids: Sequence[str]) -> list[Known]:
    """What is known of the cells with these ids."""
    query = sa.select(features.c.arch_id, features.c.architecture, features.c.known).order_by(features.c.seq)
    rows: list[Mapping[Any, Any]] = []
    for start in range(0, len(ids), IDS_AT_ONCE):
        some = features.c.arch_id.in_(ids[start : start + IDS_AT_ONCE])
        rows += connection.execute(query.where(features.c.study_id == study_id, some)).mappings()
    return merged(rows)


def summary(connection: Connection, study: Row) -> FeatureList:
    """Each feature with how many cells have it, and how well it orders those that were measured."""
    known = read_features(connection, study["id"])
    done = sa.select(trials.c.arch_id, trials.c.value).where(
        trials.c.study_id == study["id"],
        trials.c.state == "complete",
        trials.c.repeat_of.is_(None),
        trials.c.protocol.is_(None),
        sa.not_(trials.c.invalidated),
    )
    measured = {
        row.arch_id: row.value for row in connection.execute(done.order_by(trials.c.number.desc()).limit(PAIRS))
    }
    columns: dict[str, dict[str, float]] = {}
    for arch_id, _, values in known:
        for name, value in values.items():
            columns.setdefault(name, {})[arch_id] = value
    found = []
    for name, column in sorted(columns.items()):
        both = [arch_id for arch_id in measured if arch_id in column]
        tau = kendall_tau([column[arch_id] for arch_id in both], [measured[arch_id] for arch_id in both])
        found.append({"name": name, "cells": len(column), "measured": len(both), "rank_correlation": tau})
    return FeatureList.model_validate(
        {"cells": len(known), "read": reads_features(study["strategy"]), "features": found}
    )
