"""Language models: perplexity against the textbook, and a training that can be taken up anywhere."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from bonanza.spaces import space_from_spec
from bonanza.worker import data, networks
from bonanza.worker.data.place import UnusableData
from bonanza.worker.data.text import Corpus
from bonanza.worker.evaluator import BrokenEvaluator, Stopped, TrialContext
from bonanza.worker.execution import Execution
from bonanza.worker.language import EVALUATION_STREAMS, LanguageTraining, steps_an_epoch, streams
from bonanza.worker.networks import Dropouts
from bonanza.worker.protocol import LanguageProtocol
from bonanza.worker.protocols import LANGUAGE_PROXY
from bonanza.worker.train_evaluator import TrainEvaluator

HERE = Execution(torch.device("cpu"), deterministic=True)
TINY = LANGUAGE_PROXY.changed({"epochs": 2, "batch": 4, "steps": 7, "width": 8, "learning_rate": 5.0, "outputs": 0.2})
CELL = space_from_spec({"kind": "recurrent", "nodes": 2}).sample(random.Random(0))


def write(folder: Path, words: int = 60) -> Path:
    """A text of rules: after each word comes one of two."""
    rng = random.Random(0)
    for part, lines in (("train", words), ("valid", 30), ("test", 30)):
        word, out = 0, []
        for _ in range(lines):
            line = []
            for _ in range(9):
                word = (2 * word + rng.randint(0, 1)) % 13
                line.append(f"w{word}")
            out.append(" ".join(line))
        (folder / f"{part}.txt").write_text("\n".join(out) + "\n")
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return data.corpus(f"text:{write(tmp_path)}")


def training(corpus: Corpus, protocol: LanguageProtocol = TINY) -> LanguageTraining:
    torch.manual_seed(3)
    network = networks.build_language_model(
        CELL.space, CELL, tokens=corpus.tokens, width=protocol.width, dropouts=Dropouts(outputs=protocol.outputs)
    )
    return LanguageTraining(network, corpus, protocol, execution=HERE)


def state(run: LanguageTraining) -> dict[str, Any]:
    return {name: value for name, value in run.state().items() if name not in {"seconds", "network", "optimiser"}}


def weights(run: LanguageTraining) -> list[torch.Tensor]:
    return list(run.network.state_dict().values())


def test_a_text_is_cut_into_streams_side_by_side() -> None:
    cut = streams(torch.arange(11), 3, HERE.device, "t")
    assert cut.t().tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    with pytest.raises(UnusableData, match="too few for 6 streams"):
        streams(torch.arange(11), 6, HERE.device, "t")
    assert steps_an_epoch(100, TINY) == math.ceil(24 / 7)


def test_the_perplexity_of_a_guess_is_the_vocabulary_and_of_a_known_text_is_one(corpus: Corpus) -> None:
    class Guess(nn.Module):
        def __init__(self, knows: bool) -> None:
            super().__init__()
            self.weight, self.knows = nn.Parameter(torch.zeros(1)), knows

        def forward(self, ids: torch.Tensor, hidden: Any) -> Any:
            scores = torch.zeros(*ids.shape, corpus.tokens)
            if self.knows:
                scores.scatter_(2, ((ids + 1) % corpus.tokens)[..., None], 50.0)
            return scores, torch.zeros(1)

    text = (torch.arange(60) % corpus.tokens)[:, None].expand(-1, EVALUATION_STREAMS)
    for knows, expected in ((False, corpus.tokens), (True, 1.0)):
        run = LanguageTraining(Guess(knows), corpus, TINY, execution=HERE)
        assert run.perplexity(text) == pytest.approx(expected, rel=1e-4)


def test_a_language_model_learns_the_rules_of_its_text(corpus: Corpus) -> None:
    run = training(corpus, TINY.changed({"epochs": 20, "width": 24, "outputs": 0.0, "clip": 0.5}))
    list(run.epochs())
    assert run.curve.best < 4  # of 14 words; the text's own is about 2: after each word comes one of two
    assert run.curve.best == min(run.curve.values)
    assert run.metrics()["perplexity_best"] == run.curve.best


@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
@pytest.mark.parametrize("stop_at", [0, 9, 25])
def test_a_training_taken_up_at_any_step_ends_as_an_unbroken_one(stop_at: int, schedule: str, corpus: Corpus) -> None:
    protocol = TINY.changed({"schedule": schedule})
    unbroken = training(corpus, protocol)
    list(unbroken.epochs())
    steps = iter(range(10_000))

    def check() -> None:
        if next(steps) == stop_at:
            raise Stopped("yield")

    first = training(corpus, protocol)
    with pytest.raises(Stopped):
        list(first.epochs(check))
    kept = first.state()
    second = training(corpus, protocol)
    torch.manual_seed(99)
    second.restore(kept)
    list(second.epochs())
    assert second.curve == unbroken.curve
    assert all(torch.equal(a, b) for a, b in zip(weights(second), weights(unbroken), strict=True))
    assert torch.equal(state(second)["generator"], state(unbroken)["generator"])


def test_the_rate_is_divided_after_an_epoch_without_progress(corpus: Corpus) -> None:
    run = training(corpus, TINY.changed({"learning_rate": 1e-9, "epochs": 3, "clip": 0.0}))
    run.curve.add(accuracy=1.0, loss=0.0)  # nothing is better than that
    run.epoch = 1
    list(run.epochs())
    assert run.state()["rate"] == pytest.approx(1e-9 / 16)


def test_a_recurrent_cell_is_searched_on_text_and_told_by_its_perplexity(tmp_path: Path) -> None:
    protocol = {"name": "language-proxy", "epochs": 2, "batch": 4, "width": 8}
    evaluator = TrainEvaluator(f"text:{write(tmp_path)}", protocol=protocol, checkpoints=tmp_path / "c")
    evaluator.check(CELL.space)
    result = evaluator.evaluate(CELL, TrialContext(seed=1))
    assert result.value == result.metrics["perplexity_last"] >= result.metrics["perplexity_best"] > 1
    with pytest.raises(BrokenEvaluator, match=r"proxy trains on images, and text.* is text: take language"):
        TrainEvaluator(f"text:{tmp_path}", protocol={"name": "proxy"})
    with pytest.raises(BrokenEvaluator, match="no network for the space 'nasbench201'"):
        evaluator.check(space_from_spec({"kind": "nasbench201"}))
