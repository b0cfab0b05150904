"""A small interpreter of graphs in exact arithmetic: what a network computes, without training it.

Values are integers modulo a prime. An op is a polynomial without constant term, so it maps zero to zero, with random
coefficients as its weights and its label in the exponents: different networks agree on random weights with a chance
of about 1e-8.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence

from bonanza.spaces import LabelledDag

PRIME = 2**31 - 1

Weights = tuple[int, int]


def random_weights(graph: LabelledDag, rng: random.Random) -> list[Weights]:
    """Weights for each node, those of the input and the output unused."""
    return [(rng.randrange(1, PRIME), rng.randrange(1, PRIME)) for _ in graph.labels]


def apply(label: str, weights: Weights, x: int) -> int:
    """One op on its input."""
    degree = 2 + zlib.crc32(label.encode()) % 1009
    return (weights[0] * x + weights[1] * pow(x, degree, PRIME)) % PRIME


def evaluate(
    graph: LabelledDag,
    weights: Sequence[Weights],
    x: int,
    *,
    zero_op: str | None = None,
    identity_op: str | None = None,
) -> int:
    """The output for input ``x``: node by node, the op of the sum of the sources, special ops taken at their word."""
    values = [x % PRIME]
    last = len(graph.labels) - 1
    for v, sources in list(enumerate(graph.predecessors()))[1:]:
        total = sum(values[u] * count for u, count in sources) % PRIME
        label = graph.labels[v]
        if v == last or label == identity_op:
            values.append(total)
        else:
            values.append(0 if label == zero_op else apply(label, weights[v], total))
    return values[last]
