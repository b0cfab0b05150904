"""Whether pretraining on other studies helps this one: judged by results that came after what a model was trained on.

Transfer can do harm where the source does not fit, as another data set or another way of training may not. So both models, pretrained and from scratch, are
made of the first results, and both say what they expect of the next ones (prequentially: Dawid 1984). The pretrained one is used where it was closer to them,
by more than one in twenty differences by luck would be (``SURE``), and ordered them better; both, because either alone is too often luck. Not by the likelihood, which is a
matter of the regression's variances first.
BONAS has no such guard (Shi et al. 2020, arXiv 1911.09336, section 4.4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bonanza_server.search.correlation import spearman
from bonanza_server.search.embedder import Embedder, Sample, embedder
from bonanza_server.search.history import History
from bonanza_server.search.options import BonasOptions
from bonanza_server.search.surrogates.bayesian_regression import BayesianRegression
from bonanza_server.search.targets import TargetScale

SPLITS = 4
"""The newest splits are judged: each costs two trainings, once in the life of a process."""
SURE = 1.645
"""Standard errors that a gain must be greater than."""
LEAST = 4
"""Results below which nothing can be judged."""


@dataclass(frozen=True)
class Foresight:
    """How well results were foreseen: the squared error of each in spreads of the targets, and Spearman's rank correlation."""

    squared_errors: tuple[float, ...]
    rank_correlation: float

    def beats(self, other: Foresight) -> bool:
        """Whether this one was better by both, of the same results: a gain that may be luck is none."""
        gains = np.subtract(other.squared_errors, self.squared_errors)
        error = np.std(gains, ddof=1) / np.sqrt(len(gains))
        return bool(np.mean(gains) > SURE * error) and self.rank_correlation > other.rank_correlation

    @property
    def diagnostics(self) -> dict[str, float]:
        """The mean squared error and the rank correlation, in JSON types."""
        return {"squared_error": float(np.mean(self.squared_errors)), "rank_correlation": self.rank_correlation}


@dataclass(frozen=True)
class Transfer:
    """The embedder that was chosen, and both models' foresight, None where there is no source or nothing could be judged yet."""

    embedder: Embedder
    pretrained: bool
    judged: dict[str, Foresight] | None = None

    @property
    def diagnostics(self) -> dict[str, Any]:
        """In JSON types."""
        judged = {name: found.diagnostics for name, found in (self.judged or {}).items()}
        return {"pretrained": self.pretrained, "foresight": judged or None}


def splits(n: int, every: int) -> list[tuple[int, int]]:
    """(trained on the first so many, judged by those up to so many), of n results: the newest ``SPLITS``, oldest first.

    They end where a predictor is trained anew, so that each is one that an earlier fit has trained already; before the first such place the
    results are halved.
    """
    if n < LEAST:
        return []
    first = min(n, every)
    found = [(first // 2, first)] + [(done, min(done + every, n)) for done in range(every, n, every)]
    return [(done, until) for done, until in found if done >= LEAST // 2][-SPLITS:]


def transferred(history: History, trained_on: int, options: BonasOptions) -> Transfer:
    """The better of the embedders with and without the history's sources, both trained on the first ``trained_on`` observations."""
    sources = tuple(
        Sample.of(source.observations, maximize=source.maximize) for source in history.sources if source.observations
    )
    observed = history.observations

    def made(first: int, *, pretrained: bool) -> Embedder:
        sample = Sample.of(observed[:first], maximize=history.maximize)
        return embedder(sample, options, sources if pretrained else ())

    if not sources:
        return Transfer(made(trained_on, pretrained=False), False)
    places = splits(len(observed), options.retrain_every)
    if not places:  # who names a source thinks that it fits
        return Transfer(made(trained_on, pretrained=True), True)
    scratch, pretrained = (
        foresight([(made(done, pretrained=with_sources), done, until) for done, until in places], history)
        for with_sources in (False, True)
    )
    better = pretrained.beats(scratch)
    return Transfer(made(trained_on, pretrained=better), better, {"scratch": scratch, "pretrained": pretrained})


def foresight(trained: Sequence[tuple[Embedder, int, int]], history: History) -> Foresight:
    """How well embedders, each with the number of results it was trained on, foresaw those up to a second number, all taken together."""
    scale = TargetScale.of([observed.value for observed in history.observations], maximize=history.maximize)
    foreseen, came = [], []
    for model, done, until in trained:
        before, after = history.observations[:done], history.observations[done:until]
        targets = scale.targets([observed.value for observed in before])
        regression = BayesianRegression.fit(model.embed([observed.architecture for observed in before]), targets)
        foreseen.append(regression.predict(model.embed([observed.architecture for observed in after]))[0])
        came.append(scale.targets([observed.value for observed in after]))
    mean, t = np.concatenate(foreseen), np.concatenate(came)
    return Foresight(tuple(((mean - t) ** 2).tolist()), spearman(mean, t) or 0.0)
