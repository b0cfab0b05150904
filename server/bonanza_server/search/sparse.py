"""Sparse vectors of named features, and the matrices that many of them make.

A row is kept as codes and values, some hundred bytes, and what a feature is called is needed no more: rows of one space agree in their codes in every
process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]

WIDTH = 2048
"""Columns of a dense view; more features share columns."""
NARROW = 512
"""Columns of a view of neighbourhoods in a space that is not listed: of its thousands of kinds a cell has some tens, and a batch reads every column for every proposal."""


class Row(NamedTuple):
    """A sparse vector: the codes of its features, distinct, and their values; (k,) and (k,)."""

    codes: NDArray[np.uint64]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, features: Mapping[Hashable, float]) -> Row:
        """The row of these features; those that it has not are 0."""
        n = len(features)
        return cls(np.fromiter(map(code_of, features), np.uint64, n), np.fromiter(features.values(), np.float32, n))


@lru_cache(maxsize=1 << 16)
def code_of(feature: Hashable) -> int:
    """64 bits that stand for ``feature`` in every process: a space may have millions of features, and then nobody could number them."""
    return int.from_bytes(hashlib.blake2b(repr(feature).encode(), digest_size=8).digest(), "little")


def dense(rows: Sequence[Row], *, width: int = WIDTH) -> Rows:
    """The rows as a matrix, (n, d), d at most ``width``: a column for each feature in the order they are met, then shared ones.

    Features that share a column are added with signs of their own, which leaves distances right on average (Weinberger et al. 2009,
    "Feature hashing").
    """
    width = min(width, WIDTH)
    if not rows:
        return np.zeros((0, 1), dtype=np.float32)
    if len(rows[0].codes) <= width and all(part.codes is rows[0].codes for part in rows):
        return np.stack([part.values for part in rows])
    codes, values = (np.concatenate(column) for column in zip(*rows, strict=True))
    met, first, which = np.unique(codes, return_index=True, return_inverse=True)
    column = np.empty(len(met), dtype=np.intp)
    column[np.argsort(first)] = np.arange(len(met))
    shared = column >= width
    column[shared] = met[shared] % np.uint64(width)
    sign = np.where(shared & (met >> np.uint64(63) == 0), -1.0, 1.0).astype(np.float32)
    line = np.repeat(np.arange(len(rows)), [len(part.codes) for part in rows])
    matrix = np.zeros((len(rows), max(1, min(width, len(met)))), dtype=np.float32)
    np.add.at(matrix, (line, column[which]), values * sign[which])
    return matrix
