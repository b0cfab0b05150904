"""The default is never worse than random search by more than noise; the others and more seeds are for ``tests.benchmarks.robustness``."""

from __future__ import annotations

import pytest

from tests.benchmarks.robustness import CASES, CELLS, compare

WORST = 10.0
"""Points of score that the mean of a few short searches may lie below random search's: what noise makes of it."""


@pytest.mark.parametrize("label", CASES)
def test_the_default_is_never_worse_than_random_by_more_than_noise(label: str) -> None:
    trials = 16 if CASES[label].space is CELLS else 12
    spec = {"name": "bonanza", "candidates": 100}
    ours, baseline = compare(spec, CASES[label], seeds=range(2), trials=trials)
    assert ours.mean() >= baseline.mean() - WORST, (ours, baseline)
