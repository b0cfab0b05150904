"""The canonical form against networkx: random graphs, all small ones, and graphs whose neighbourhoods say nothing."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter, defaultdict

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonanza.spaces import LabelledDag, canonical_form, graph_id
from tests.contracts.space import isomorphism
from tests.strategies import dags, generators, shuffled


@settings(deadline=None, max_examples=200)
@given(graph=dags(), rng=generators())
def test_every_order_of_the_nodes_has_one_form(graph: LabelledDag, rng: random.Random) -> None:
    form = canonical_form(graph)
    assert isomorphism(form, graph) is not None
    assert canonical_form(shuffled(graph, rng)) == form
    assert canonical_form(form) == form


@settings(deadline=None, max_examples=300)
@given(one=dags(most_ops=5), rng=generators(), data=st.data())
def test_forms_are_equal_exactly_when_networkx_finds_the_graphs_isomorphic(
    one: LabelledDag, rng: random.Random, data: st.DataObject
) -> None:
    """The other graph is a shuffled copy with two counts exchanged: often isomorphic, often nearly."""
    edges, counts = list(one.edges), list(one.counts)
    if len(edges) >= 2:
        a, b = data.draw(st.lists(st.integers(0, len(edges) - 1), min_size=2, max_size=2, unique=True))
        counts[a], counts[b] = counts[b], counts[a]
    other = shuffled(LabelledDag(one.labels, tuple(edges), tuple(counts)), rng)
    assert (canonical_form(one) == canonical_form(other)) == (isomorphism(one, other) is not None)


def test_all_graphs_of_three_equal_ops_fall_into_the_classes_networkx_finds() -> None:
    pairs = [(v, w) for w in range(5) for v in range(w)]
    first: dict[str, LabelledDag] = {}
    for chosen in itertools.product([False, True], repeat=len(pairs)):
        edges = tuple(sorted(pair for pair, has in zip(pairs, chosen, strict=True) if has))
        graph = LabelledDag(("input", "a", "a", "a", "output"), edges)
        known = first.setdefault(graph_id(canonical_form(graph)), graph)
        assert isomorphism(known, graph) is not None
    alike: dict[frozenset[tuple[tuple[int, int], int]], list[LabelledDag]] = defaultdict(list)
    for graph in first.values():
        alike[frozenset(degrees(graph).items())].append(graph)
    for graphs in alike.values():
        assert not any(isomorphism(one, other) for one, other in itertools.combinations(graphs, 2))


def degrees(graph: LabelledDag) -> Counter[tuple[int, int]]:
    return Counter(zip(map(len, graph.predecessors()), map(len, graph.successors()), strict=True))


def layered(graph: nx.Graph[int]) -> LabelledDag:
    """An undirected graph as a network: an op for each vertex, and after both of its ends one for each edge."""
    vertices = {v: k for k, v in enumerate(sorted(graph), start=1)}
    edges, w = [(0, k) for k in vertices.values()], len(vertices)
    for u, v in sorted(map(sorted, graph.edges)):
        w += 1
        edges += [(vertices[u], w), (vertices[v], w)]
    edges += [(k, w + 1) for k in range(len(vertices) + 1, w + 1)]
    return LabelledDag(("input", *["a"] * w, "output"), tuple(sorted(edges)))


def rook() -> nx.Graph[int]:
    """The 4 x 4 rook's graph, strongly regular (16, 6, 2, 2)."""
    return nx.convert_node_labels_to_integers(nx.line_graph(nx.complete_bipartite_graph(4, 4)), ordering="sorted")


def shrikhande() -> nx.Graph[int]:
    """The other strongly regular graph (16, 6, 2, 2): the integers modulo 4, twice, +-(0,1), +-(1,0), +-(1,1)."""
    steps = [(0, 1), (0, 3), (1, 0), (3, 0), (1, 1), (3, 3)]
    return nx.Graph(
        (4 * x + y, 4 * ((x + dx) % 4) + (y + dy) % 4) for x in range(4) for y in range(4) for dx, dy in steps
    )


def circulant(n: int, steps: list[int]) -> nx.Graph[int]:
    return nx.circulant_graph(n, steps)


TWINS = {
    "six-cycle and two triangles": (nx.cycle_graph(6), nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(3))),
    "rook and Shrikhande": (rook(), shrikhande()),
    "dodecahedron and Desargues": (nx.dodecahedral_graph(), nx.desargues_graph()),
    "cube and Wagner": (nx.hypercube_graph(3), nx.circulant_graph(8, [1, 4])),
    "Paley-like circulants": (circulant(13, [1, 3, 4]), circulant(13, [1, 2, 3])),
    "Petersen and prism": (nx.petersen_graph(), nx.circular_ladder_graph(5)),
    "asymmetric cubic twins": (nx.frucht_graph(), nx.circular_ladder_graph(6)),
}


