"""Results under several training protocols: with and without tricks, and at several depths (Yang et al. 2020, sections 4 and 5.3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from bonanza.schemas.report import ProtocolResults, RankingChange
from bonanza_server.evaluation.groups import Groups
from bonanza_server.evaluation.material import Row
from bonanza_server.evaluation.ranking import ranking_change
from bonanza_server.evaluation.sample import sample_of

TRICKS: Final = (
    "cutout",
    "drop_path",
    "auxiliary",
    "auto_augment",
    "autoaugment",
    "label_smoothing",
    "mixup",
    "cutmix",
    "ema",
    "warm_restarts",
)
"""Fields of a protocol, or their beginnings, that name a trick; it is on unless it is 0, false, null or empty."""
DEPTH: Final = "cells"


def tricks_of(protocol: Mapping[str, Any] | None) -> list[str]:
    """The training tricks that a protocol has on."""
    return [name for name, value in (protocol or {}).items() if value and name.startswith(TRICKS)]


def protocol_results(groups: Groups) -> list[ProtocolResults]:
    """What was measured under each protocol, and the same of the cells that all of them have."""
    by_cell = {key: _by_cell(rows) for key, (_, rows) in groups.protocols.items()}
    shared = set.intersection(*(set(cells) for cells in by_cell.values())) if len(by_cell) > 1 else set()
    found = []
    for key, (protocol, rows) in groups.protocols.items():
        epoch = (protocol or {}).get("objective")
        found.append(
            ProtocolResults(
                hash=key,
                protocol=protocol,
                study=protocol == groups.study["protocol"],
                epoch=epoch if epoch in {"last", "best"} else None,
                tricks=tricks_of(protocol),
                values=sample_of([row["value"] for row in rows]),
                shared=sample_of([by_cell[key][cell] for cell in sorted(shared)]) if shared else None,
            )
        )
    return found


def depth_change(groups: Groups) -> RankingChange | None:
    """The same cells at two depths: of the two protocols that differ in ``cells`` and share the most architectures."""
    best: tuple[list[tuple[float, float]], Any, Any] | None = None
    kept = [(protocol or {}, _by_cell(rows)) for protocol, rows in groups.protocols.values()]
    for place, (first, values) in enumerate(kept):
        for second, others in kept[place + 1 :]:
            depths = (first.get(DEPTH), second.get(DEPTH))
            if None in depths or depths[0] == depths[1]:
                continue
            pairs = [(values[cell], others[cell]) for cell in sorted(set(values) & set(others))]
            if best is None or len(pairs) > len(best[0]):
                best = (pairs, *depths)
    if best is None:
        return None
    return ranking_change(best[0], f"{best[1]} cells", f"{best[2]} cells")


def _by_cell(rows: list[Row]) -> dict[str, float]:
    found: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        found[row["arch_id"]].append(row["value"])
    return {cell: sum(values) / len(values) for cell, values in found.items()}
