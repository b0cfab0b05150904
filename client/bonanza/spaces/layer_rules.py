"""Which networks of layers are valid, and which are within bounds.

Kandasamy et al. 2018, section 2 and appendix C: one ip and one op; every layer on a path between them; only decision
layers before the op, and some other layer before these; in a convolutional network only convolutional layers behind the
ip, and no layer that joins images of different sizes, or an image and a vector. Deviation: the original admits a
perceptron without a hidden layer if it is a single path, from which few primitives lead away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bonanza.spaces.layer import CNN, DECISIONS, IP, KERNELS, OP, WITH_UNITS
from bonanza.spaces.layer_network import Network, halvings, masses


@dataclass(frozen=True, slots=True)
class Rules:
    """The flavour, its decision layers, and bounds, all inclusive; the defaults are those of the original's demos.

    ``layers`` counts the ip and the op too. ``mass`` bounds the sum of the layers' masses, ``halvings`` how often an
    image may be halved on its way; None is no bound.
    """

    flavour: str
    decision: str
    layers: tuple[int, int] = (5, 60)
    units: tuple[int, int] = (8, 1024)
    edges: int = 200
    in_degree: int = 5
    out_degree: int = 55
    mass: tuple[int, int | None] = (0, None)
    halvings: int | None = None


class Violation(NamedTuple):
    """A rule that a network breaks: where, as the keys from its JSON down, and what is allowed.

    The message names no layer by its number: it is the reader of the JSON who knows the user's numbers.
    """

    place: tuple[str | int, ...]
    message: str
    bound: str | None = None
    """The field of ``Rules`` that would have to be another, None where no bound would help."""


def violation(net: Network, rules: Rules) -> Violation | None:
    """The first rule that ``net`` breaks, in topological order within each kind of rule; None if it keeps all.

    Of layers whose ops are of the flavour, with units or without and strided as their ops are.
    """
    least, most = rules.layers
    if not least <= len(net.layers) <= most:
        return Violation(("layers",), f"must be {least} to {most} layers, not {len(net.layers)}", "layers")
    if len(net.edges) > rules.edges:
        return Violation(("edges",), f"must be at most {rules.edges} edges, not {len(net.edges)}", "edges")
    parents, children = net.parents(), net.children()
    return (
        _ends(net)
        or _units(net, rules)
        or _degrees(net, parents, children, rules)
        or _roles(net, rules)
        or (_images(net, parents, rules) if rules.flavour == CNN else None)
        or (_mass(net, parents, rules) if rules.mass != (0, None) else None)
    )


def _ends(net: Network) -> Violation | None:
    ops = [layer.op for layer in net.layers]
    for end in (IP, OP):
        if ops.count(end) == 1:
            continue
        if end not in ops:
            return Violation(("layers",), f'must have one layer "{end}", not none')
        second = ops.index(end, ops.index(end) + 1)
        return Violation(("layers", second, "op"), f'must not be "{end}" again: there is one')
    if WITH_UNITS.isdisjoint(ops):
        return Violation(("layers",), "must have a layer with units between the ip and the decision layers")
    return None


def _units(net: Network, rules: Rules) -> Violation | None:
    least, most = rules.units
    for v, layer in enumerate(net.layers):
        if not least <= layer.units <= most and layer.op in WITH_UNITS:
            message = f"must be {least} to {most} units, not {layer.units}"
            return Violation(("layers", v, "units"), message, "units")
    return None


def _degrees(
    net: Network, parents: Sequence[Sequence[int]], children: Sequence[Sequence[int]], rules: Rules
) -> Violation | None:
    for v, (read, readers) in enumerate(zip(parents, children, strict=True)):
        op = net.layers[v].op
        if len(read) > rules.in_degree:
            message = f"reads {len(read)} layers; at most {rules.in_degree} are allowed"
            return Violation(("layers", v), message, "in_degree")
        if len(readers) > rules.out_degree:
            message = f"is read by {len(readers)} layers; at most {rules.out_degree} are allowed"
            return Violation(("layers", v), message, "out_degree")
        if (not read) != (op == IP):
            said = (
                "reads a layer: the ip reads none"
                if read
                else "dangles: no edge leads to it; only the ip reads nothing"
            )
            return Violation(("layers", v), said)
        if (not readers) != (op == OP):
            said = (
                "is read: nothing reads the op"
                if readers
                else "dangles: no edge leads from it; only the op is not read"
            )
            return Violation(("layers", v), said)
    return None


def _roles(net: Network, rules: Rules) -> Violation | None:
    cnn = rules.flavour == CNN
    ops = [layer.op for layer in net.layers]
    for v, w in net.edges:
        if (ops[v] in DECISIONS) != (ops[w] == OP):
            if ops[w] == OP:
                return Violation(("layers", v), f"{ops[v]} must not lead to the op: only {rules.decision} may")
            return Violation(("layers", v), f"{ops[v]} is a decision layer: only the op may read it")
        if v == 0 and cnn and ops[w] not in KERNELS:
            said = f"{ops[w]} must not read the ip: only convolutional layers, {', '.join(KERNELS)}, may"
            return Violation(("layers", w), said)
    return None


def _images(net: Network, parents: Sequence[Sequence[int]], rules: Rules) -> Violation | None:
    left = halvings(net, parents)
    for v, w in net.edges:
        size, first = left[v], left[parents[w][0]]
        op, _, stride = net.layers[w]
        if size != first:
            told = f"{_size(first)} and {_size(size)}"
            return Violation(("layers", w), f"{op} joins {told}; what is joined must be of one size")
        if size is None and stride:
            return Violation(("layers", w), f"{op} works on images, but reads a vector")
    if rules.halvings is not None:
        for v, size in enumerate(left):
            if size is not None and size > rules.halvings:
                message = f"leaves {_size(size)}; at most {rules.halvings} times are allowed"
                return Violation(("layers", v), message, "halvings")
    return None


def _size(halved: int | None) -> str:
    return "a vector" if halved is None else f"an image halved {halved} times"


def _mass(net: Network, parents: Sequence[Sequence[int]], rules: Rules) -> Violation | None:
    (least, most), total = rules.mass, math.fsum(masses(net, parents))
    if least <= total and (most is None or total <= most):
        return None
    allowed = f"{least} or more" if most is None else f"{least} to {most}"
    return Violation(("layers",), f"must have a mass of {allowed} in all, not {total:.6g}", "mass")
