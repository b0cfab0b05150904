"""A sample of values, its spread and its histogram."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bonanza.schemas.report import Histogram, RandomSample, Sample

MOST_BINS = 24


def sample_of(values: Sequence[float]) -> Sample:
    """Mean, deviation (of the sample, n - 1), and range of at least one value."""
    array = np.asarray(values, dtype=np.float64)
    return Sample(
        n=len(array),
        mean=float(array.mean()),
        std=float(array.std(ddof=1)) if len(array) > 1 else None,
        min=float(array.min()),
        max=float(array.max()),
        values=array.tolist(),
    )


def random_sample_of(values: Sequence[float]) -> RandomSample:
    """A sample with its histogram."""
    return RandomSample(**sample_of(values).model_dump(), histogram=histogram(values))


def histogram(values: Sequence[float]) -> Histogram:
    """Equal bins, as many as numpy's rule for such a sample says, at most ``MOST_BINS``."""
    array = np.asarray(values, dtype=np.float64)
    edges = np.histogram_bin_edges(array, bins="auto")
    if len(edges) - 1 > MOST_BINS:
        edges = np.histogram_bin_edges(array, bins=MOST_BINS)
    counts, edges = np.histogram(array, bins=edges)
    return Histogram(edges=edges.tolist(), counts=counts.tolist())


def expected_best(values: Sequence[float], most: int, *, maximize: bool) -> list[float]:
    """The expected best of 1..``most`` independent draws from the sample: what random search reaches, without running it.

    With the values in order, the largest is at most x_i with probability (i/m)^n (the estimator of Dodge et al. 2019, eq. 4).
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not maximize:
        ordered = ordered[::-1]
    rank = np.arange(len(ordered) + 1) / len(ordered)
    draws = np.arange(1, most + 1)[:, None]
    return ((rank[1:] ** draws - rank[:-1] ** draws) @ ordered).tolist()  # type: ignore[no-any-return]
