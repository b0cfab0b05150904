"""How much a ranking of the same cells changes: with the training seed (Yang et al. 2020, figure 8) and with the depth of the network (figure 9)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bonanza.schemas.report import RankingChange


def kendall_tau(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Kendall's tau-b; None where it is not defined (fewer than two points, or one side constant). O(n²) in time, O(n) in space."""
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    agreement = ties_a = ties_b = 0
    for i in range(1, len(a)):
        up, right = np.sign(a[i] - a[:i]), np.sign(b[i] - b[:i])
        agreement += int(up @ right)
        ties_a += int((up == 0).sum())
        ties_b += int((right == 0).sum())
    pairs = len(a) * (len(a) - 1) // 2
    scale = float((pairs - ties_a) * (pairs - ties_b)) ** 0.5
    return agreement / scale if scale else None


def ranking_change(pairs: Sequence[tuple[float, float]], first: str, second: str) -> RankingChange | None:
    """What became of each cell's value and place under the second condition; None of fewer than two cells."""
    if len(pairs) < 2:
        return None
    table = np.asarray(pairs, dtype=np.float64)  # (cells, 2)
    moved = np.abs(table[:, 0] - table[:, 1])
    places = np.abs(_places(table[:, 0]) - _places(table[:, 1]))
    return RankingChange(
        cells=len(pairs),
        kendall_tau=kendall_tau(table[:, 0].tolist(), table[:, 1].tolist()),
        mean_change=float(moved.mean()),
        max_change=float(moved.max()),
        most_places=int(places.max()),
        pairs=[(float(a), float(b)) for a, b in pairs],
        first=first,
        second=second,
    )


def _places(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(-values, kind="stable"), kind="stable")
