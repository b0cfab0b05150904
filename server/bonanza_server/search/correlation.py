"""Spearman's rank correlation: how well a model orders what it was shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """The rank of each value from 0, ties sharing their mean rank; (n,)."""
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts + 1) / 2.0)[inverse])


def spearman(a: ArrayLike, b: ArrayLike) -> float | None:
    """The rank correlation of ``a`` and ``b``, (n,) each, in [-1, 1]; None where one of them is constant."""
    x, y = ranks(a), ranks(b)
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(np.clip(x @ y / scale, -1.0, 1.0)) if scale > 0.0 else None
