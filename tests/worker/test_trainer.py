"""The training loop itself: what it computes, and that it can be stopped and taken up anywhere."""

from __future__ import annotations

import copy
import io
import math
from typing import Any

import pytest
import torch
from torch import nn

from bonanza.worker.data.digits import Digits
from bonanza.worker.data.images import Images
from bonanza.worker.evaluator import Stopped
from bonanza.worker.execution import Execution
from bonanza.worker.failures import failure_of
from bonanza.worker.protocol import Protocol
from bonanza.worker.protocols import DIGITS
from bonanza.worker.trainer import Training, learning_rate
from tests.worker.own_networks import Cramped, perceptron

HERE = Execution(torch.device("cpu"), deterministic=True)
FAST = DIGITS.changed({"epochs": 3, "batch": 128, "learning_rate": 0.1, "crop": 1})


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def digits() -> Images:
    return Images.of(Digits(), FAST, HERE.device)


def training(digits: Images, protocol: Protocol = FAST, network: nn.Module | None = None) -> Training:
    torch.manual_seed(7)
    made = network or perceptron(None, skeleton=None, classes=10, shape=(1, 8, 8))
    return Training(made, digits, protocol, seed=7, execution=HERE)


def finished(run: Training) -> dict[str, Any]:
    """The whole of it, as it would be kept, without the time it took."""
    for _ in run.epochs():
        pass
    return {name: value for name, value in run.state().items() if name != "seconds"}


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def test_it_learns(digits: Images) -> None:
    run = training(digits)
    finished(run)
    assert len(run.curve) == 3
    assert run.curve.last > 70
    assert run.curve.losses[-1] < run.curve.losses[0] - 0.3


@pytest.mark.parametrize("stop_at", [0, 1, 5, 8, 13, 23])
def test_a_training_stopped_at_any_step_and_taken_up_ends_as_an_unbroken_one_bit_for_bit(
    stop_at: int, digits: Images
) -> None:
    unbroken = finished(training(digits))
    steps = iter(range(1000))

    def check() -> None:
        if next(steps) == stop_at:
            raise Stopped("yield")

    first = training(digits)
    with pytest.raises(Stopped):
        for _ in first.epochs(check):
            pass
    disk = io.BytesIO()
    torch.save(first.state(), disk)
    disk.seek(0)
    torch.manual_seed(99)  # as in another process
    second = Training(
        perceptron(None, skeleton=None, classes=10, shape=(1, 8, 8)), digits, FAST, seed=7, execution=HERE
    )
    second.restore(torch.load(disk, weights_only=True))
    assert (second.epoch, second.step) == divmod(stop_at, 8)
    assert equal(finished(second), unbroken)


def test_the_seed_decides_everything(digits: Images) -> None:
    first, again = finished(training(digits)), finished(training(digits))
    assert equal(first, again)
    torch.manual_seed(7)
    other = Training(perceptron(None, skeleton=None, classes=10, shape=(1, 8, 8)), digits, FAST, seed=8, execution=HERE)
    assert not equal(finished(other), first)


@pytest.mark.parametrize("warmup", [0, 2])
def test_the_rate_falls_as_torch_s_cosine_and_rises_linearly_before(warmup: int) -> None:
    protocol = FAST.changed({"epochs": 10, "warmup_epochs": warmup, "learning_rate": 0.5, "final_learning_rate": 0.01})
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, (10 - warmup) * 8, eta_min=0.01)
    for step in range(80):
        rate = learning_rate(protocol, step, 8)
        if step < warmup * 8:
            assert rate == pytest.approx(0.5 * (step + 1) / (warmup * 8))
            continue
        assert rate == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        cosine.step()


def test_a_step_is_sgd_with_nesterov_s_momentum_and_clipping(digits: Images) -> None:
    """Against the textbook, on two steps of a linear network; clipping to a small norm makes it matter."""
    protocol = FAST.changed({"epochs": 1, "crop": 0, "clip": 0.5, "label_smoothing": 0.1, "weight_decay": 0.01})
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    ours, reference = training(digits, protocol, copy.deepcopy(network)), network
    velocity = [torch.zeros_like(p) for p in reference.parameters()]
    plan = ours._augmentation.plan(7, 0)
    for step in range(2):
        images, labels = ours._augmentation.batch(plan, step * 128, (step + 1) * 128)
        scores = reference(images)
        smooth = 0.9 * torch.nn.functional.one_hot(labels, 10) + 0.01
        loss = -(smooth * scores.log_softmax(1)).sum(1).mean()
        gradients = torch.autograd.grad(loss, list(reference.parameters()))
        norm = torch.stack([g.norm() for g in gradients]).norm()
        rate = learning_rate(protocol, step, 8)
        with torch.no_grad():
            for p, v, g in zip(reference.parameters(), velocity, gradients, strict=True):
                decayed = g * min(1.0, 0.5 / float(norm)) + 0.01 * p
                v.mul_(0.9).add_(decayed)
                p.sub_(rate * (decayed + 0.9 * v))
    stops = iter([None, None, Stopped("yield")])

    def check() -> None:
        if (stop := next(stops)) is not None:
            raise stop

    with pytest.raises(Stopped):
        list(ours.epochs(check))
    for p, q in zip(ours.network.parameters(), reference.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-6)


