"""A child with the head of one network of layers and the tail of another.

Not the paper's: NASBOT only mutates. Networks are cut where they are one layer wide.
"""

from __future__ import annotations

import random
from itertools import accumulate

from bonanza.spaces.layer import DECISIONS
from bonanza.spaces.layer_network import Network, halvings
from bonanza.spaces.layer_rules import Rules, violation

TRIES = 20
"""Pairs of cuts drawn before a parent is handed back."""


def crossover(a: Network, b: Network, rng: random.Random, rules: Rules) -> Network:
    """One parent up to a layer that all its paths lead through, and the other behind such a layer.

    Which parent is the head, and the pair of layers, are drawn uniformly among the pairs whose images are of one size. A
    parent, either by equal chances, where ``TRIES`` pairs give nothing valid that is neither of them.
    """
    if a == b:
        return a
    head, tail = (a, b) if rng.random() < 0.5 else (b, a)
    pairs = [(v, w) for v, size in cuts(head) for w, other in cuts(tail) if size == other]
    for v, w in rng.sample(pairs, min(TRIES, len(pairs))):
        child = joined(head, v, tail, w)
        if child not in {a, b} and violation(child, rules) is None:
            return child
    return head


def cuts(net: Network) -> list[tuple[int, int | None]]:
    """Where a network is one layer wide: the layer, and how often its image has been halved, None for a vector.

    These are the layers that every path leads through, ip, op and decision layers aside. In topological order these are the layers that no edge leads past: every layer is on a path.
    """
    n = len(net.layers)
    past = [0] * (n + 1)
    for v, w in net.edges:
        past[v + 1] += 1
        past[w] -= 1
    left = halvings(net, net.parents())
    passed = list(accumulate(past))
    return [(v, left[v]) for v in range(1, n - 1) if not passed[v] and net.layers[v].op not in DECISIONS]


def joined(head: Network, v: int, tail: Network, w: int) -> Network:
    """``head`` up to its layer ``v``, which whoever read layer ``w`` in ``tail`` reads, and ``tail`` behind ``w``."""
    moved = v - w
    edges = [(x, y) for x, y in head.edges if y <= v]
    edges += [(x + moved, y + moved) for x, y in tail.edges if x >= w]
    return Network((*head.layers[: v + 1], *tail.layers[w + 1 :]), tuple(sorted(edges)))