@pytest.mark.parametrize("name", TWINS)
def test_graphs_that_neighbourhoods_do_not_tell_apart_have_forms_of_their_own(name: str) -> None:
    one, other = (layered(nx.convert_node_labels_to_integers(graph, ordering="sorted")) for graph in TWINS[name])
    assert degrees(one) == degrees(other), "the pair would be too easy"
    assert canonical_form(one) != canonical_form(other)
    rng = random.Random(1)
    for graph in (one, other):
        forms = {canonical_form(shuffled(graph, rng)) for _ in range(4)}
        assert forms == {canonical_form(graph)}


def together(*graphs: nx.Graph[int]) -> nx.Graph[int]:
    return nx.convert_node_labels_to_integers(nx.disjoint_union_all(graphs))


@pytest.mark.parametrize(
    "graph",
    [
        together(nx.cycle_graph(6), nx.cycle_graph(3), nx.cycle_graph(3)),
        together(nx.cycle_graph(3), nx.cycle_graph(4), nx.cycle_graph(5), nx.cycle_graph(4)),
        together(nx.hypercube_graph(3), nx.circulant_graph(8, [1, 4])),
        together(nx.frucht_graph(), nx.circular_ladder_graph(6)),
        together(nx.complete_graph(4), nx.complete_graph(4), nx.circular_ladder_graph(3), nx.frucht_graph()),
        together(rook(), shrikhande()),
    ],
)
def test_symmetric_parts_do_not_hide_parts_of_another_shape(graph: nx.Graph[int]) -> None:
    """All vertices look alike, some are images of each other and some are not: pruning must tell which."""
    rng = random.Random(4)
    form = canonical_form(layered(graph))
    for _ in range(6):
        names = rng.sample(sorted(graph), graph.order())
        renamed = layered(nx.relabel_nodes(graph, dict(zip(sorted(graph), names, strict=True))))
        assert canonical_form(shuffled(renamed, rng)) == form


def chang(*cycles: int) -> nx.Graph[int]:
    """T(8), the pairs of 8 things, switched at the edges of disjoint cycles of these lengths (2 for a single edge)."""
    switched, first = set(), 0
    for length in cycles:
        ring = list(range(first, first + length))
        switched |= {frozenset(ends) for ends in zip(ring, [*ring[1:], ring[0]], strict=True)}
        first += length
    pairs = [frozenset(pair) for pair in itertools.combinations(range(8), 2)]
    graph: nx.Graph[int] = nx.empty_graph(28)
    for (k, a), (m, b) in itertools.combinations(enumerate(pairs), 2):
        if bool(a & b) != ((a in switched) != (b in switched)):
            graph.add_edge(k, m)
    return graph


def test_the_four_strongly_regular_graphs_of_28_vertices_have_four_forms() -> None:
    """The Chang graphs: not even their vertices are all images of each other, though every neighbourhood is alike."""
    rng = random.Random(6)
    forms = set()
    for cycles in [(), (2, 2, 2, 2), (8,), (3, 5)]:
        graph = chang(*cycles)
        assert nx.is_strongly_regular(graph)
        assert graph.size() == 168
        form = canonical_form(layered(graph))
        for _ in range(4):
            names = rng.sample(sorted(graph), 28)
            renamed = layered(nx.relabel_nodes(graph, dict(zip(sorted(graph), names, strict=True))))
            assert canonical_form(shuffled(renamed, rng)) == form
        forms.add(form)
    assert len(forms) == 4


def test_the_rook_and_shrikhande_graphs_are_what_they_are_called() -> None:
    for graph in (rook(), shrikhande()):
        assert nx.is_strongly_regular(graph)
        assert (graph.order(), graph.size()) == (16, 48)
    assert not nx.is_isomorphic(rook(), shrikhande())


def switched(graph: LabelledDag, rng: random.Random) -> LabelledDag:
    """The graph with the targets of two edges exchanged, if two are found: every node keeps its degrees."""
    for _ in range(30):
        (u, v), (x, y) = rng.sample(graph.edges, 2)
        if u < y and x < v and not {(u, y), (x, v)} & set(graph.edges):
            edges = set(graph.edges) - {(u, v), (x, y)} | {(u, y), (x, v)}
            return LabelledDag(graph.labels, tuple(sorted(edges)))
    return graph


