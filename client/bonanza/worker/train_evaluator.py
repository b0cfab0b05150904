"""The evaluator ``train:DATA``: builds an architecture's network and trains it for real, on images or on text.

A training that was stopped or killed is taken up where its last checkpoint is (``checkpoint.py``); one that is over leaves none.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from typing import Protocol as Interface

import torch
from torch import nn

from bonanza.spaces import Architecture, SearchSpace
from bonanza.worker import data, networks
from bonanza.worker.checkpoint import Checkpoint, default_folder, key_of, sweep
from bonanza.worker.curve import Curve
from bonanza.worker.data.images import Images
from bonanza.worker.data.place import UnusableData
from bonanza.worker.data.text import Corpus
from bonanza.worker.evaluator import BrokenEvaluator, Stopped, TrialContext
from bonanza.worker.execution import Execution, use_one_thread_on_a_cpu
from bonanza.worker.interruption import Interruption
from bonanza.worker.language import LanguageTraining, steps_an_epoch
from bonanza.worker.networks import Dropouts, NoNetwork, Skeleton
from bonanza.worker.protocol import InvalidProtocol, LanguageProtocol, Protocol, Recipe
from bonanza.worker.protocols import for_data, from_json, protocol_hash
from bonanza.worker.result import Result
from bonanza.worker.trainer import Training

log = logging.getLogger("bonanza.worker")

COUNTED_IN_ALL: Final = frozenset({"darts", "nasnet"})
"""Kinds of space whose ``cells`` are those of the whole network, which needs three to have a cell of each role where it should be."""


class Trains(Interface):
    """What the two trainings, on images and on text, have in common."""

    network: nn.Module
    curve: Curve
    epoch: int
    seconds: float

    def epochs(self, check: Callable[[], None]) -> Iterator[int]:
        """Train epoch by epoch."""

    def point(self) -> dict[str, float]:
        """What is reported of the last epoch."""

    def metrics(self) -> dict[str, float]:
        """What is told besides the value."""

    def test(self) -> dict[str, float]:
        """The test part measured, in a metric."""

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""

    def restore(self, state: dict[str, Any]) -> None:
        """From one."""


@dataclass(frozen=True)
class Trained:
    """What a training came to: the result to be told, the network, and its curve."""

    result: Result
    network: nn.Module
    curve: Curve


class TrainEvaluator:
    """Builds an architecture's network and trains it."""

    grace_s = 5.0

    def __init__(
        self,
        dataset: str,
        *,
        protocol: Mapping[str, Any] | Recipe | None = None,
        execution: Execution | None = None,
        checkpoints: Path | None = None,
        every: int | None = None,
        may_test: bool = False,
    ) -> None:
        """Load the data onto the device.

        Args:
            dataset: as ``bonanza.worker.data`` names them.
            protocol: the study's, or one that is spelled out; without one, that of the kind of data.
            execution: where and how; as the environment says where left out.
            checkpoints: the folder for them; ``default_folder()`` where left out.
            every: epochs between checkpoints; ``BONANZA_CHECKPOINT_EVERY`` where left out, and without it every half minute.
            may_test: whether the protocol may measure the test part, which no search should see.

        Raises:
            BrokenEvaluator: no such data, a protocol that is not to be obeyed, or the two do not go together.
        """
        self.dataset = dataset
        self.execution = execution or Execution.here()
        use_one_thread_on_a_cpu(self.execution.device)
        self._checkpoints = checkpoints or default_folder()
        self._every = int(os.environ.get("BONANZA_CHECKPOINT_EVERY", "0")) if every is None else every
        sweep(self._checkpoints)
        self._loaded: dict[tuple[object, ...], Images | Corpus] = {}
        try:
            data.is_text(dataset)  # such data there must be before a protocol is chosen for them
            self.protocol = protocol if isinstance(protocol, Recipe) else from_json(protocol, for_data(dataset))
            self._hash = protocol_hash(protocol) if isinstance(protocol, Mapping) else self.protocol.hash
            self._refuse(self.protocol, may_test=may_test)
            self._data(self.protocol)
        except InvalidProtocol as error:
            raise BrokenEvaluator(f"train:{dataset} cannot follow the study's protocol: {error}") from error
        except UnusableData as error:
            raise BrokenEvaluator(str(error)) from error

    def check(self, space: SearchSpace) -> None:
        """Build the networks of some cells of the space, without memory for their weights.

        Raises:
            BrokenEvaluator: the space has cells there is no network for, or none by this protocol.
        """
        rng = random.Random(0)
        try:
            self._refuse_too_few_cells(space)
            with torch.device("meta"):
                for _ in range(8):
                    self._build(space.sample(rng), self.protocol)
        except (NoNetwork, networks.InvalidSkeleton) as error:
            raise BrokenEvaluator(
                f"train:{self.dataset} has no network for the space {space.kind!r}: {error}"
            ) from error

    def evaluate(self, architecture: Architecture, trial: TrialContext) -> Result:
        """Train once, by ``trial.seed``, and by ``trial.protocol`` where the trial has one of its own.

        Raises:
            FloatingPointError: the loss is no number any more.
            Stopped: the server wanted the training to end; pruned, it answers with the value so far instead.
        """
        return self.train(architecture, trial).result

    def train(self, architecture: Architecture, trial: TrialContext) -> Trained:
        """The same, with the network.

        Raises:
            FloatingPointError: the loss is no number any more.
            Stopped: the training was wanted to end.
            InvalidProtocol: the trial's own protocol is none that can be followed here.
        """
        protocol = self.protocol
        if trial.protocol is not None:
            protocol = from_json(trial.protocol, self.protocol)
            self._refuse(protocol, may_test=True)  # a trial by a protocol of its own is kept from the model
        with self.execution.set_up():
            training = self._training(architecture, protocol, trial.seed)
            checkpoint = Checkpoint(
                self._checkpoints,
                key_of(
                    space=architecture.space.kind,
                    architecture=architecture.json,
                    protocol=protocol.hash,
                    data=self._data(protocol).fingerprint,
                    seed=trial.seed,
                ),
                every=self._every,
            )
            if (state := checkpoint.load(trial.checkpoint)) is not None:
                training.restore(state)
                log.info("taken up again after %d epochs", training.epoch)
            stopped = self._pursue(training, trial, checkpoint)
            tested = training.test() if protocol.test and stopped is None else {}
        checkpoint.remove()
        result = Result(
            training.curve.told(protocol.objective),
            metrics={
                **training.metrics(),
                **tested,
                "params": networks.parameter_count(training.network),
            },
            cost={"seconds": training.seconds},
            outcome="complete" if stopped is None else "pruned",
            protocol=self._hash if trial.protocol is None else protocol_hash(trial.protocol),
        )
        return Trained(result, training.network, training.curve)

    def _pursue(self, training: Trains, trial: TrialContext, checkpoint: Checkpoint) -> Stopped | None:
        """Train to the end, or until it is wanted to end; what is pruned returns why.

        Raises:
            Stopped: with a checkpoint where the trial is to be gone on with by another attempt.
        """
        with Interruption() as interruption:

            def check() -> None:
                if interruption.asked:
                    raise Stopped("yield")
                trial.check()

            try:
                for epoch in training.epochs(check):
                    if checkpoint.due(training.epoch):
                        checkpoint.save(training.state())
                    trial.report(epoch, **training.point())
            except Stopped as stopped:
                if stopped.directive == "prune":
                    return stopped
                if stopped.directive != "yield":
                    checkpoint.remove()
                    raise
                raise Stopped("yield", checkpoint=checkpoint.save(training.state())) from None
        return None

    def _training(self, architecture: Architecture, protocol: Recipe, seed: int) -> Trains:
        """A training at its beginning; the seed is also torch's, for the initial weights and what the network draws."""
        torch.manual_seed(seed)
        network = self._build(architecture, protocol)
        if isinstance(protocol, LanguageProtocol):
            return LanguageTraining(network, self._corpus(protocol), protocol, execution=self.execution)
        assert isinstance(protocol, Protocol)
        return Training(network, self._images(protocol), protocol, seed=seed, execution=self.execution)

    def _build(self, architecture: Architecture, protocol: Recipe) -> nn.Module:
        if isinstance(protocol, LanguageProtocol):
            return networks.build_language_model(architecture.space, architecture, **self._language(protocol))
        return networks.build(architecture.space, architecture, **self._image(protocol))

    def source(self, architecture: Architecture) -> str:
        """The network as one Python file that needs torch only, with the names of the weights as they are here.

        Raises:
            NoNetwork: there is none, or it is a builder's of the user's own.
        """
        if isinstance(self.protocol, LanguageProtocol):
            return networks.export_language_model(architecture.space, architecture, **self._language(self.protocol))
        return networks.export_code(architecture.space, architecture, **self._image(self.protocol))

    def _language(self, protocol: LanguageProtocol) -> dict[str, Any]:
        """What a language model is besides its cell."""
        return {
            "tokens": self._corpus(protocol).tokens,
            "width": protocol.width,
            "layers": protocol.layers,
            "dropouts": Dropouts(protocol.words, protocol.embedded, protocol.inputs, protocol.hidden, protocol.outputs),
        }

    def _image(self, protocol: Recipe) -> dict[str, Any]:
        """What a network for images is besides its architecture."""
        assert isinstance(protocol, Protocol)
        images = self._images(protocol)
        return {"skeleton": skeleton(protocol), "classes": images.classes, "shape": images.shape}

    @property
    def steps(self) -> int:
        """Steps an epoch of the protocol takes."""
        found = self._data(self.protocol)
        if isinstance(found, Images):
            return len(found.train) // self.protocol.batch
        assert isinstance(self.protocol, LanguageProtocol)
        return steps_an_epoch(len(found.train), self.protocol)

    def _images(self, protocol: Protocol) -> Images:
        """The images as this protocol splits them; kept, because a study's trials all ask for the same."""
        found = self._data(protocol)
        assert isinstance(found, Images)
        return found

    def _corpus(self, protocol: LanguageProtocol) -> Corpus:
        found = self._data(protocol)
        assert isinstance(found, Corpus)
        return found

    def _data(self, protocol: Recipe) -> Images | Corpus:
        how: tuple[object, ...] = ()
        if isinstance(protocol, Protocol):
            how = (
                protocol.validation,
                protocol.split_seed,
                protocol.fit,
                protocol.test,
                protocol.image_size,
                protocol.batch,
            )
        if how not in self._loaded:
            self._loaded.clear()  # two data sets on one device may be one too many
            if isinstance(protocol, Protocol):
                source = data.image_source(self.dataset, image_size=protocol.image_size)
                self._loaded[how] = Images.of(source, protocol, self.execution.device)
            else:
                self._loaded[how] = data.corpus(self.dataset)
        return self._loaded[how]

    def _refuse(self, protocol: Recipe, *, may_test: bool) -> None:
        """Nothing, where this protocol can be followed on these data.

        Raises:
            InvalidProtocol: it cannot.
        """
        wanted = "text" if data.is_text(self.dataset) else "images"
        if protocol.kind != wanted:
            raise InvalidProtocol(
                f"{protocol.name} trains on {protocol.kind}, and {self.dataset} is {wanted}: take {'language' if wanted == 'text' else 'proxy'}"
            )
        if protocol.data not in {"", self.dataset, self.dataset.partition(":")[0]}:
            raise InvalidProtocol(f"it is for the data {protocol.data!r}, and this worker has {self.dataset!r}")
        if protocol.test and not may_test:
            raise InvalidProtocol(
                f"{protocol.name} measures the test part, which a search must never see: say {{'name': {protocol.name!r}, 'fit': 'train', 'test': false}}"
                if isinstance(protocol, Protocol)
                else "test = true measures the test part, which a search must never see"
            )

    def _refuse_too_few_cells(self, space: SearchSpace) -> None:
        cells = self.protocol.cells if isinstance(self.protocol, Protocol) else None
        if space.kind in COUNTED_IN_ALL and cells is not None and cells < 3:
            raise BrokenEvaluator(
                f"the protocol {self.protocol.name!r} has {cells} of cells, which are counted in all in a network of the space {space.kind!r}, two of them "
                "reductions: take the protocol proxy-darts, or cells=3 or more"
            )


def skeleton(protocol: Protocol) -> Skeleton:
    """What a protocol says of the network around the cells."""
    return Skeleton(
        channels=protocol.channels,
        cells=protocol.cells,
        auxiliary=protocol.auxiliary > 0,
        builder=protocol.builder or None,
    )
