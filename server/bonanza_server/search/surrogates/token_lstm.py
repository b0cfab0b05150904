"""The LSTM that BONAS compares its graph network with: it reads a cell's text (``cell_text``) token by token.

Shi et al. 2020 (arXiv 1911.09336), section 4.1, after Wang et al. 2019 (AlphaX, arXiv 1805.07440): embeddings and a hidden layer of 100 units; the last
hidden state is the embedding of the cell. (The released code, predictors/models.py, reads all hidden states instead.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bonanza_server.search.cell_text import written
from bonanza_server.search.graph_tensors import GraphTensors

UNITS = 100
EDGES = 3
"""Tokens of the adjacency: no edge, one, or several."""


class TokenLstm(nn.Module):
    """An LSTM over the tokens of a cell (``predictor.Body``)."""

    units = UNITS

    def __init__(self, features: int, vertices: int, generator: torch.Generator) -> None:
        """Of cells with ``features`` of a vertex, written with so many ``vertices``."""
        super().__init__()
        self._vertices = vertices
        tokens = EDGES + features + 1
        self.tokens = nn.Parameter(torch.empty(tokens, UNITS).uniform_(-0.1, 0.1, generator=generator))
        self.lstm = nn.LSTM(UNITS, UNITS, batch_first=True)
        for parameter in self.lstm.parameters():
            nn.init.uniform_(parameter, -(UNITS**-0.5), UNITS**-0.5, generator=generator)  # PyTorch's own

    def forward(self, graphs: GraphTensors) -> Tensor:
        """The last hidden state, (n, E)."""
        text = written(graphs, self._vertices)
        tokens = torch.cat((text.adjacency.long().clamp(max=EDGES - 1), EDGES + text.ops), dim=1)
        _, (hidden, _) = self.lstm(self.tokens[tokens])
        return hidden[0]  # type: ignore[no-any-return]