def test_when_memory_runs_out_the_step_is_done_in_pieces_with_the_same_gradients(digits: Images) -> None:
    protocol = FAST.changed({"epochs": 1})
    torch.manual_seed(0)
    roomy, cramped = Cramped(64, 10, room=10**6), Cramped(64, 10, room=40)
    cramped.linear.load_state_dict(roomy.linear.state_dict())
    whole, pieces = training(digits, protocol, roomy), training(digits, protocol, cramped)
    finished(whole)
    finished(pieces)
    assert cramped.seen[:6] == [128, 64, 32, 32, 32, 32], (
        "128, then halves, then quarters, and then no more is tried than fits"
    )
    assert cramped.seen[2:34] == [32] * 32
    assert pieces.metrics()["pieces"] == 4
    assert "pieces" not in whole.metrics()
    for p, q in zip(cramped.parameters(), roomy.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-5)
    assert pieces.curve.last == whole.curve.last, "measured in smaller pieces too"


def test_a_network_that_two_images_are_too_many_for_is_out_of_memory(digits: Images) -> None:
    with pytest.raises(torch.OutOfMemoryError) as caught:
        finished(training(digits, FAST, Cramped(64, 10, room=1)))
    assert failure_of(caught.value).kind == "oom"


def test_a_training_that_diverges_says_so_at_the_end_of_the_epoch(digits: Images) -> None:
    with pytest.raises(FloatingPointError, match="learning_rate") as caught:
        finished(training(digits, FAST.changed({"learning_rate": 1e15})))
    assert failure_of(caught.value).kind == "nan"


def test_an_auxiliary_tower_adds_its_weighted_loss(digits: Images) -> None:
    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.main, self.side = (nn.Sequential(nn.Flatten(), nn.Linear(64, 10)) for _ in range(2))

        def forward(self, x: torch.Tensor) -> Any:
            return (self.main(x), self.side(x)) if self.training else self.main(x)

    run = training(digits, FAST.changed({"auxiliary": 0.4}), Tower())
    images, labels = run._augmentation.batch(run._augmentation.plan(7, 0), 0, 128)
    network = run.network
    expected = nn.functional.cross_entropy(network.main(images), labels) + 0.4 * nn.functional.cross_entropy(
        network.side(images), labels
    )
    assert float(run._gradients(images, labels)) == pytest.approx(expected.item(), rel=1e-5)
    finished(run)
    assert run.curve.last > 70


def test_rmsprop_is_tensorflow_s_but_for_where_epsilon_is(digits: Images) -> None:
    run = training(digits, FAST.changed({"optimiser": "rmsprop", "learning_rate": 0.2}))
    finished(run)
    assert math.isfinite(run.curve.losses[-1])
    assert run.curve.last > 60


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gpu_trains_the_same_network_as_a_cpu(precision: str) -> None:
    gpu = Execution(torch.device("cuda"), deterministic=False)
    protocol = FAST.changed({"precision": precision})
    data = Images.of(Digits(), protocol, gpu.device)
    torch.manual_seed(7)
    run = Training(perceptron(None, skeleton=None, classes=10, shape=(1, 8, 8)), data, protocol, seed=7, execution=gpu)
    finished(run)
    assert run.curve.last > 70


@pytest.mark.gpu
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_a_compiled_network_learns_and_keeps_its_names(mode: Any) -> None:
    gpu = Execution(torch.device("cuda"), deterministic=False, compile=mode)
    data = Images.of(Digits(), FAST, gpu.device)
    run = Training(perceptron(None, skeleton=None, classes=10, shape=(1, 8, 8)), data, FAST, seed=7, execution=gpu)
    assert all(not name.startswith("_orig_mod") for name in finished(run)["network"])
    assert run.curve.last > 70
