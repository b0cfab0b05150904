"""What every search space must hold.

Subclass ``SpaceContract`` with a ``spec``. Identity is checked against networkx, which knows nothing of our canonical
form, and against an interpreter in exact arithmetic, which knows nothing of our simplification.
"""

from __future__ import annotations

import itertools
import json
import pickle
import random
from functools import lru_cache
from typing import Any, ClassVar

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings

from bonanza.spaces import (
    InvalidArchitecture,
    LabelledDag,
    SearchSpace,
    Simplified,
    canonical_form,
    graph_id,
    simplify,
    space_from_spec,
)
from bonanza.spaces.contract.hostile import hostile_json
from bonanza.spaces.contract.interpreter import PRIME, evaluate, random_weights

ENUMERABLE = 20_000


@lru_cache(maxsize=2_000)
def networkx_graph(graph: LabelledDag) -> nx.DiGraph[int]:
    """The graph as networkx has it, units and mass in its labels; the ends are told from ops that might be called so."""
    ends = {0: "in", len(graph.labels) - 1: "out"}
    found: nx.DiGraph[int] = nx.DiGraph()
    for v, label in enumerate(graph.labels):
        units, mass = graph.units and graph.units[v], graph.mass and graph.mass[v]
        found.add_node(v, label=(ends.get(v, "op"), label, units, mass))
    for (v, w), count in zip(graph.edges, graph.counts, strict=True):
        found.add_edge(v, w, count=count)
    return found


def isomorphism(a: LabelledDag, b: LabelledDag) -> dict[int, int] | None:
    """What networkx finds: node of ``a`` to node of ``b``, or None."""
    matcher = nx.isomorphism.DiGraphMatcher(
        networkx_graph(a),
        networkx_graph(b),
        node_match=lambda x, y: x["label"] == y["label"],
        edge_match=lambda x, y: x["count"] == y["count"],
    )
    return dict(matcher.mapping) if matcher.is_isomorphic() else None


def simplified(space: SearchSpace, arch: Any) -> Simplified:
    """The live part of an architecture's graph."""
    return simplify(space.graph(arch), zero_op=space.zero_op, identity_op=space.identity_op)


