"""Recurrent cells wired as in ENAS: the space that BONAS drew the 12,000 cells of LSTM-12K from.

Pham, Guan, Zoph, Le, Dean, "Efficient Neural Architecture Search via Parameter Sharing", ICML 2018 (arXiv 1802.03268),
section 2.1; Shi et al., "Efficient Sample-based Neural Architecture Search with Learnable Predictor" (BONAS), appendix
A.1: up to 8 nodes, 4 activations. Node 0 applies an activation to x_t W + h_{t-1} V, node k > 0 to s W_k, where s is the
value of one earlier node; the mean of the nodes that no other reads is h_t. Weights are each node's own.

Hence every node is live and the graph is a tree. ``identity`` is an op like any other, not contracted: its node has a
weight matrix too. The mean is the graph's sum, up to a factor that the graph tells: the number of leaves. The order of
nodes matters to the spelling only. What the space leaves to the trainer is whether a node has a highway gate (as ENAS's
code and ``cost`` have it).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import factorial
from typing import Any

from bonanza.spaces.base import Architecture, InvalidArchitecture, InvalidSpace
from bonanza.spaces.canonical import canonical_form
from bonanza.spaces.cost import Cost
from bonanza.spaces.fields import listed, pointed, read_int, read_list, read_object, show
from bonanza.spaces.graph import INPUT, OUTPUT, LabelledDag, graph_id
from bonanza.spaces.kind import Kind, Schema, list_schema, object_schema
from bonanza.spaces.mutation import mutated, walked
from bonanza.spaces.paths import Paths

ACTIVATIONS = ("tanh", "relu", "identity", "sigmoid")
"""Numbered as in ENAS's arc strings."""
MOST_NODES = 24
WIDTH = 748
WORDS = 10_000
"""The published network's units and vocabulary: ENAS's ``ptb_final.sh`` on the Penn Treebank."""

Wiring = tuple[tuple[int, int], ...]
"""For each node the node it reads and the number of its activation; node 0, which reads the input, has itself."""


