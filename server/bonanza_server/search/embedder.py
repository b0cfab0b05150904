"""What BONAS' regression reads of a cell: the embedding of a predictor that was trained on measured cells.

Shi et al. 2020 (arXiv 1911.09336), section 3.1 and 4.4.2: with pretraining, a predictor is trained on the cells of other studies, of the same ops, and then
goes on with this study's. Every study's values are standardised by themselves, so that their units and data sets may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from bonanza.spaces import Architecture, LabelledDag
from bonanza_server.search.cell_text import MOST_VERTICES
from bonanza_server.search.graph_tensors import GraphEncoder
from bonanza_server.search.history import Observation
from bonanza_server.search.options import BonasOptions
from bonanza_server.search.surrogates.graph_network import GraphNetwork
from bonanza_server.search.surrogates.perceptron import CODE_WIDTHS, Perceptron
from bonanza_server.search.surrogates.predictor import Body, Predictor, PredictorTraining, train
from bonanza_server.search.surrogates.token_lstm import TokenLstm
from bonanza_server.search.targets import TargetScale

CHUNK = 2_000
"""Graphs embedded at once, which bounds the memory."""


@dataclass(frozen=True)
class Sample:
    """Measured cells and their targets, larger is better."""

    cells: tuple[Architecture, ...]
    targets: tuple[float, ...]

    @classmethod
    def of(cls, observations: Sequence[Observation], *, maximize: bool) -> Sample:
        """Those of one study."""
        values = [observed.value for observed in observations]
        targets = TargetScale.of(values, maximize=maximize).targets(values)
        return cls(tuple(observed.architecture for observed in observations), tuple(targets.tolist()))


@dataclass(frozen=True)
class Embedder:
    """A trained predictor and the graphs it reads."""

    encoder: GraphEncoder
    predictor: Predictor
    canonical: bool

    def embed(self, cells: Sequence[Architecture]) -> NDArray[np.float64]:
        """The embeddings, (n, E)."""
        graphs = [graph_of(cell, canonical=self.canonical) for cell in cells]
        chunks = (graphs[first : first + CHUNK] for first in range(0, len(graphs), CHUNK))
        embedded = [self.predictor.embeddings(self.encoder.encode(chunk)).numpy() for chunk in chunks]
        return np.concatenate(embedded).astype(np.float64)


def graph_of(cell: Architecture, *, canonical: bool) -> LabelledDag:
    """The graph that the predictor reads."""
    return cell.space.canonical(cell) if canonical else cell.space.graph(cell)


@lru_cache(maxsize=32)
def embedder(sample: Sample, options: BonasOptions, sources: tuple[Sample, ...] = ()) -> Embedder:
    """The embedder trained on ``sample``, of at least one cell, after ``sources``; kept, because the next k - 1 fits of the study ask for it again."""
    if not sources:
        return _trained((sample,), options)
    begun = _pretrained(sources, options)
    predictor = deepcopy(begun.predictor)
    generator = torch.Generator().manual_seed(len(sample.cells))
    _train(predictor, begun.encoder, [_graphs(sample, options)], (sample,), options, generator)
    return Embedder(begun.encoder, predictor, options.canonical)


def _trained(samples: tuple[Sample, ...], options: BonasOptions) -> Embedder:
    """The embedder trained on all ``samples`` together, from new weights."""
    graphs = [_graphs(sample, options) for sample in samples]
    encoder = GraphEncoder(label for part in graphs for graph in part for label in graph.labels)
    most = min(MOST_VERTICES, max(len(graph.labels) for part in graphs for graph in part))
    generator = torch.Generator().manual_seed(sum(len(sample.cells) for sample in samples))
    predictor = Predictor(_body(options.predictor, encoder.features, most, generator), generator)
    _train(predictor, encoder, graphs, samples, options, generator)
    return Embedder(encoder, predictor, options.canonical)


_pretrained = lru_cache(maxsize=2)(_trained)


def _graphs(sample: Sample, options: BonasOptions) -> list[LabelledDag]:
    return [graph_of(cell, canonical=options.canonical) for cell in sample.cells]


def _body(name: str, features: int, most: int, generator: torch.Generator) -> Body:
    if name == "mlp":
        return Perceptron(features, most, CODE_WIDTHS, generator)
    return TokenLstm(features, most, generator) if name == "lstm" else GraphNetwork(features, generator)


def _train(
    predictor: Predictor,
    encoder: GraphEncoder,
    graphs: Sequence[list[LabelledDag]],
    samples: Sequence[Sample],
    options: BonasOptions,
    generator: torch.Generator,
) -> None:
    targets = torch.tensor([target for sample in samples for target in sample.targets], dtype=torch.float64)
    training = PredictorTraining(
        loss=options.loss,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
    )
    encoded = encoder.encode([graph for part in graphs for graph in part])
    train(predictor, encoded, torch.sigmoid(targets.float()), training, generator)
