"""NASBOT's networks: any DAG of layers with units and strides, convolutional ("cnn") or perceptrons ("mlp").

Kandasamy et al. 2018, "Neural architecture search with Bayesian optimisation and optimal transport". A layer has weights
for each channel it reads, so in which order its parents are concatenated is no part of the network: equal ids, the
isomorphism of layers with op, stride and units, are equal networks. No op is a zero or an identity and every layer is on
a path, so the raw graph is the simplified one. Deviation, said aloud: a pool has no weights, so one pool of two layers and
a pool of each compute the same; they are two networks here, as in the paper.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bonanza.spaces.base import Architecture, InvalidSpace
from bonanza.spaces.canonical import canonical_form
from bonanza.spaces.cost import Cost
from bonanza.spaces.fields import pointed
from bonanza.spaces.graph import LabelledDag, graph_id
from bonanza.spaces.kind import Kind
from bonanza.spaces.layer_cost import network_cost
from bonanza.spaces.layer_crossover import crossover
from bonanza.spaces.layer_examples import NoStart, starting_networks
from bonanza.spaces.layer_json import ARCHITECTURE_SCHEMA, network_json, read_network
from bonanza.spaces.layer_neighbors import neighbors
from bonanza.spaces.layer_network import Network, masses
from bonanza.spaces.layer_primitives import TRIES, mutate, step
from bonanza.spaces.layer_rules import Rules
from bonanza.spaces.layer_spec import SPEC_SCHEMA, read_rules, rules_json
from bonanza.spaces.mutation import mutated
from bonanza.spaces.paths import Paths

WALK = 12
"""A sample is 0 to so many primitives away from a starting network, each number equally likely."""


@dataclass(frozen=True)
class LayerGraph:
    """The space of all networks that keep the rules; made by ``layer_graph``, or by ``parse`` of a spec."""

    rules: Rules

    @property
    def kind(self) -> str:
        """The only kind of this family."""
        return "layer_graph"

    @property
    def zero_op(self) -> str | None:
        """None: no layer's output is zero."""
        return None

    @property
    def identity_op(self) -> str | None:
        """None: no layer's output is its input."""
        return None

    @property
    def size(self) -> int | None:
        """None: nobody can count them."""
        return None

    @property
    def paths(self) -> Paths:
        """Any labels: op and stride of the layers."""
        return Paths()

    @property
    def choices(self) -> None:
        """None: a network has as many layers as it needs."""

    def spec(self) -> dict[str, Any]:
        """The flavour, and what differs from the defaults."""
        return {"kind": "layer_graph", **rules_json(self.rules)}

    def sample(self, rng: random.Random) -> Architecture:
        """A network some primitives away from one of the starting networks, which is drawn uniformly.

        0 to 12 primitives, each number equally likely. A space without end has no uniform distribution.
        """
        net = rng.choice(starting_networks(self.rules))
        for _ in range(rng.randrange(WALK + 1)):
            net = step(net, rng, self.rules) or net
        return Architecture(self, net)

    def mutate(
        self, arch: Architecture, rng: random.Random, *, rate: float = 1.0, silent: bool = False
    ) -> Architecture:
        """A network 1 to 5 primitives away at rate 1, else ``rate`` times as many (``layer_primitives.mutate``)."""
        parent = Network(*arch.genes_in(self))

        def child() -> Architecture:
            for _ in range(TRIES):
                made = mutate(parent, rng, self.rules, rate=rate)
                if made != parent:
                    return Architecture(self, made)
            return Architecture(self, next(neighbors(parent, self.rules), parent))

        return mutated(arch, rng, child, silent=silent)

    def neighbors(self, arch: Architecture) -> Iterator[Architecture]:
        """The networks one primitive away, a fixed choice of each primitive's (``layer_neighbors.edits``).

        Not mutual: units that grow and shrink again are others.
        """
        return (Architecture(self, net) for net in neighbors(Network(*arch.genes_in(self)), self.rules))

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """The head of one parent and the tail of the other (``layer_crossover.crossover``), or else one of them."""
        return Architecture(self, crossover(Network(*a.genes_in(self)), Network(*b.genes_in(self)), rng, self.rules))

    def enumerate(self) -> Iterator[Architecture]:
        """Never: networks of layers are endless.

        Raises:
            ValueError: always.
        """
        raise ValueError("networks of layers are endless: sample them")

    def validate(self, value: object) -> Architecture:
        """The architecture whose wire form ``value`` is (``layer_json``).

        Raises:
            InvalidArchitecture: it is none of this space.
        """
        return Architecture(self, read_network(value, self.rules))

    def graph(self, arch: Architecture) -> LabelledDag:
        """A node a layer, labelled with op and stride ("conv3/2"; ``layer.op_of``), with its units, 0 where it has none.

        The mass is that of optimal transport (``layer_network.masses``). An edge is a parent; parents are concatenated.
        """
        net = Network(*arch.genes_in(self))
        labels = tuple([each.label for each in net.layers])
        units = tuple([each.units for each in net.layers])
        return LabelledDag(labels, net.edges, (), units, masses(net, net.parents()))

    def canonical(self, arch: Architecture) -> LabelledDag:
        """The graph in canonical order."""
        return canonical_form(self.graph(arch))

    def cost(self, arch: Architecture, *, channels: int | None = None) -> Cost | None:  # noqa: ARG002 - the protocol's
        """That of the network as it is, for a 32 x 32 x 3 input (``layer_cost``): there is no skeleton to widen."""
        return network_cost(Network(*arch.genes_in(self)))

    def to_json(self, arch: Architecture) -> dict[str, Any]:
        """``{"layers": [{"op": ..., "units": ..., "stride": ...}, ...], "edges": [[from, to], ...]}``."""
        return network_json(Network(*arch.genes_in(self)))

    def to_text(self, arch: Architecture) -> str:
        """The compact JSON."""
        return json.dumps(self.to_json(arch), separators=(",", ":"))

    def identify(self, arch: Architecture) -> str:
        """The id of the canonical graph."""
        return graph_id(self.canonical(arch))

    def __reduce__(self) -> tuple[Any, tuple[Rules]]:
        return layer_graph, (self.rules,)


@lru_cache(maxsize=64)
def layer_graph(rules: Rules) -> LayerGraph:
    """The space; one object for equal arguments, so that unpickled architectures share what it has worked out."""
    return LayerGraph(rules)


def parse(spec: Mapping[str, Any]) -> LayerGraph:
    """The space of ``{"kind": "layer_graph", "flavour": "cnn"}`` with any of the bounds of ``layer_rules.Rules``.

    Raises:
        InvalidSpace: a field is wrong, missing or unknown, or the bounds admit no network to start from.
    """
    rules = read_rules(spec)
    try:
        starting_networks(rules)
    except NoStart as error:
        broken = error.violation
        raise InvalidSpace(
            "" if broken.bound is None else pointed("", broken.bound),
            "leaves no network to start from: widen the bounds; "
            f"of a small network, /{'/'.join(map(str, broken.place))} {broken.message}",
        ) from None
    return layer_graph(rules)


KINDS = (
    Kind(
        name="layer_graph",
        description=(
            "NASBOT's networks: any DAG of layers with units and strides, convolutional (flavour cnn) or perceptrons "
            "(mlp). Bounds on the network and its layers may be given; left out, they are those of the original's demos."
        ),
        example={"kind": "layer_graph", "flavour": "cnn"},
        spec_schema=SPEC_SCHEMA,
        architecture_schema=ARCHITECTURE_SCHEMA,
        parse=parse,
    ),
)
