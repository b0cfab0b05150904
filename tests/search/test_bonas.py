"""BONAS against closed forms: the regression against a multivariate normal, the network against what a relabelling must not change."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from bonanza.spaces import Architecture, LabelledDag, space_from_spec
from bonanza_server.search.acqopt import unseen_samples
from bonanza_server.search.cell_text import written
from bonanza_server.search.correlation import spearman
from bonanza_server.search.embedder import embedder
from bonanza_server.search.graph_tensors import GraphEncoder
from bonanza_server.search.history import History, Observation
from bonanza_server.search.options import BonasOptions
from bonanza_server.search.samplers import evolved
from bonanza_server.search.strategy import strategy_from_spec
from bonanza_server.search.surrogates.bayesian_regression import (
    BayesianRegression,
    UnknownWeights,
    log_evidence,
    precisions,
)
from bonanza_server.search.surrogates.graph_network import GraphNetwork
from bonanza_server.search.surrogates.perceptron import CODE_WIDTHS, Perceptron
from bonanza_server.search.surrogates.predictor import LOSS_WEIGHTS, Predictor, PredictorTraining, train
from bonanza_server.search.surrogates.token_lstm import TokenLstm
from tests.strategies import dags, shuffled

NB201 = space_from_spec({"kind": "nasbench201"})


def design(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    phi = rng.normal(size=(n, d))
    return phi, phi @ rng.normal(size=d) + 0.3 * rng.normal(size=n)


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 20),
    d=st.integers(1, 8),
    seed=st.integers(0, 1000),
    alpha=st.floats(0.01, 100),
    beta=st.floats(0.01, 100),
)
def test_the_evidence_is_the_density_of_the_targets(n: int, d: int, seed: int, alpha: float, beta: float) -> None:
    phi, t = design(n, d, seed)
    density = multivariate_normal(np.zeros(n), phi @ phi.T / alpha + np.eye(n) / beta).logpdf(t)
    assert log_evidence(phi, t, alpha, beta) == pytest.approx(density, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_precisions_are_those_of_the_greatest_evidence(seed: int) -> None:
    phi, t = design(60, 6, seed)
    found = precisions(phi, t)
    best = minimize(lambda x: -log_evidence(phi, t, *np.exp(x)), [0.0, 0.0], method="Nelder-Mead")
    assert log_evidence(phi, t, *found) == pytest.approx(-best.fun, abs=1e-3)
    assert 1.0 / np.sqrt(found[1]) == pytest.approx(0.3, rel=0.35)


def test_fewer_results_than_columns_and_columns_that_never_vary_do_no_harm() -> None:
    phi, t = design(10, 64, 0)
    phi[:, 5] = 3.0
    phi[:, 6] = 0.0
    regression = BayesianRegression.fit(phi, t)
    assert 5 not in regression.columns
    mean, std = regression.predict(np.vstack((phi, 100.0 * phi)))
    assert np.isfinite(mean).all()
    assert (std > 0.0).all()
    one = BayesianRegression.fit(phi[:1], t[:1])
    mean, std = one.predict(phi)
    assert mean == pytest.approx(np.full(10, t[0]))
    assert np.isfinite(std).all()


def test_a_row_that_counts_as_measured_leaves_what_a_fit_to_it_would_leave() -> None:
    phi, t = design(40, 5, 3)
    regression = BayesianRegression.fit(phi, t)
    more, _ = design(12, 5, 4)
    unknown = UnknownWeights(regression, more)
    assert unknown.factor == pytest.approx(np.ones(12))
    for row in (3, 7, 3):
        unknown.measure(row)
    rows = regression.design(more)
    measured = rows[[3, 7, 3]]
    covariance = np.linalg.inv(np.linalg.inv(regression.S) + regression.beta * measured.T @ measured)
    noise = 1.0 / regression.beta
    left = np.einsum("nd,de,ne->n", rows, covariance, rows) + noise
    before = np.einsum("nd,de,ne->n", rows, regression.S, rows) + noise
    assert unknown.factor == pytest.approx(np.sqrt(left / before))


def network_of(graphs: list[LabelledDag], labels: str = "ab") -> tuple[GraphEncoder, Predictor]:
    encoder, generator = GraphEncoder(["input", "output", *labels]), torch.Generator().manual_seed(0)
    network = Predictor(GraphNetwork(encoder.features, generator), generator)
    y = torch.linspace(0.1, 0.9, len(graphs))
    train(network, encoder.encode(graphs), y, PredictorTraining(epochs=3), generator)
    return encoder, network


@settings(max_examples=25, deadline=None)
@given(graph=dags(), seed=st.integers(0, 1000))
def test_the_order_of_the_nodes_and_the_padding_change_no_embedding(graph: LabelledDag, seed: int) -> None:
    encoder, network = network_of([graph, LabelledDag(("input", "a", "output"), ((0, 1), (1, 2)))])
    moved = shuffled(graph, random.Random(seed))
    long = LabelledDag(("input", *"ab" * 6, "output"), ())
    together = network.embeddings(encoder.encode([graph, moved, long]))
    alone = network.embeddings(encoder.encode([graph]))
    assert together[1] == pytest.approx(together[0], abs=1e-5)
    assert together[0] == pytest.approx(alone[0], abs=1e-5)


def test_labels_that_were_never_seen_share_a_feature_and_units_count() -> None:
    encoder = GraphEncoder(["input", "a", "output"])
    chain = ((0, 1), (1, 2))
    one, other = (LabelledDag(("input", label, "output"), chain) for label in ("x", "y"))
    assert torch.equal(encoder.encode([one]).features, encoder.encode([other]).features)
    wide = LabelledDag(("input", "a", "output"), chain, units=(1, 512, 1))
    narrow = LabelledDag(("input", "a", "output"), chain, units=(1, 8, 1))
    assert not torch.equal(encoder.encode([wide]).features, encoder.encode([narrow]).features)
    twice = LabelledDag(("input", "a", "output"), chain, counts=(2, 1))
    assert encoder.encode([twice]).flow[0].tolist() == [[1, 0, 0, 0], [2, 1, 0, 0], [0, 1, 1, 0], [1, 1, 1, 1]]


def test_the_losses_weigh_as_the_paper_says() -> None:
    y = torch.tensor([0.0, 0.5, 1.0])
    weights = {name: weight(y).tolist() for name, weight in LOSS_WEIGHTS.items()}
    assert weights["exp"] == pytest.approx([0.0, (np.exp(0.5) - 1) / (np.e - 1), 1.0])
    assert weights["exp_code"] == pytest.approx([1 / np.e, np.exp(-0.5), 1.0])
    assert weights["mse"] == [1.0, 1.0, 1.0]
    assert weights["log"] == pytest.approx([0.0, np.log2(1.5), 1.0])
    assert weights["linear"] == [0.0, 0.5, 1.0]


def value(cell: Architecture) -> float:
    ops = cell.json["edges"]
    return (
        60.0
        + 5.0 * sum(op == "nor_conv_3x3" for op in ops)
        - 4.0 * sum(op == "none" for op in ops)
        + 3.0 * (ops[3] != "none")
    )


def history(n: int, seed: int = 0) -> History:
    cells = unseen_samples(NB201, frozenset(), n, random.Random(seed))
    observed = tuple(Observation(cell, (value(cell),), number) for number, cell in enumerate(cells))
    return History(NB201, True, observed, (), frozenset(cell.arch_id for cell in cells))


def test_the_network_is_trained_on_every_tenth_history_and_the_regression_on_all() -> None:
    strategy, rng = strategy_from_spec({"name": "bonas", "epochs": 2}), np.random.default_rng(0)
    diagnostics = [strategy.fit(history(n), rng).diagnostics for n in (4, 10, 27, 30)]
    assert [found["trained_on"] for found in diagnostics] == [4, 10, 20, 30]
    assert [found["observations"] for found in diagnostics] == [4, 10, 27, 30]


def test_a_network_trained_again_is_the_same_network() -> None:
    strategy, cells = (
        strategy_from_spec({"name": "bonas", "epochs": 3}),
        [seen.architecture for seen in history(40, 1).observations],
    )
    first = strategy.fit(history(30), np.random.default_rng(0)).predict(cells)
    embedder.cache_clear()
    second = strategy.fit(history(30), np.random.default_rng(1)).predict(cells)
    assert np.array_equal(first, second)
    assert embedder.cache_info().misses == 1


def test_a_cell_is_written_as_what_is_above_the_diagonal_and_its_ops() -> None:
    encoder = GraphEncoder(["input", "a", "output"])
    graph = LabelledDag(("input", "a", "b", "output"), ((0, 1), (0, 3), (1, 3)), counts=(1, 2, 1))
    text = written(encoder.encode([graph, LabelledDag(("input", "output"), ((0, 1),))]), 5)
    assert text.adjacency.tolist() == [[1, 0, 2, 0, 0, 1, 0, 0, 0, 0], [1, *[0] * 9]]
    nowhere = encoder.features
    assert text.ops.tolist() == [[1, 0, 3, 2, nowhere], [1, 2, *[nowhere] * 3]]
    cut = written(encoder.encode([graph]), 3)
    assert (cut.adjacency.tolist(), cut.ops.tolist()) == ([[1, 0, 0]], [[1, 0, 3]])


@pytest.mark.parametrize("name", ["mlp", "lstm"])
def test_the_other_predictors_learn_what_they_are_shown(name: str) -> None:
    graphs = [NB201.graph(seen.architecture) for seen in history(60).observations]
    encoder, generator = (
        GraphEncoder(label for graph in graphs for label in graph.labels),
        torch.Generator().manual_seed(0),
    )
    encoded = encoder.encode(graphs)
    body = (
        Perceptron(encoder.features, 8, CODE_WIDTHS, generator)
        if name == "mlp"
        else TokenLstm(encoder.features, 8, generator)
    )
    predictor = Predictor(body, generator)
    y = torch.sigmoid(
        torch.tensor([float(graph.labels[4] == "none") + graph.labels.count("nor_conv_3x3") for graph in graphs]) - 1.5
    )
    train(
        predictor, encoded, y, PredictorTraining(loss="mse", epochs=60, batch_size=30, learning_rate=0.003), generator
    )
    assert float((predictor.predict(encoded) - y).square().mean()) < 0.6 * float(y.var())
    assert predictor.embeddings(encoded).shape == (60, body.units)


def test_it_learns_what_makes_a_cell_good() -> None:
    model = strategy_from_spec({"name": "bonas"}).fit(history(100), np.random.default_rng(0))
    cells = [seen.architecture for seen in history(200, seed=1).observations]
    means, _ = model.predict(cells)
    correlation = spearman(means, np.array([value(cell) for cell in cells]))
    assert correlation is not None
    assert correlation > 0.85


def test_the_evolutionary_sampler_offers_children_of_good_cells() -> None:
    of = history(40)
    offered = evolved(of, 100, random.Random(0))
    assert len({cell.arch_id for cell in offered} | of.seen) == 140
    chance = unseen_samples(NB201, of.seen, 100, random.Random(0))
    assert np.mean([value(cell) for cell in offered]) > np.mean([value(cell) for cell in chance]) + 2.0
    assert BonasOptions().candidates == 1000
