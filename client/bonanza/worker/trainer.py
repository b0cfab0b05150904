"""A network's training on images, as a protocol says.

The data lie on the device as u8; a batch is one gather that crops and flips, then auto-augment, standardisation, cutout (``augment.py``). SGD with
Nesterov's momentum, a cosine schedule over all steps, cross entropy; channels last, a fused optimiser and autocast to bfloat16 on a GPU.
No step waits for the device: the loss is read once an epoch. After every epoch the accuracy on the measured part is taken.

Everything that decides the rest of the curve is in ``state()``. Epoch and step say which batch comes next, since an epoch's plan is a function of
(seed, epoch); what the network itself draws (drop-path, dropout) comes from torch's global generator, whose state is kept too.

When memory runs out, the step is done again in pieces of half the size, their gradients added up, and so is every step after it. Batch
normalisation then sees pieces, not batches; the metric ``pieces`` tells.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import torch
from torch import Tensor, nn

from bonanza.worker.augment import Augmentation
from bonanza.worker.curve import Curve
from bonanza.worker.data.images import Images, Part
from bonanza.worker.execution import Execution
from bonanza.worker.failures import failure_of
from bonanza.worker.networks import set_drop_path
from bonanza.worker.protocol import Protocol

EVALUATION_BATCH: Final = 1024


class Training:
    """One network on its way; ``epoch`` and ``step`` are what comes next."""

    def __init__(
        self, network: nn.Module, data: Images, protocol: Protocol, *, seed: int, execution: Execution
    ) -> None:
        """Move the network to the device and be ready at epoch 0.

        Args:
            network: answers class scores, or in training mode ``(scores, auxiliary scores)``.
            data: on the device of ``execution``.
            protocol: how to train.
            seed: of the batches' order and their augmentation; torch's global generator is the caller's to seed.
            execution: where.
        """
        self.network = network.to(execution.device, memory_format=execution.memory_format)  # type: ignore[call-overload]
        self.curve = Curve()
        self.epoch = self.step = 0
        self.pieces = 1
        self.seconds = 0.0
        self._protocol, self._data, self._execution, self._seed = protocol, data, execution, seed
        self._augmentation = Augmentation(data, protocol)
        self._steps = len(data.train) // protocol.batch
        self._evaluated_at_once = EVALUATION_BATCH
        self._loss = torch.zeros((), device=execution.device)
        self._optimiser = _optimiser(self.network, protocol)
        self._model = torch.compile(self.network, mode=execution.compile) if execution.compile else self.network

    def epochs(self, check: Callable[[], None] = lambda: None) -> Iterator[int]:
        """Train epoch by epoch; yields each epoch's number once ``curve`` has its accuracy.

        ``check`` is called before every step and may raise: what is trained so far is whole then, and can be gone on with.

        Raises:
            FloatingPointError: the loss is no number any more.
        """
        while self.epoch < self._protocol.epochs:
            began = time.monotonic()
            try:
                self._train(check)
                self.curve.add(accuracy=self.accuracy(self._data.measured), loss=self._mean_loss())
                self.epoch, self.step = self.epoch + 1, 0
                self._loss.zero_()
            finally:
                self.seconds += time.monotonic() - began
            yield self.epoch - 1

    def _train(self, check: Callable[[], None]) -> None:
        """What is left of this epoch."""
        plan = self._augmentation.plan(self._seed, self.epoch)
        self.network.train()
        set_drop_path(
            self.network, self._protocol.drop_path * self.epoch / self._protocol.epochs
        )  # as DARTS: from 0 up
        batch = self._protocol.batch
        while self.step < self._steps:
            check()
            images, labels = self._augmentation.batch(plan, self.step * batch, (self.step + 1) * batch)
            images = images.contiguous(memory_format=self._execution.memory_format)
            for group in self._optimiser.param_groups:
                group["lr"] = learning_rate(self._protocol, self.epoch * self._steps + self.step, self._steps)
            self._loss += self._gradients(images, labels)
            if self._protocol.clip:
                nn.utils.clip_grad_norm_(self.network.parameters(), self._protocol.clip)
            self._optimiser.step()
            self.step += 1

    def _gradients(self, images: Tensor, labels: Tensor) -> Tensor:
        """Leave the gradients of the batch's mean loss in the parameters; returns that loss, on the device."""
        while True:
            self._optimiser.zero_grad(set_to_none=True)
            try:
                total = torch.zeros_like(self._loss)
                for x, y in zip(images.chunk(self.pieces), labels.chunk(self.pieces), strict=True):
                    loss = self._loss_of(x, y) * (len(x) / len(images))
                    loss.backward()  # type: ignore[no-untyped-call]
                    total += loss.detach()
            except (RuntimeError, MemoryError) as error:
                # one image has no variance to normalise by
                if failure_of(error).kind != "oom" or len(images) // (2 * self.pieces) < 2:
                    raise
            else:
                return total
            self.pieces *= 2  # after the handler, which holds the memory of the frames that failed
            _give_back_memory(self._execution)

    def _loss_of(self, images: Tensor, labels: Tensor) -> Tensor:
        with self._autocast():
            answer = self._model(images)
            scores, auxiliary = answer if isinstance(answer, tuple) else (answer, None)
            loss = self._criterion(scores, labels)
            return loss if auxiliary is None else loss + self._protocol.auxiliary * self._criterion(auxiliary, labels)

    def _criterion(self, scores: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(scores.float(), labels, label_smoothing=self._protocol.label_smoothing)

    def _autocast(self) -> torch.autocast:
        """To bfloat16 where the protocol says so and the device is a GPU: most CPUs only emulate it."""
        enabled = self._protocol.precision == "bfloat16" and self._execution.on_cuda
        return torch.autocast(self._execution.device.type, torch.bfloat16, enabled=enabled)

    def _mean_loss(self) -> float:
        mean = float(self._loss) / self._steps
        if not math.isfinite(mean):
            raise FloatingPointError(
                f"the training loss is {mean} in epoch {self.epoch}; a lower learning_rate in the protocol may help, or clip=5"
            )
        return mean

    def accuracy(self, part: Part) -> float:
        """Share of the part's images that the network, in evaluation mode, classifies right, in percent."""
        self.network.eval()
        while True:
            try:
                return 100 * self._right(part) / len(part)
            except (RuntimeError, MemoryError) as error:
                if failure_of(error).kind != "oom" or self._evaluated_at_once == 1:
                    raise
            self._evaluated_at_once = (min(self._evaluated_at_once, len(part)) + 1) // 2
            _give_back_memory(self._execution)

    @torch.no_grad()
    def _right(self, part: Part) -> int:
        """How many images are classified right."""
        right = torch.zeros((), dtype=torch.int64, device=self._execution.device)
        for begin in range(0, len(part), self._evaluated_at_once):
            some = slice(begin, begin + self._evaluated_at_once)
            images = self._data.standardised(part.images[some]).contiguous(memory_format=self._execution.memory_format)
            with self._autocast():
                scores = self.network(images)
            right += (scores.argmax(1) == part.labels[some]).sum()
        return int(right)

    def point(self) -> dict[str, float]:
        """What is reported of the last epoch."""
        return {"accuracy": self.curve.last, "loss": self.curve.losses[-1]}

    def metrics(self) -> dict[str, float]:
        """What is told besides the value; ``pieces`` only where memory ran out."""
        return self.curve.metrics("accuracy") | ({"pieces": self.pieces} if self.pieces > 1 else {})

    def test(self) -> dict[str, float]:
        """The accuracy on the test part, by the last epoch's weights."""
        assert self._data.test is not None
        return {"test_accuracy": self.accuracy(self._data.test)}

    def state(self) -> dict[str, Any]:
        """All that the rest of the curve depends on, for ``restore``."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "pieces": self.pieces,
            "seconds": self.seconds,
            "curve": self.curve.state(),
            "loss": self._loss.cpu(),
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "generator": torch.get_rng_state(),
            "device_generator": torch.cuda.get_rng_state(self._execution.device) if self._execution.on_cuda else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where another training of the same was."""
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._loss = state["loss"].to(self._execution.device)
        self.curve = Curve.restored(state["curve"])
        self.epoch, self.step, self.pieces, self.seconds = (
            state[name] for name in ("epoch", "step", "pieces", "seconds")
        )
        torch.set_rng_state(state["generator"])
        if self._execution.on_cuda and state["device_generator"] is not None:
            torch.cuda.set_rng_state(state["device_generator"], self._execution.device)


def learning_rate(protocol: Protocol, step: int, steps: int) -> float:
    """The rate of a step, of ``steps`` an epoch: a linear rise, then a cosine (Loshchilov and Hutter 2017, eq. 5)."""
    warmup, total = protocol.warmup_epochs * steps, protocol.epochs * steps
    if step < warmup:
        return protocol.learning_rate * (step + 1) / warmup
    done = (step - warmup) / (total - warmup)
    low = protocol.final_learning_rate
    return low + (protocol.learning_rate - low) * (1 + math.cos(math.pi * done)) / 2


def _optimiser(network: nn.Module, protocol: Protocol) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if protocol.optimiser == "rmsprop":
        return torch.optim.RMSprop(
            parameters,
            lr=protocol.learning_rate,
            alpha=0.9,
            eps=1.0,
            momentum=protocol.momentum,
            weight_decay=protocol.weight_decay,
        )
    return torch.optim.SGD(
        parameters,
        lr=protocol.learning_rate,
        momentum=protocol.momentum,
        weight_decay=protocol.weight_decay,
        nesterov=protocol.momentum > 0,
        fused=True,
    )


def _give_back_memory(execution: Execution) -> None:
    if execution.on_cuda:
        torch.cuda.empty_cache()
