"""A language model's training, by truncated backpropagation through time.

The text is cut into ``batch`` streams of equal length that run side by side; ``steps`` tokens at a time go through the network, whose state is
handed on and whose gradient is not (Mikolov et al. 2010). After every epoch the perplexity of the validation text is taken, e to the mean
negative log-likelihood of a token. Everything that decides the rest of the curve is in ``state()``, the network's own state included, so that a training can
be taken up in the middle of an epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import torch
from torch import Tensor, nn

from bonanza.worker.curve import Curve
from bonanza.worker.data.place import UnusableData
from bonanza.worker.data.text import Corpus
from bonanza.worker.execution import Execution
from bonanza.worker.protocol import LanguageProtocol

EVALUATION_STREAMS: Final = 10
"""As every publication on Penn Treebank has it; the number changes the perplexity a little, for each stream begins without a past."""

PLATEAU: Final = 4.0


class LanguageTraining:
    """One language model on its way; ``epoch`` and ``step`` are what comes next."""

    def __init__(self, network: nn.Module, corpus: Corpus, protocol: LanguageProtocol, *, execution: Execution) -> None:
        """Be ready at epoch 0.

        Args:
            network: ``network(ids, state)`` answers scores (steps, batch, tokens) and the next state.
            corpus: the text.
            protocol: how to train.
            execution: where; torch's global generator, which the dropouts draw from, is the caller's to seed.

        Raises:
            UnusableData: the text is too short for so many streams.
        """
        self.network = network.to(execution.device)
        self.curve = Curve(falls=True)
        self.epoch = self.step = 0
        self.seconds = 0.0
        self._rate = protocol.learning_rate
        self._protocol, self._execution = protocol, execution
        self._train = streams(corpus.train, protocol.batch, execution.device, corpus.name)
        self._valid, self._test = (
            streams(part, EVALUATION_STREAMS, execution.device, corpus.name) for part in (corpus.valid, corpus.test)
        )
        self._steps = steps_an_epoch(len(corpus.train), protocol)
        self._hidden: Tensor | None = None
        self._loss = torch.zeros((), device=execution.device)
        self._optimiser = torch.optim.SGD(
            self.network.parameters(), lr=self._rate, weight_decay=protocol.weight_decay, fused=True
        )

    def epochs(self, check: Callable[[], None] = lambda: None) -> Iterator[int]:
        """Train epoch by epoch; yields each epoch's number once ``curve`` has its perplexity.

        ``check`` is called before every step and may raise: what is trained so far is whole then, and can be gone on with.

        Raises:
            FloatingPointError: the loss is no number any more.
        """
        while self.epoch < self._protocol.epochs:
            began = time.monotonic()
            try:
                self._run(check)
                loss = float(self._loss) / (len(self._train) - 1)
                if not math.isfinite(loss):
                    raise FloatingPointError(
                        f"the training loss is {loss} in epoch {self.epoch}; a lower learning_rate or clip in the protocol may help"
                    )
                perplexity = self.perplexity(self._valid)
                if self._protocol.schedule == "plateau" and len(self.curve) and perplexity >= self.curve.best:
                    self._rate /= PLATEAU
                self.curve.add(accuracy=perplexity, loss=loss)
                self.epoch, self.step, self._hidden = self.epoch + 1, 0, None
                self._loss.zero_()
            finally:
                self.seconds += time.monotonic() - began
            yield self.epoch - 1

    def _run(self, check: Callable[[], None]) -> None:
        """What is left of this epoch."""
        self.network.train()
        while self.step < self._steps:
            check()
            if self._protocol.schedule == "cosine":
                done = (self.epoch * self._steps + self.step) / (self._protocol.epochs * self._steps)
                self._rate = self._protocol.learning_rate * (1 + math.cos(math.pi * done)) / 2
            ids, targets = _window(self._train, self.step * self._protocol.steps, self._protocol.steps)
            for group in self._optimiser.param_groups:
                # a short window at the end has fewer tokens, and so a smaller step
                group["lr"] = self._rate * len(ids) / self._protocol.steps
            with self._autocast():
                scores, hidden = self.network(ids, self._hidden)
            loss = nn.functional.cross_entropy(scores.float().flatten(0, 1), targets.flatten())
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            if self._protocol.clip:
                nn.utils.clip_grad_norm_(self.network.parameters(), self._protocol.clip)
            self._optimiser.step()
            self._hidden = hidden.detach()
            self._loss += loss.detach() * len(ids)
            self.step += 1

    @torch.no_grad()
    def perplexity(self, text: Tensor) -> float:
        """Of streams (time, streams) of tokens."""
        self.network.eval()
        hidden: Tensor | None = None
        total = torch.zeros((), device=self._execution.device, dtype=torch.float64)
        for begin in range(0, len(text) - 1, self._protocol.steps):
            ids, targets = _window(text, begin, self._protocol.steps)
            with self._autocast():
                scores, hidden = self.network(ids, hidden)
            total += nn.functional.cross_entropy(scores.float().flatten(0, 1), targets.flatten(), reduction="sum")
        mean = float(total) / ((len(text) - 1) * text.shape[1])
        return math.exp(mean) if mean < 700 else math.inf

    def point(self) -> dict[str, float]:
        """What is reported of the last epoch."""
        return {"perplexity": self.curve.last, "loss": self.curve.losses[-1]}

    def metrics(self) -> dict[str, float]:
        """What is told besides the value."""
        return self.curve.metrics("perplexity")

    def test(self) -> dict[str, float]:
        """The perplexity of the test text, by the last epoch's weights."""
        return {"test_perplexity": self.perplexity(self._test)}

    def state(self) -> dict[str, Any]:
        """All that the rest of the curve depends on, for ``restore``."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": self.seconds,
            "rate": self._rate,
            "curve": self.curve.state(),
            "loss": self._loss.cpu(),
            "hidden": None if self._hidden is None else self._hidden.cpu(),
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "generator": torch.get_rng_state(),
            "device_generator": torch.cuda.get_rng_state(self._execution.device) if self._execution.on_cuda else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where another training of the same was."""
        device = self._execution.device
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._loss = state["loss"].to(device)
        self._hidden = None if state["hidden"] is None else state["hidden"].to(device)
        self.curve = Curve.restored(state["curve"], falls=True)
        self.epoch, self.step, self.seconds, self._rate = (state[name] for name in ("epoch", "step", "seconds", "rate"))
        torch.set_rng_state(state["generator"])
        if self._execution.on_cuda and state["device_generator"] is not None:
            torch.cuda.set_rng_state(state["device_generator"], device)

    def _autocast(self) -> torch.autocast:
        enabled = self._protocol.precision == "bfloat16" and self._execution.on_cuda
        return torch.autocast(self._execution.device.type, torch.bfloat16, enabled=enabled)


def steps_an_epoch(tokens: int, protocol: LanguageProtocol) -> int:
    """Windows of ``steps`` tokens in the streams of a text of so many tokens; the last may be short."""
    return math.ceil((tokens // protocol.batch - 1) / protocol.steps)


def streams(text: Tensor, n: int, device: torch.device, name: str) -> Tensor:
    """A text (tokens,) as n streams side by side, (tokens // n, n); what is left over is left out.

    Raises:
        UnusableData: there are not two tokens a stream.
    """
    length = len(text) // n
    if length < 2:
        raise UnusableData(
            f"{name} has a part of {len(text)} tokens, too few for {n} streams of it: say a smaller batch, or take more text"
        )
    return text[: length * n].view(n, length).t().contiguous().to(device)


def _window(text: Tensor, begin: int, steps: int) -> tuple[Tensor, Tensor]:
    """Tokens and the tokens after them, each (steps, streams), fewer at the end."""
    end = min(begin + steps, len(text) - 1)
    return text[begin:end], text[begin + 1 : end + 1]