class SpaceContract:
    """Properties of the space of ``spec``.

    ``accepts_text`` says whether ``validate`` takes what ``text`` gives; ``mutual`` whether an edit can be undone by one;
    ``uncounted`` whether a space is finite, and so can be enumerated, though its size is not known;
    ``every_spelling`` whether the enumeration lists every spelling of a network, or one;
    ``pickled`` bounds the bytes that one more architecture adds to a pickle, which carries the space once.
    """

    spec: ClassVar[dict[str, Any]]
    accepts_text: ClassVar[bool] = False
    mutual: ClassVar[bool] = True
    uncounted: ClassVar[bool] = False
    pickled: ClassVar[int | None] = None
    every_spelling: ClassVar[bool] = True

    @pytest.fixture(scope="class")
    @classmethod
    def space(cls) -> SearchSpace:
        return space_from_spec(cls.spec)

    @pytest.fixture
    def rng(self) -> random.Random:
        return random.Random(20_010_326)

    @pytest.fixture
    def walk(self, space: SearchSpace, rng: random.Random) -> list[Any]:
        """Architectures with many near twins: each a small mutation of one before it, or a fresh sample."""
        found = [space.sample(rng)]
        while len(found) < 60:
            fresh = rng.random() < 0.2
            silent = rng.random() < 0.5
            found.append(space.sample(rng) if fresh else space.mutate(rng.choice(found), rng, silent=silent))
        return found

    def test_everything_a_space_makes_is_an_architecture_of_the_space(
        self, space: SearchSpace, rng: random.Random, walk: list[Any]
    ) -> None:
        made = [*walk, *itertools.islice(space.neighbors(walk[0]), 500)]
        made += [space.crossover(rng.choice(walk), rng.choice(walk), rng) for _ in range(30)]
        if space.size is not None:
            made += itertools.islice(space.enumerate(), 500)
        for arch in made:
            assert space.validate(json.loads(json.dumps(arch.json))) == arch

    def test_the_text_says_all_of_the_architecture(self, space: SearchSpace, walk: list[Any]) -> None:
        for arch in walk:
            assert "\n" not in arch.text
            assert space.validate(arch.text if self.accepts_text else json.loads(arch.text)) == arch

    def test_the_spec_makes_the_space_again(self, space: SearchSpace) -> None:
        again = space_from_spec(json.loads(json.dumps(space.spec())))
        assert again == space
        assert hash(again) == hash(space)
        assert again.spec() == space.spec()
        assert again.kind == space.spec()["kind"]

    def test_the_same_seed_draws_the_same(self, space: SearchSpace) -> None:
        def draw() -> list[Any]:
            rng = random.Random(7)
            a, b = space.sample(rng), space.sample(rng)
            return [a, b, space.mutate(a, rng), space.mutate(a, rng, rate=3), space.crossover(a, b, rng)]

        assert draw() == draw()

    def test_a_mutation_is_never_the_parent(self, space: SearchSpace, walk: list[Any], rng: random.Random) -> None:
        if space.size == 1:
            assert space.mutate(walk[0], rng) == walk[0]
            return
        for arch, rate in itertools.product(walk, [1e-9, 0.5, 1, 2.5, 1e9]):
            child = space.mutate(arch, rng, rate=rate, silent=True)
            assert child.genes != arch.genes
            assert child != arch

    def test_a_mutation_is_another_network_unless_a_silent_one_may_be(
        self, space: SearchSpace, walk: list[Any], rng: random.Random
    ) -> None:
        for arch, rate in itertools.product(walk, [0.5, 1, 3]):
            child = space.mutate(arch, rng, rate=rate)
            if child.arch_id == arch.arch_id:
                assert {other.arch_id for other in space.neighbors(arch)} <= {arch.arch_id}

    @pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
    def test_a_rate_that_is_no_number_of_edits_is_refused(
        self, space: SearchSpace, rng: random.Random, rate: float
    ) -> None:
        with pytest.raises(ValueError, match="rate"):
            space.mutate(space.sample(rng), rng, rate=rate)

    def test_neighbours_are_distinct_and_mutual_and_not_the_architecture(
        self, space: SearchSpace, walk: list[Any]
    ) -> None:
        arch = walk[-1]
        neighbours = list(space.neighbors(arch))
        assert len(set(neighbours)) == len(neighbours)
        assert arch not in neighbours
        assert neighbours == list(space.neighbors(arch))
        for neighbour in neighbours[: 50 if self.mutual else 0]:
            assert arch in set(space.neighbors(neighbour))

    def test_a_child_of_equal_parents_is_their_equal(
        self, space: SearchSpace, walk: list[Any], rng: random.Random
    ) -> None:
        for arch in walk:
            assert space.crossover(arch, arch, rng) == arch

    def test_every_op_is_sampled_and_reached_by_mutation(
        self, space: SearchSpace, walk: list[Any], rng: random.Random
    ) -> None:
        neighbours = itertools.islice(space.neighbors(walk[0]), 2_000)
        possible = {label for arch in [walk[0], *neighbours] for label in space.graph(arch).labels}
        sampled = {label for _ in range(1_000) for label in space.graph(space.sample(rng)).labels}
        arch, mutated = walk[0], set[str]()
        for _ in range(1_000):
            arch = space.mutate(arch, rng)
            mutated.update(space.graph(arch).labels)
        assert possible <= sampled
        assert possible <= mutated | set(space.graph(walk[0]).labels)

    def test_enumeration_has_every_architecture_once(self, space: SearchSpace, walk: list[Any]) -> None:
        if space.size is None and not self.uncounted:
            with pytest.raises(ValueError, match="endless"):
                next(space.enumerate())
            return
        if space.size is None or space.size > ENUMERABLE:
            first = list(itertools.islice(space.enumerate(), 1_000))
            assert len(set(first)) == 1_000
            return
        every = list(space.enumerate())
        assert len(every) == len(set(every)) == space.size
        if self.every_spelling:
            assert set(walk) <= set(every)
        else:
            assert len({arch.arch_id for arch in every}) == space.size
        assert {arch.arch_id for arch in walk} <= {arch.arch_id for arch in every}
        assert every == list(space.enumerate())

    def test_ids_are_equal_exactly_when_networkx_finds_the_simplified_graphs_isomorphic(
        self, space: SearchSpace, walk: list[Any]
    ) -> None:
        graphs = [simplified(space, arch).graph for arch in walk]
        for (a, one), (b, other) in itertools.combinations(zip(walk, graphs, strict=True), 2):
            assert (a.arch_id == b.arch_id) == (isomorphism(one, other) is not None), (a, b)

    def test_the_canonical_graph_is_isomorphic_to_the_simplified_one_and_has_the_id(
        self, space: SearchSpace, walk: list[Any]
    ) -> None:
        for arch in walk:
            canonical = space.canonical(arch)
            assert isomorphism(canonical, simplified(space, arch).graph) is not None
            assert canonical_form(canonical) == canonical
            assert graph_id(canonical) == arch.arch_id
            assert len(arch.arch_id) == 20
            assert int(arch.arch_id, 16) >= 0

    def test_the_simplified_network_computes_what_the_raw_one_computes(
        self, space: SearchSpace, walk: list[Any], rng: random.Random
    ) -> None:
        for arch in walk:
            raw, live = space.graph(arch), simplified(space, arch)
            weights = random_weights(raw, rng)
            x = rng.randrange(PRIME)
            special = {"zero_op": space.zero_op, "identity_op": space.identity_op}
            moved = [weights[v] for v in live.origin]
            assert evaluate(live.graph, moved, x) == evaluate(raw, weights, x, **special)

    def test_equal_ids_compute_the_same_with_the_same_weights(
        self, space: SearchSpace, walk: list[Any], rng: random.Random
    ) -> None:
        special = {"zero_op": space.zero_op, "identity_op": space.identity_op}
        for a, b in itertools.combinations(walk, 2):
            if a.arch_id != b.arch_id:
                continue
            live_a, live_b = simplified(space, a), simplified(space, b)
            mapping = isomorphism(live_a.graph, live_b.graph)
            assert mapping is not None
            weights_a = random_weights(space.graph(a), rng)
            weights_b = random_weights(space.graph(b), rng)  # of the dead ops, whatever they are
            for v, w in mapping.items():
                weights_b[live_b.origin[w]] = weights_a[live_a.origin[v]]
            for x in (1, rng.randrange(PRIME)):
                assert evaluate(space.graph(a), weights_a, x, **special) == evaluate(
                    space.graph(b), weights_b, x, **special
                )

    def test_an_architecture_travels_between_processes(self, space: SearchSpace, walk: list[Any]) -> None:
        ids = [arch.arch_id for arch in walk]
        again = pickle.loads(pickle.dumps(walk))
        assert again == walk
        assert [arch.arch_id for arch in again] == ids
        assert again[0].space is pickle.loads(pickle.dumps(again[1])).space
        one, all_of_them = len(pickle.dumps(walk[:1])), len(pickle.dumps(walk))
        most = self.pickled or 40 + 8 * len(walk[0].genes)
        assert (all_of_them - one) / (len(walk) - 1) < most, "the space goes once a pickle"

    def test_an_architecture_cannot_be_changed(self, walk: list[Any]) -> None:
        with pytest.raises(AttributeError):
            walk[0].genes = ()

    def test_architectures_of_another_space_are_refused(self, space: SearchSpace, rng: random.Random) -> None:
        spec = {"kind": "sequence", "positions": [{"name": "elsewhere", "choices": ["here", "there"]}]}
        stranger = space_from_spec(spec).sample(rng)
        assert stranger != space.sample(rng)
        for use in (
            lambda: space.mutate(stranger, rng),
            lambda: space.neighbors(stranger),
            lambda: space.crossover(space.sample(rng), stranger, rng),
            lambda: space.graph(stranger),
            lambda: space.to_json(stranger),
        ):
            with pytest.raises(ValueError, match="another space"):
                use()

    @settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors]
    )
    @given(value=hostile_json())
    def test_what_is_no_architecture_is_refused_with_a_pointer_and_a_sentence(
        self, space: SearchSpace, value: Any
    ) -> None:
        refusal: InvalidArchitecture | None = None
        try:
            arch = space.validate(value)
        except InvalidArchitecture as error:
            refusal = error
        if refusal is None:
            assert space.validate(arch.json) == arch
            return
        assert refusal.pointer == "" or refusal.pointer.startswith("/")
        assert 10 < len(refusal.message) < 10_000
        assert (refusal.pointer + refusal.message + str(refusal)).encode()

    def test_a_value_nested_deeper_than_the_stack_is_refused(self, space: SearchSpace) -> None:
        deep: Any = []
        for _ in range(20_000):
            deep = [deep]
        fields = ({"edges": deep}, {"choices": deep}, {"choices": [deep]}, {"adjacency": deep, "ops": deep})
        for value in (deep, *fields):
            with pytest.raises(InvalidArchitecture):
                space.validate(value)
        while deep:  # not left to the collector, whose recursion is not ours to test
            deep = deep.pop()
