"""The ensemble: its gradients beside autograd, its optimiser beside torch's, its networks beside one another."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from bonanza_server.search.correlation import ranks, spearman
from bonanza_server.search.surrogates.adam import Adam
from bonanza_server.search.surrogates.meta_network import MAX_STEPS, Training, loss_weights, train
from bonanza_server.search.surrogates.relu_stack import Activations, Parameters, Shape, backward, forward, outputs
from tests.benchmarks.ensemble import batched, random_101, sequential


def module_of(parameters: Parameters, member: int) -> nn.Sequential:
    """The same network, as torch would have it."""
    layers: list[nn.Module] = []
    for weights, biases in zip(parameters.weights, parameters.biases, strict=True):
        linear = nn.Linear(weights.shape[1], weights.shape[2])
        linear.weight.data = weights[member].T.clone()
        linear.bias.data = biases[member, 0].clone()
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def learnable(n: int, seed: int = 0, columns: int = 40) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Cells whose value is a weighted count of their paths."""
    rng = np.random.default_rng(seed)
    x = (rng.random((n, columns)) < 0.2).astype(np.float32)
    value = x @ np.linspace(-1.0, 1.0, columns)
    return x, (value - value.mean()) / value.std()


@settings(max_examples=30, deadline=None)
@given(
    members=st.integers(1, 4),
    rows=st.integers(1, 9),
    widths=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
)
def test_forward_and_backward_are_autograds(members: int, rows: int, widths: list[int], seed: int) -> None:
    shape = Shape(members, (*widths, 1))
    rng = np.random.default_rng(seed)
    parameters, gradient = Parameters.he(shape, rng), Parameters(shape)
    parameters.flat.add_(torch.from_numpy(rng.normal(0.0, 0.1, shape.size)).float())  # biases that are not zero
    x = torch.from_numpy(rng.random((members, rows, widths[0]))).float()
    target = torch.from_numpy(rng.normal(size=(members, rows, 1))).float()
    memory = Activations(shape, rows)
    with torch.inference_mode():
        predicted = forward(parameters, x, memory).clone()
        memory.delta[-1].copy_((predicted - target) * 2.0 / rows)
        backward(parameters, x, memory, gradient)
    for member in range(members):
        module = module_of(parameters, member)
        out = module(x[member])
        (out - target[member]).square().mean().backward()
        torch.testing.assert_close(predicted[member], out.detach())
        linears = [layer for layer in module if isinstance(layer, nn.Linear)]
        for layer, weights, biases in zip(linears, gradient.weights, gradient.biases, strict=True):
            assert layer.weight.grad is not None
            assert layer.bias.grad is not None
            torch.testing.assert_close(weights[member].T, layer.weight.grad, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(biases[member, 0], layer.bias.grad, rtol=1e-4, atol=1e-5)


def test_a_prediction_is_the_forward_pass_for_every_member() -> None:
    parameters = Parameters.he(Shape(3, (6, 5, 5, 1)), np.random.default_rng(0))
    x = torch.rand(8, 6)
    expected = torch.stack([module_of(parameters, member)(x).squeeze(1) for member in range(3)]).detach()
    torch.testing.assert_close(outputs(parameters, x), expected)


def test_adam_steps_as_torchs_does() -> None:
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(50, generator=generator)
    theirs = nn.Parameter(theta.clone())
    ours = Adam(50, learning_rate=0.01, beta1=0.9, beta2=0.99)
    reference = torch.optim.Adam([theirs], lr=0.01, betas=(0.9, 0.99))
    for _ in range(200):
        gradient = torch.randn(50, generator=generator) * 1e-3
        theirs.grad = gradient.clone()
        reference.step()
        ours.step(theta, gradient)
    torch.testing.assert_close(theta, theirs.detach(), rtol=1e-4, atol=1e-6)


def test_columns_that_no_cell_has_change_nothing_but_their_own_weights() -> None:
    """Narrowing is only a saving: padding the cells with dead columns trains the very same networks."""
    x, _ = learnable(50)
    padded = np.zeros((50, 70), dtype=np.float32)
    live = np.sort(np.random.default_rng(1).permutation(70)[:40])
    padded[:, live] = x
    full = Parameters.he(Shape(2, (70, 8, 1)), np.random.default_rng(2))
    before = full.weights[0].clone()
    narrow = full.narrow(live)
    torch.testing.assert_close(outputs(narrow, torch.from_numpy(x)), outputs(full, torch.from_numpy(padded)))
    narrow.flat.mul_(2.0)
    full.widen(narrow, live)
    dead = np.setdiff1d(np.arange(70), live)
    assert torch.equal(full.weights[0][:, dead], before[:, dead])
    torch.testing.assert_close(outputs(narrow, torch.from_numpy(x)), outputs(full, torch.from_numpy(padded)))


def test_a_full_training_moves_no_weight_of_a_dead_column() -> None:
    """What makes narrowing exact: a column of zeros has gradient zero, and Adam moves nothing by it."""
    x, t = learnable(40)
    x[:, 7] = 0.0
    shape = Shape(2, (40, 8, 1))
    parameters, gradient, memory = (
        Parameters.he(shape, np.random.default_rng(0)),
        Parameters(shape),
        Activations(shape, 40),
    )
    before = parameters.weights[0][:, 7].clone()
    adam = Adam(shape.size, learning_rate=0.1, beta1=0.9, beta2=0.99)
    cells = torch.from_numpy(x).expand(2, -1, -1)
    for _ in range(20):
        torch.sub(forward(parameters, cells, memory), torch.from_numpy(t).float()[:, None], out=memory.delta[-1])
        backward(parameters, cells, memory, gradient)
        adam.step(parameters.flat, gradient.flat)
    assert torch.equal(parameters.weights[0][:, 7], before)
    assert not torch.equal(parameters.weights[0][:, 8], before)


def test_training_is_a_function_of_its_generator() -> None:
    x, t = learnable(60)
    first, again = (train(x, t, Training(), np.random.default_rng(5)).predict(x) for _ in range(2))
    other = train(x, t, Training(), np.random.default_rng(6)).predict(x)
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_members_differ_and_all_of_them_learn() -> None:
    x, t = learnable(100)
    networks = train(x, t, Training(), np.random.default_rng(0))
    members = networks.predict(x)
    assert members.shape == (5, 100)
    assert len({row.tobytes() for row in members}) == 5
    for row in members:
        rho = spearman(row, t)
        assert rho is not None
        assert rho > 0.9


@pytest.mark.parametrize("loss", ["mae", "mape"])
def test_what_is_learned_holds_for_cells_not_seen(loss: str) -> None:
    x, t = learnable(400, columns=20)
    networks = train(x[:200], t[:200], Training(loss=loss), np.random.default_rng(0))
    rho = spearman(networks.predict(x[200:]).mean(axis=0), t[200:])
    assert rho is not None
    assert rho > 0.85


def test_the_weighted_error_is_mape_up_to_a_constant() -> None:
    t = np.random.default_rng(0).normal(size=20)
    predicted = np.random.default_rng(1).normal(size=20)
    true_loss, predicted_loss = -t, -predicted
    floor = true_loss.min() - 0.5
    mape = np.abs((predicted_loss - floor) / (true_loss - floor) - 1.0)
    weighted = loss_weights(t, "mape") * np.abs(predicted - t)
    assert np.ptp(weighted / mape) == pytest.approx(0.0, abs=1e-9)
    assert loss_weights(t, "mape").mean() == pytest.approx(1.0)
    assert loss_weights(t, "mae").tolist() == [1.0] * 20


def test_dead_members_are_found_and_trained_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that begin at zero never leave it in a deep network: every member of the first training is dead."""
    he = Parameters.he.__func__  # type: ignore[attr-defined]
    trainings: list[int] = []

    def stillborn_at_first(shape: Shape, rng: np.random.Generator) -> Parameters:
        trainings.append(shape.members)
        drawn: Parameters = he(Parameters, shape, rng)
        if len(trainings) == 1:
            drawn.flat[:] = 0.0
        return drawn

    monkeypatch.setattr(Parameters, "he", stillborn_at_first)
    x, t = learnable(60)
    networks = train(x, t, Training(), np.random.default_rng(0))
    assert networks.restarted >= 5
    assert trainings[:2] == [5, 5]
    assert np.all(networks.predict(x).std(axis=1) > 0.1)


@pytest.mark.parametrize("t", [np.zeros(12), np.ones(12)])
def test_constant_targets_are_learned_without_a_restart(t: NDArray[np.float64]) -> None:
    x, _ = learnable(12)
    networks = train(x, t, Training(), np.random.default_rng(0))
    assert networks.restarted == 0
    assert np.abs(networks.predict(x).mean(axis=0) - t).max() < 0.5


@pytest.mark.parametrize("x", [np.zeros((1, 5)), np.ones((1, 5)), np.zeros((7, 5)), np.zeros((3, 0)), np.ones((33, 2))])
def test_cells_that_cannot_be_told_apart_are_survived(x: NDArray[np.float64]) -> None:
    t = np.linspace(-1.0, 1.0, len(x))
    networks = train(x.astype(np.float32), t, Training(epochs=5), np.random.default_rng(0))
    assert np.all(np.isfinite(networks.predict(x.astype(np.float32))))
    assert networks.restarted == 0


@given(n=st.integers(1, 5000), epochs=st.integers(1, 2000), batch_size=st.integers(1, 64))
def test_the_steps_of_a_training_are_bounded(n: int, epochs: int, batch_size: int) -> None:
    training = Training(epochs=epochs, batch_size=batch_size)
    steps = -(-n // batch_size)
    assert 1 <= training.epochs_for(n) <= epochs
    assert training.epochs_for(n) * steps <= max(MAX_STEPS, steps)


def test_two_hundred_cells_have_all_their_epochs_and_two_thousand_have_most() -> None:
    assert Training().epochs_for(200) == 150
    assert Training().epochs_for(2000) == 95


def test_a_batch_is_several_times_faster_than_a_sequence() -> None:
    """The gate of tests/benchmarks/ensemble.py, with room for a busy machine; there the ratio is above 8."""
    cells = random_101(200, np.random.default_rng(0))
    short = Training(epochs=10)

    def seconds(what: object) -> float:
        best = np.inf
        for _ in range(2):
            started = time.process_time()
            if what is batched:
                train(cells.x, cells.values, short, np.random.default_rng(0))
            else:
                sequential(cells.x, cells.values, cells.x[:1], 0, threads=1, training=short)
            best = min(best, time.process_time() - started)
        return best

    assert seconds(sequential) > 4.0 * seconds(batched)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30))
def test_ranks_of_ties_are_their_mean(values: list[int]) -> None:
    expected = [
        sum(other < value for other in values) + (sum(other == value for other in values) - 1) / 2 for value in values
    ]
    assert ranks(values).tolist() == expected


def test_rank_correlation_is_one_for_the_same_order_and_undefined_for_a_constant() -> None:
    assert spearman([1.0, 2.0, 5.0], [0.1, 10.0, 1e9]) == pytest.approx(1.0)
    assert spearman([1.0, 2.0, 5.0], [3.0, 2.0, 1.0]) == pytest.approx(-1.0)
    assert spearman([1.0, 1.0], [1.0, 2.0]) is None
