"""The numbers of the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bonanza_server.bench.contestant import parse
from bonanza_server.bench.plot import band
from bonanza_server.bench.race import Outcome, Terms
from bonanza_server.bench.report import counted, grid, regret_at, sign_flip, spread
from bonanza_server.bench.results import Results, Search

TERMS = Terms(trials=4, cap=10, workers=1, mean=True)
OUTCOME = Outcome(found=3, regrets=[None, 2.0, 0.0], hours=[1.0, 2.0, 3.0], rank_correlation=0.5, seconds=0.1)


def test_a_miss_counts_twice_the_cap() -> None:
    assert counted([3, None], TERMS).tolist() == [3.0, 20.0]


def test_a_search_that_ended_keeps_its_last_regret() -> None:
    assert regret_at([OUTCOME], 2).tolist() == [2.0]
    assert regret_at([OUTCOME], 50).tolist() == [0.0]
    assert np.isnan(regret_at([OUTCOME], 1)).all()


def test_the_sign_flip_test_is_exact_for_few_seeds() -> None:
    assert sign_flip(np.array([1.0, 1.0, 1.0, 1.0])) == 2 / 16
    assert sign_flip(np.array([1.0, -1.0])) == 1.0
    assert sign_flip(np.array([3.0, 1.0, -1.0])) == 6 / 8  # of ±3 ±1 ±1, all but ±(3 - 1 - 1) are as far from 0 as 3


def test_the_sign_flip_test_is_uniform_where_there_is_no_difference() -> None:
    rng = np.random.default_rng(0)
    p = np.array([sign_flip(rng.standard_normal(20)) for _ in range(100)])
    assert 0.3 < p.mean() < 0.7
    assert (p < 0.05).mean() < 0.15
    assert sign_flip(rng.standard_normal(30) + 2.0) < 0.001


def test_a_mean_has_its_standard_error() -> None:
    assert spread([1.0, 3.0], 1) == "2.0 ± 1.0"
    assert spread([], 1) == "–"


def test_a_grid_is_a_markdown_table() -> None:
    assert grid(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def test_curves_begin_where_every_search_has_a_result() -> None:
    other = replace(OUTCOME, regrets=[4.0, 4.0, 4.0, 4.0])
    x, mean, error = band([OUTCOME, other], TERMS, timed=False)
    assert x.tolist() == [2.0, 3.0, 4.0]
    assert mean.tolist() == [3.0, 2.0, 2.0]
    assert error[0] == pytest.approx(1.0 / np.sqrt(2))
    hours, timed, _ = band([OUTCOME], TERMS, timed=True)
    assert hours[-1] == 3.0
    assert timed[-1] == 0.0


def test_outcomes_are_found_again_and_half_a_line_is_dropped(tmp_path: Path) -> None:
    search = Search(table="t", contestant=parse("bananas:epochs=3", peer=False), seed=1, terms=TERMS)
    Results(tmp_path).add(search, OUTCOME, {"python": "3"})
    with (tmp_path / "runs.jsonl").open("a") as file:
        file.write('{"table": "t", "see')
    again = Results(tmp_path)
    assert again.get(search) == OUTCOME
    assert again.get(replace(search, seed=2)) is None
    assert again.get(replace(search, terms=replace(TERMS, workers=8))) is None
    assert again.get(replace(search, contestant=parse("bananas:epochs=4", peer=False))) is None
    again.add(replace(search, seed=2), OUTCOME, {})
    lines = (tmp_path / "runs.jsonl").read_text().splitlines()
    assert [json.loads(line)["seed"] for line in lines] == [1, 2]
