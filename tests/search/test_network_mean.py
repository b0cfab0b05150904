"""The default's second opinion: when there is one, of what, and what it is good for."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from bonanza.spaces import space_from_spec
from bonanza_server.search.acqopt import unseen_samples
from bonanza_server.search.bonanza import BonanzaModel
from bonanza_server.search.history import History, Observation
from bonanza_server.search.network_mean import LEAST, PRIOR, _trained, network_mean, share, trained_on
from bonanza_server.search.strategy import strategy_from_spec
from tests.search.test_gated_network import NB101, depth

CELLS = unseen_samples(NB101, frozenset(), 500, random.Random(0))
NOISE = random.Random(1)
VALUES = [90.0 + depth(cell) + NOISE.gauss(0.0, 0.1) for cell in CELLS]


def history(n: int) -> History:
    observed = tuple(Observation(cell, (value,), k) for k, (cell, value) in enumerate(zip(CELLS, VALUES, strict=True)))
    return History(NB101, True, observed[:n], (), frozenset(cell.arch_id for cell in CELLS[:n]))


def fitted(given: History, **options: object) -> BonanzaModel:
    model = strategy_from_spec({"name": "bonanza", **options}).fit(given, np.random.default_rng(0))
    assert isinstance(model, BonanzaModel)
    return model


def test_networks_are_trained_on_the_first_results_and_anew_when_there_are_an_eighth_more() -> None:
    assert [trained_on(n) for n in (0, 99, 100, 111, 112, 125, 126)] == [0, 0, 100, 100, 112, 112, 126]
    trained = sorted({trained_on(n) for n in range(2_000)} - {0})
    assert all(10 <= b - a <= max(10, a / 8) for a, b in pairwise(trained))
    one, other, third = (fitted(history(n)).network for n in (LEAST, LEAST + 11, LEAST + 12))
    assert one is not None
    assert other is not None
    assert third is not None
    # What other results say of these moves the line, not the networks.
    assert one.opinion.networks is other.opinion.networks
    assert (third.opinion.trained_on, third.opinion.networks is one.opinion.networks) == (LEAST + 12, False)
    assert fitted(history(LEAST - 1)).network is None


def test_estimates_of_pruned_trainings_train_no_network() -> None:
    given = history(LEAST)
    pruned = tuple(Observation(cell, (90.0,), 200 + k, censored=True) for k, cell in enumerate(CELLS[200:260]))
    moved = tuple(replace(one, values=(80.0,)) for one in pruned)
    one, other, alone = (
        fitted(replace(given, censored=censored)).network for censored in (pruned[:50], (*moved[:50], *pruned[50:]), ())
    )
    assert one is not None
    assert other is not None
    assert alone is not None
    assert one.opinion.networks is other.opinion.networks is alone.opinion.networks
    assert one.opinion.trained_on == LEAST
    assert fitted(replace(history(LEAST - 1), censored=pruned)).network is None


def test_a_process_that_remembers_nothing_proposes_the_same() -> None:
    torch.set_num_threads(1)
    proposed = []
    for _ in range(2):
        _trained.cache_clear()
        model = fitted(history(LEAST + 20))
        made = model.propose(6, np.random.default_rng(1))
        assert not {one.architecture.arch_id for one in made} & model.history.seen
        proposed.append([(one.architecture, one.mean, one.std, one.acquisition) for one in made])
    assert proposed[0] == proposed[1]


def test_a_share_of_the_mean_is_the_networks_and_the_deviation_is_the_process_s() -> None:
    both, alone = fitted(history(150)), fitted(history(150), network=False)
    assert alone.network is None
    assert both.network is not None
    assert (both.diagnostics["network_trained_on"], alone.diagnostics["network_trained_on"]) == (trained_on(150), 0)
    unseen = CELLS[200:260]
    process = alone.scale.targets(alone.predict(unseen)[0])
    mixed = both.scale.targets(both.predict(unseen)[0])
    own = both.network.share
    assert 0.0 < own < 1.0
    assert mixed == pytest.approx((1.0 - own) * process + own * both.network.opinion.of(unseen), abs=1e-4)
    # In targets they are equal, and the slope hardly differs.
    ratio = both.predict(unseen)[1] / alone.predict(unseen)[1]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.3)


def test_the_network_has_no_share_in_what_is_made_of_a_cell_s_own_measurements() -> None:
    given = history(150)
    both, alone = fitted(given), fitted(given, network=False)
    mixed = [*CELLS[100:140], *CELLS[200:240]]
    means, process = both.predict(mixed)[0], alone.predict(mixed)[0]
    assert np.array_equal(means[:40], process[:40])
    assert (means[40:] != process[40:]).all()
    # Of a pruned cell there is an estimate, which is no measurement.
    halted = replace(
        given, observations=given.observations[:-1], censored=(replace(given.observations[-1], censored=True),)
    )
    last = [CELLS[149]]
    assert fitted(halted).predict(last)[0] != fitted(halted, network=False).predict(last)[0]


def test_the_share_is_what_would_have_been_best_for_results_that_came_after() -> None:
    rng = np.random.default_rng(0)
    g, apart = rng.normal(size=2_000), rng.normal(size=2_000)
    for best in (0.0, 0.3, 1.0):
        expected = (2_000 * best + 0.5 * PRIOR) / (2_000 + PRIOR)
        assert share(g + apart, g, g + best * apart) == pytest.approx(expected, abs=1e-9)
    assert share(g + apart, g, g + 5.0 * apart) == 1.0
    assert share(g + apart, g, g - 5.0 * apart) == 0.0
    assert share(g, g, rng.normal(size=2_000)) == share(np.empty(0), np.empty(0), np.empty(0)) == 0.5


def test_the_two_together_are_hardly_worse_than_the_better_one() -> None:
    # How deep a cell is the process is told; the network has to find it out.
    truth, unseen = np.array(VALUES[300:]), CELLS[300:]
    both = fitted(history(300))
    assert both.network is not None
    assert both.network.share < 0.5
    errors = [
        float(np.sqrt(np.mean((means - truth) ** 2)))
        for means in (
            both.predict(unseen)[0],
            fitted(history(300), network=False).predict(unseen)[0],
            both.scale.values(both.network.opinion.of(unseen), np.zeros(len(unseen)))[0],
        )
    ]
    assert errors[0] < 1.15 * min(errors[1:])


def test_minimising_the_negative_expects_the_negative() -> None:
    given = history(LEAST)
    turned = replace(
        given,
        maximize=False,
        observations=tuple(replace(one, values=tuple(-value for value in one.values)) for one in given.observations),
    )
    means, stds = fitted(given).predict(CELLS[200:220])
    negative, same = fitted(turned).predict(CELLS[200:220])
    assert negative == pytest.approx(-means, abs=1e-6)
    assert same == pytest.approx(stds, abs=1e-6)


def test_there_is_no_second_opinion_of_constant_values_or_of_graphs_too_large() -> None:
    cells = CELLS[:LEAST]
    assert network_mean(cells, [1.0] * LEAST, *np.zeros((2, LEAST)), maximize=True) is None
    space = space_from_spec(
        {"kind": "sequence", "positions": [{"name": f"p{k}", "choices": ["a", "b"]} for k in range(80)]}
    )
    long = unseen_samples(space, frozenset(), LEAST, random.Random(0))
    values = [float(k) for k in range(LEAST)]
    assert network_mean(long, values, np.array(values), np.array(values), maximize=True) is None