@dataclass(frozen=True)
class Recurrent:
    """The space of all cells of ``least`` to ``most`` nodes; made by ``recurrent``, or by ``parse`` of a spec.

    An architecture's genes are its ``Wiring``.
    """

    least: int
    most: int

    @property
    def kind(self) -> str:
        """The only kind of this family."""
        return "recurrent"

    @property
    def zero_op(self) -> str | None:
        """None: no activation is zero."""
        return None

    @property
    def identity_op(self) -> str | None:
        """None: a node whose activation is the identity still has weights."""
        return None

    @property
    def size(self) -> int:
        """The sum of 4^n (n-1)! over the numbers of nodes n: 342,615,700 up to 8 nodes, each network at every order."""
        return sum(self._sizes)

    @property
    def paths(self) -> Paths:
        """The activations from the first node to a leaf."""
        return Paths(ACTIVATIONS, 1, self.most)

    @property
    def choices(self) -> None:
        """None: a cell has as many genes as nodes."""

    def spec(self) -> dict[str, Any]:
        """``{"kind": "recurrent", "nodes": 8}``, with ``least_nodes`` where it is not 1."""
        least = {"least_nodes": self.least} if self.least > 1 else {}
        return {"kind": "recurrent", "nodes": self.most, **least}

    def sample(self, rng: random.Random) -> Architecture:
        """A cell drawn uniformly: its number of nodes by how many cells have it, its choices each on their own."""
        n = rng.choices(range(self.least, self.most + 1), weights=self._sizes)[0]
        return self._cell((rng.randrange(k) if k else 0, rng.randrange(len(ACTIVATIONS))) for k in range(n))

    def mutate(
        self, arch: Architecture, rng: random.Random, *, rate: float = 1.0, silent: bool = False
    ) -> Architecture:
        """A cell ``rate`` edits away (``walked``)."""
        arch.genes_in(self)
        return mutated(arch, rng, lambda: walked(arch, rng, rate=rate), silent=silent)

    def neighbors(self, arch: Architecture) -> Iterator[Architecture]:
        """Every cell with another activation, with a node that reads another, without one leaf, or with one more.

        The leaf may come at any place in the order of the nodes, so that each edit can be undone by one.
        """
        wiring: Wiring = arch.genes_in(self)
        return (Architecture(self, edited) for edited in dict.fromkeys(self._edits(wiring)) if edited != wiring)

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """A cell as large as one of its parents; each choice of a node is from one of the parents that have the node."""
        one, other = a.genes_in(self), b.genes_in(self)
        n = len(rng.choice((one, other)))
        if len(one) < len(other):
            one, other = other, one
        pairs = [(node, other[k] if k < len(other) else node) for k, node in enumerate(one[:n])]
        return self._cell((rng.choice((u[0], v[0])), rng.choice((u[1], v[1]))) for u, v in pairs)

    def enumerate(self) -> Iterator[Architecture]:
        """Every cell, by number of nodes, then in lexicographic order."""
        for n in range(self.least, self.most + 1):
            choices = [list(product(range(max(1, k)), range(len(ACTIVATIONS)))) for k in range(n)]
            yield from map(self._cell, product(*choices))

    def validate(self, value: object) -> Architecture:
        """The cell of ``{"activations": [name, ...], "sources": [node, ...]}``, or of ENAS's arc string.

        ``sources`` has for each node but the first the number of the node it reads. The string has the first node's
        activation, then source and activation of each other node, as numbers between spaces: "0 0 1 1 3".

        Raises:
            InvalidArchitecture: it is no cell of this space.
        """
        if isinstance(value, str):
            return self._cell(self._read_text(value))
        if not isinstance(value, Mapping):
            raise InvalidArchitecture(
                "", f'must be {{"activations": [...], "sources": [...]}} or "0 0 1 ...", not {show(value)}'
            )
        fields = read_object(value, "", InvalidArchitecture, required=("activations", "sources"))
        bounds = {"least": self.least, "most": self.most}
        names = read_list(fields["activations"], "/activations", InvalidArchitecture, **bounds, of="activations")
        n = len(names)
        for k, name in enumerate(names):
            if not isinstance(name, str) or name not in ACTIVATIONS:
                raise InvalidArchitecture(
                    pointed("/activations", k), f"must be one of {listed(ACTIVATIONS)}, not {show(name)}"
                )
        sources = read_list(fields["sources"], "/sources", InvalidArchitecture, least=n - 1, most=n - 1, of="nodes")
        for k, source in enumerate(sources):
            read_int(source, pointed("/sources", k), InvalidArchitecture, least=0, most=k)
        return self._cell((u, ACTIVATIONS.index(name)) for u, name in zip([0, *sources], names, strict=True))

    def graph(self, arch: Architecture) -> LabelledDag:
        """A node an activation; the input is x_t and h_{t-1}, the output the sum of the leaves."""
        wiring: Wiring = arch.genes_in(self)
        edges = [(0, 1), *[(source + 1, k + 1) for k, (source, _) in enumerate(wiring) if k]]
        edges += [(k + 1, len(wiring) + 1) for k in _leaves(wiring)]
        labels = [ACTIVATIONS[activation] for _, activation in wiring]
        return LabelledDag((INPUT, *labels, OUTPUT), tuple(sorted(edges)))

    def canonical(self, arch: Architecture) -> LabelledDag:
        """The graph in canonical order: all of it is live."""
        return canonical_form(self.graph(arch))

    def cost(self, arch: Architecture, *, channels: int | None = None) -> Cost | None:
        """ENAS's language model of ``channels`` units (748) and 10,000 words, and its multiply-adds for one word.

        The embedding is the output layer too; a node's matrix gives its activation's input and its highway gate's: of
        two vectors in node 0, of one in the others. At ENAS's 12 nodes 22.0 M parameters (the paper says 24 M).
        """
        nodes, width = len(arch.genes_in(self)), WIDTH if channels is None else channels
        weights = 4 * width**2 + 2 * width**2 * (nodes - 1) + WORDS * width
        return Cost(weights, weights)

    def to_json(self, arch: Architecture) -> dict[str, Any]:
        """``{"activations": [name, ...], "sources": [node, ...]}``."""
        wiring: Wiring = arch.genes_in(self)
        return {
            "activations": [ACTIVATIONS[activation] for _, activation in wiring],
            "sources": [source for source, _ in wiring[1:]],
        }

    def to_text(self, arch: Architecture) -> str:
        """ENAS's arc string."""
        return " ".join(str(number) for node in arch.genes_in(self) for number in node)[2:]

    def identify(self, arch: Architecture) -> str:
        """The id of the canonical graph."""
        return graph_id(self.canonical(arch))

    def __reduce__(self) -> tuple[Any, tuple[int, int]]:
        return recurrent, (self.least, self.most)

    def _cell(self, wiring: Iterable[tuple[int, int]]) -> Architecture:
        return Architecture(self, tuple(wiring))

    def _edits(self, wiring: Wiring) -> Iterator[Wiring]:
        n, each = len(wiring), range(len(ACTIVATIONS))
        for k, (source, activation) in enumerate(wiring):
            others = [(source, other) for other in each] + [(other, activation) for other in range(k)]
            for node in others:
                yield (*wiring[:k], node, *wiring[k + 1 :])
        for k in _leaves(wiring) if n > self.least else ():
            if k:
                yield (*wiring[:k], *[(source - (source > k), activation) for source, activation in wiring[k + 1 :]])
        for k in range(1, n + 1) if n < self.most else ():
            after = [(source + (source >= k), activation) for source, activation in wiring[k:]]
            for node in product(range(k), each):
                yield (*wiring[:k], node, *after)

    def _read_text(self, text: str) -> Iterator[tuple[int, int]]:
        numbers = text.split(" ", 2 * self.most)
        n = len(numbers) // 2 + 1
        if len(numbers) % 2 == 0 or not self.least <= n <= self.most:
            bounds = f"{self.least} to {self.most} nodes, with a number for the first and two for each other"
            raise InvalidArchitecture("", f'an arc string such as "0 0 1 1 3" has {bounds}; not {show(text)}')
        for k, (source, activation) in enumerate(zip(["0", *numbers[1::2]], numbers[::2], strict=True)):
            for number, size, what in ((source, max(1, k), "source"), (activation, len(ACTIVATIONS), "activation")):
                if not (number.isascii() and number.isdigit() and len(number) <= 2 and int(number) < size):
                    raise InvalidArchitecture(
                        "", f"the {what} of node {k} in an arc string is from 0 to {size - 1}, not {show(number)}"
                    )
            yield int(source), int(activation)

    @cached_property
    def _sizes(self) -> list[int]:
        return [len(ACTIVATIONS) ** n * factorial(n - 1) for n in range(self.least, self.most + 1)]