def cell(rng: random.Random) -> LabelledDag:
    """A cell of up to 9 nodes, some of them dead, with one op or two."""
    n = rng.randint(4, 9)
    edges = [pair for pair in itertools.combinations(range(n), 2) if rng.random() < 0.5]
    edges = sorted({*edges, (0, 1), (n - 2, n - 1)})
    return LabelledDag(
        ("input", *[rng.choice("ab"[: rng.randint(1, 2)]) for _ in range(n - 2)], "output"), tuple(edges)
    )


def regular(rng: random.Random) -> LabelledDag:
    """Two layers of 4 to 6 ops, each joined to two of the other: to a hash of neighbourhoods all of a size are alike."""
    k = rng.randint(4, 6)
    upper, lower = range(1, k + 1), range(k + 1, 2 * k + 1)
    while True:
        one, other = rng.sample(lower, k), rng.sample(lower, k)
        if all(map(int.__ne__, one, other)):
            break
    edges = {(0, v) for v in upper} | {(w, 2 * k + 1) for w in lower}
    edges |= set(zip(upper, one, strict=True)) | set(zip(upper, other, strict=True))
    return LabelledDag(("input", *["a"] * (2 * k), "output"), tuple(sorted(edges)))


def neighbourhoods(graph: LabelledDag) -> tuple[int, ...]:
    """The colours that refinement gives, in order: what a hash of neighbourhoods can tell at most."""
    before, after = graph.predecessors(), graph.successors()
    colours = [hash((v == 0, label)) for v, label in enumerate(graph.labels)]
    for _ in graph.labels:
        colours = [
            hash((colours[v], *[tuple(sorted(colours[u] for u, _ in found[v])) for found in (before, after)]))
            for v in range(len(colours))
        ]
    return tuple(sorted(colours))


def test_ids_of_10000_pairs_are_equal_exactly_when_networkx_finds_them_isomorphic() -> None:
    """Near twins: the same graph in another order, half of the time with two edges switched; and regular layers."""
    rng, alike, confused = random.Random(10), 0, 0
    for k in range(10_000):
        if k % 5:
            one = cell(rng)
            other = shuffled(switched(one, rng) if rng.random() < 0.5 else one, rng)
        else:
            one, other = regular(rng), regular(rng)
        same = isomorphism(one, other) is not None
        assert (graph_id(canonical_form(one)) == graph_id(canonical_form(other))) == same, (one, other)
        alike += same
        confused += not same and k % 5 == 0 and neighbourhoods(one) == neighbourhoods(other)
    assert 2_500 < alike < 7_500
    assert confused > 200, "pairs that are no twins, though every neighbourhood says so"


def parallel(chains: int, length: int) -> LabelledDag:
    """So many equal chains side by side: a huge automorphism group."""
    edges, last = [], chains * length + 1
    for chain in range(chains):
        nodes = [0, *[1 + chain + chains * k for k in range(length)], last]
        edges += list(itertools.pairwise(nodes))
    return LabelledDag(("input", *["a"] * (chains * length), "output"), tuple(sorted(edges)))


@pytest.mark.parametrize(("chains", "length"), [(300, 1), (20, 3), (2, 150), (1, 1_000)])
def test_symmetry_costs_no_factorial(chains: int, length: int) -> None:
    graph = parallel(chains, length)
    start = time.perf_counter()
    assert canonical_form(shuffled(graph, random.Random(2))) == canonical_form(graph)
    assert time.perf_counter() - start < 20


def test_units_mass_and_counts_are_part_of_the_form() -> None:
    def graph(
        *, units: tuple[int, ...] | None = None, mass: tuple[float, ...] | None = None, count: int = 1
    ) -> LabelledDag:
        edges = ((0, 1), (0, 2), (1, 3), (2, 3))
        return LabelledDag(("input", "a", "a", "output"), edges, (1, 1, 1, count), units, mass)

    graphs = [
        graph(),
        graph(count=2),
        graph(units=(0, 8, 16, 0)),
        graph(units=(0, 16, 16, 0)),
        graph(mass=(0, 1.5, 2.5, 0)),
    ]
    assert len({canonical_form(each) for each in graphs}) == len(graphs)
    assert canonical_form(graph(units=(0, 16, 8, 0))) == canonical_form(graph(units=(0, 8, 16, 0)))
    assert canonical_form(graph(mass=(0, 2.5, 1.5, 0))) == canonical_form(graph(mass=(0, 1.5, 2.5, 0)))
