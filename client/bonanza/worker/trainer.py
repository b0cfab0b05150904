"""A real training of one architecture: ``train:digits``.

SGD with Nesterov momentum, a cosine schedule down to 0 over all steps, cross entropy, no augmentation; the data lies on the device as one
tensor and a batch is an index into it. After every epoch the validation accuracy is measured and reported. The value told is the last
epoch's or the best epoch's, as the protocol says; both are in the metrics. Seed, device and thread count decide the result.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from bonanza.spaces import Architecture, SearchSpace
from bonanza.worker.data import Dataset, Part, load_digits
from bonanza.worker.evaluator import BrokenEvaluator, Stopped, TrialContext
from bonanza.worker.networks import NoNetwork, Skeleton, build, parameter_count
from bonanza.worker.protocol import PROTOCOLS, InvalidProtocol, Protocol
from bonanza.worker.result import Result

LOADERS: Final = {"digits": load_digits}
EVALUATION_BATCH: Final = 1024


@dataclass
class Curve:
    """Validation accuracy in percent after each epoch so far, and the last epoch's mean training loss."""

    accuracies: list[float]
    loss: float = math.nan

    @property
    def last(self) -> float:
        """After the last epoch."""
        return self.accuracies[-1]

    @property
    def best(self) -> float:
        """After the best epoch."""
        return max(self.accuracies)

    def value(self, protocol: Protocol) -> float:
        """What the protocol tells."""
        return self.last if protocol.objective == "last" else self.best


class TrainEvaluator:
    """Builds an architecture's network and trains it."""

    grace_s = 0.0

    def __init__(self, dataset: str, *, protocol: Mapping[str, Any] | None = None) -> None:
        """Load the data onto the device.

        Args:
            dataset: ``digits``.
            protocol: the study's, which overrules the data set's own.

        Raises:
            BrokenEvaluator: no such data set, or a protocol that is not to be obeyed.
        """
        if dataset not in LOADERS:
            raise BrokenEvaluator(
                f"there is no data set {dataset!r} to train on: write train: and one of {', '.join(LOADERS)}"
            )
        try:
            self.protocol = PROTOCOLS[dataset].changed(protocol or {})
        except InvalidProtocol as error:
            raise BrokenEvaluator(f"train:{dataset} cannot follow the study's protocol: {error}") from error
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(
                1
            )  # small networks gain nothing from more, workers beside each other lose, and results depend on it
        data = LOADERS[dataset](split_seed=self.protocol.split_seed)
        self.data = Dataset(data.name, data.classes, data.train.to(self.device), data.validation.to(self.device))

    def check(self, space: SearchSpace) -> None:
        """Build the networks of a few cells of the space.

        Raises:
            BrokenEvaluator: the space has cells this trainer has no network for.
        """
        rng = random.Random(0)
        with torch.device("meta"):  # no weights: only whether there is a network
            for _ in range(32):
                try:
                    self._network(space, space.sample(rng))
                except NoNetwork as error:
                    raise BrokenEvaluator(str(error)) from error

    def evaluate(self, architecture: Architecture, trial: TrialContext) -> Result:
        """Train once, by ``trial.seed``.

        Raises:
            FloatingPointError: the loss is no number any more.
            Stopped: the server wanted the training to end; pruned, it answers with the value so far instead.
        """
        began = time.monotonic()
        torch.manual_seed(trial.seed)
        network = self._network(architecture.space, architecture).to(self.device)
        curve = Curve([])
        stopped: Stopped | None = None
        try:
            for epoch in train(network, self.data, self.protocol, curve):
                trial.report(epoch, accuracy=curve.last, loss=curve.loss)
        except Stopped as directed:
            if directed.directive != "prune":
                raise
            stopped = directed
        return Result(
            curve.value(self.protocol),
            metrics={
                "accuracy_last": curve.last,
                "accuracy_best": curve.best,
                "epoch_best": curve.accuracies.index(curve.best),
                "epochs": len(curve.accuracies),
                "train_loss": curve.loss,
                "params": parameter_count(network),
            },
            cost={"seconds": time.monotonic() - began},
            outcome="complete" if stopped is None else "pruned",
        )

    def _network(self, space: SearchSpace, architecture: Architecture) -> nn.Module:
        skeleton = Skeleton(self.protocol.channels, self.protocol.cells)
        channels, height, width = self.data.train.images.shape[1:]
        return build(space, architecture, skeleton=skeleton, classes=self.data.classes, shape=(channels, height, width))


def train(network: nn.Module, data: Dataset, protocol: Protocol, curve: Curve) -> Iterator[int]:
    """Train the network in place, epoch by epoch; yields each epoch's number once ``curve`` has its accuracy.

    Raises:
        FloatingPointError: the loss is no number any more.
    """
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=protocol.learning_rate,
        momentum=protocol.momentum,
        weight_decay=protocol.weight_decay,
        nesterov=protocol.momentum > 0,
    )
    n = len(data.train)
    steps = protocol.epochs * math.ceil(n / protocol.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    device = data.train.labels.device
    for epoch in range(protocol.epochs):
        network.train()
        losses: list[Tensor] = []
        # The order is drawn on the CPU, so that a seed means the same on every device.
        for batch in torch.split(torch.randperm(n).to(device), protocol.batch):
            loss = nn.functional.cross_entropy(network(data.train.images[batch]), data.train.labels[batch])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(loss.detach())  # read once an epoch: reading each would wait for the device each step
        curve.loss = float(torch.stack(losses).mean())
        if not math.isfinite(curve.loss):
            raise FloatingPointError(
                f"the training loss is {curve.loss} in epoch {epoch}; a lower learning_rate in the protocol may help"
            )
        curve.accuracies.append(accuracy(network, data.validation))
        yield epoch


@torch.no_grad()
def accuracy(network: nn.Module, part: Part) -> float:
    """Share of the part's images that the network, in evaluation mode, classifies right, in percent."""
    network.eval()
    right = 0
    for begin in range(0, len(part), EVALUATION_BATCH):
        batch = slice(begin, begin + EVALUATION_BATCH)
        right += int((network(part.images[batch]).argmax(dim=1) == part.labels[batch]).sum())
    return 100 * right / len(part)
