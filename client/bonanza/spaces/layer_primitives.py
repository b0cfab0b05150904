"""The nine primitives that change a network of layers, and the mutation that is a few of them in a row.

Kandasamy et al. 2018, section 4 and appendix C.1; the numbers are those of the original's ``nn_modifiers.py``. A
primitive draws one edit of ``layer_edits``, or gives None where the network has no place for it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from itertools import accumulate

from bonanza.spaces.layer import DECISIONS, FC, HIDDEN, IP, KERNELS, OP, POOLS, Layer, layer
from bonanza.spaces.layer_edits import bridged, swapped, wedged, widened
from bonanza.spaces.layer_network import Network
from bonanza.spaces.layer_rules import Rules, violation
from bonanza.spaces.layer_sites import (
    SWAPS,
    changeable,
    ends,
    groups,
    is_cnn,
    removable,
    skipped,
    starts,
    units_between,
    wedgeable,
    without,
)

STEPS = (0.5, 0.25, 0.125, 0.075, 0.05)
"""With which chance a mutation is one primitive, two, .. five."""
MOST_STEPS = 50
"""Primitives of one mutation, however high the rate."""
TRIES = 20
"""Edits drawn before a step is given up; the original draws as many."""
POOL_WEDGE = 0.05
STRIDE_WEDGE = 0.05
STRIDE_SWAP = 0.05
PATH = 4
"""Layers of a path that is branched off, both ends included, unless the op comes first."""
PATH_END = 0.2
"""The chance that the path ends at each later layer."""
KEEP = 0.5
"""The chance that a layer of the path, if it need not be, is in the branch."""

Primitive = Callable[[Network, random.Random], Network | None]


def mutate(net: Network, rng: random.Random, rules: Rules, *, rate: float) -> Network:
    """A valid network, 1 to 5 primitives away at rate 1 (1.93 on average), else ``rate`` times as many; at least one.

    Fractions are rounded up with their own chance. A step that finds nothing valid in ``TRIES`` draws is left out, so
    that the network may be ``net`` itself.

    Raises:
        ValueError: ``rate`` is not a finite number above 0.
    """
    if not 0 < rate < math.inf:
        raise ValueError(f"the mutation rate is the number of edits in units of the paper's, above 0, not {rate}")
    steps = min(rate * rng.choices(range(1, len(STEPS) + 1), STEPS)[0], MOST_STEPS)
    for _ in range(max(1, math.floor(steps + rng.random()))):
        net = step(net, rng, rules) or net
    return net


def step(net: Network, rng: random.Random, rules: Rules) -> Network | None:
    """A valid network one primitive away; None where ``TRIES`` draws give none."""
    for _ in range(TRIES):
        changed = rng.choices(_DRAWN, cum_weights=_CHANCES)[0](net, rng)
        if changed is not None and changed != net and violation(changed, rules) is None:
            return changed
    return None


def change_single(net: Network, rng: random.Random, *, more: bool) -> Network | None:
    """One layer with more units, or fewer."""
    with_units = changeable(net)
    return widened(net, [rng.choice(with_units)], more=more) if with_units else None


def change_en_masse(net: Network, rng: random.Random, *, more: bool) -> Network | None:
    """A half, a quarter or an eighth of the layers, in topological order, with more units, or fewer."""
    found = groups(net)
    return widened(net, rng.choice(found), more=more) if found else None


def swap_layer(net: Network, rng: random.Random) -> Network | None:
    """Another op in a layer's place; a convolution's stride is changed too, seldom."""
    able = [v for v, each in enumerate(net.layers) if each.op in SWAPS]
    if not able:
        return None
    v = rng.choice(able)
    old = net.layers[v]
    others = SWAPS[old.op]
    flipped = old.op in KERNELS and rng.random() < STRIDE_SWAP
    new = layer(
        rng.choices(tuple(others), tuple(others.values()))[0], old.units, 3 - old.stride if flipped else old.stride
    )
    return swapped(net, {v: new})


def wedge_layer(net: Network, rng: random.Random) -> Network | None:
    """A new layer on an edge that does not lead to the op: behind a fully connected one another such, else any op."""
    edge = rng.choice(wedgeable(net))
    before = net.layers[edge[0]]
    if before.op == FC:
        return wedged(net, edge, before)
    if not is_cnn(net):
        return wedged(net, edge, layer(rng.choice(HIDDEN), units_between(net, edge)))
    if before.op != IP and rng.random() < POOL_WEDGE:
        return wedged(net, edge, layer(rng.choice(POOLS)))
    stride = 2 if rng.random() < STRIDE_WEDGE else 1
    return wedged(net, edge, layer(rng.choice(tuple(KERNELS)), units_between(net, edge), stride))


def remove_layer(net: Network, rng: random.Random) -> Network | None:
    """One layer fewer, its parents and children joined so that none dangles; whom they get is drawn."""
    able = removable(net)
    return without(net, rng.choice(able), rng) if able else None


def branch(net: Network, rng: random.Random) -> Network | None:
    """A copy of a path, beside it; of the layers between its ends, some are left out."""
    able, chances = starts(net)
    children = net.children()
    path = [rng.choices(able, chances)[0]]
    while net.layers[path[-1]].op != OP and (len(path) < PATH or rng.random() >= PATH_END):
        path.append(rng.choice(children[path[-1]]))
    return bridged(net, path[0], path[-1], _copied(net, path, rng))


def _copied(net: Network, path: list[int], rng: random.Random) -> list[Layer]:
    """The layers between the ends of a path that are copied into the branch, at least one.

    The child of the ip, the layers that halve the image, decision layers and the first fully connected one are; each of
    the others by chance.
    """
    copied: list[Layer] = []
    for v in path[1:-1]:
        each = net.layers[v]
        first_fc = each.op == FC and all(other.op != FC for other in copied)
        must = each.stride == 2 or each.op in DECISIONS or first_fc
        must = must or (v == path[1] and path[0] == 0) or (v == path[-2] and not copied)
        if must or rng.random() < KEEP:
            copied.append(each)
    return copied


def skip(net: Network, rng: random.Random) -> Network | None:
    """A new edge that leaves out at least one layer; average pools on it where the image has to become smaller."""
    able, chances = starts(net)
    if len(able) < 2:  # the first is the ip, where no skip begins
        return None
    start = rng.choices(able[1:], chances[1:])[0]
    found = ends(net, start)
    return skipped(net, start, rng.choice(found)) if found else None


PRIMITIVES: Mapping[str, Primitive] = {
    "inc_single": lambda net, rng: change_single(net, rng, more=True),
    "dec_single": lambda net, rng: change_single(net, rng, more=False),
    "inc_en_masse": lambda net, rng: change_en_masse(net, rng, more=True),
    "dec_en_masse": lambda net, rng: change_en_masse(net, rng, more=False),
    "swap_layer": swap_layer,
    "wedge_layer": wedge_layer,
    "remove_layer": remove_layer,
    "branch": branch,
    "skip": skip,
}
WEIGHTS: Mapping[str, float] = {
    "inc_single": 0.1,
    "dec_single": 0.1,
    "inc_en_masse": 0.1,
    "dec_en_masse": 0.1,
    "swap_layer": 0.2,
    "wedge_layer": 0.1,
    "remove_layer": 0.1,
    "branch": 0.2,
    "skip": 0.2,
}
"""How often each is drawn; in units of their sum."""

_DRAWN = tuple(PRIMITIVES[name] for name in WEIGHTS)
_CHANCES = tuple(accumulate(WEIGHTS.values()))