def _leaves(wiring: Wiring) -> list[int]:
    """The nodes that no other reads."""
    read = {source for source, _ in wiring[1:]}
    return [k for k in range(len(wiring)) if k not in read]


@lru_cache(maxsize=64)
def recurrent(least: int, most: int) -> Recurrent:
    """The space; one object for equal arguments, so that unpickled architectures share what it has worked out."""
    return Recurrent(least, most)


def parse(spec: Mapping[str, Any]) -> Recurrent:
    """The space of ``{"kind": "recurrent", "nodes": 8}``: cells of ``least_nodes``, 1 unless said, to ``nodes`` nodes.

    Raises:
        InvalidSpace: a field is wrong, missing or unknown.
    """
    read_object(spec, "", InvalidSpace, required=("kind", "nodes"), optional=("least_nodes",))
    most = read_int(spec["nodes"], "/nodes", InvalidSpace, least=1, most=MOST_NODES)
    return recurrent(read_int(spec.get("least_nodes", 1), "/least_nodes", InvalidSpace, least=1, most=most), most)


_NODES: Schema = {"type": "integer", "minimum": 1, "maximum": MOST_NODES}

KINDS = (
    Kind(
        name="recurrent",
        description=(
            "Recurrent cells of up to 24 nodes wired as in ENAS: each node but the first reads one before it, through "
            "tanh, relu, identity or sigmoid. With 8 nodes, the space of LSTM-12K."
        ),
        example={"kind": "recurrent", "nodes": 8},
        spec_schema=object_schema({"kind": {"const": "recurrent"}, "nodes": _NODES}, {"least_nodes": _NODES}),
        architecture_schema={
            "anyOf": [
                object_schema(
                    {
                        "activations": list_schema({"enum": list(ACTIVATIONS)}, least=1, most=MOST_NODES),
                        "sources": list_schema(
                            {"type": "integer", "minimum": 0, "maximum": MOST_NODES - 2}, least=0, most=MOST_NODES - 1
                        ),
                    }
                ),
                {"type": "string", "pattern": r"^[0-3]( \d+ [0-3])*$", "description": "0 0 1 1 3"},
            ]
        },
        parse=parse,
    ),
)
