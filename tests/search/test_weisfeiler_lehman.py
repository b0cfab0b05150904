"""Which ops feed which."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bonanza.spaces import LabelledDag
from bonanza_server.search.weisfeiler_lehman import relabelled

GRAPHS = st.integers(3, 8).flatmap(
    lambda n: st.builds(
        lambda labels, edges: LabelledDag(("input", *labels, "output"), tuple(sorted(edges))),
        st.lists(st.sampled_from("abc"), min_size=n - 2, max_size=n - 2),
        st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda edge: edge[0] < edge[1])),
    )
)


def test_pairs_and_neighbourhoods_of_a_small_cell() -> None:
    graph = LabelledDag(("input", "a", "b", "b", "output"), ((0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (3, 4)))
    assert relabelled(graph) == {
        ("pair", "input", "a"): 1,
        ("pair", "input", "b"): 1,
        ("pair", "a", "b"): 2,
        ("pair", "b", "output"): 2,
        ("fed", "input", ()): 1,
        ("fed", "a", ("input",)): 1,
        ("fed", "b", ("a", "input")): 1,
        ("fed", "b", ("a",)): 1,
        ("fed", "output", ("b", "b")): 1,
        ("feeds", "input", ("a", "b")): 1,
        ("feeds", "a", ("b", "b")): 1,
        ("feeds", "b", ("output",)): 2,
        ("feeds", "output", ()): 1,
    }


def test_an_edge_that_is_there_twice_counts_twice() -> None:
    twice = relabelled(LabelledDag(("input", "a", "output"), ((0, 1), (1, 2)), (2, 1)))
    assert twice["pair", "input", "a"] == 2
    assert twice["fed", "a", ("input", "input")] == 1


@given(GRAPHS, st.randoms(use_true_random=False))
def test_the_order_of_the_nodes_does_not_matter(graph: LabelledDag, random: object) -> None:
    order = list(range(len(graph.labels)))
    after = graph.successors()
    waiting, found = Counter(w for v in order for w, _ in after[v]), []
    ready = [v for v in order if not waiting[v]]
    while ready:  # a topological order drawn at random, the input first and the output last
        v = 0 if 0 in ready else random.choice([one for one in ready if one != order[-1]] or ready)  # type: ignore[attr-defined]
        ready.remove(v)
        found.append(v)
        for w, _ in after[v]:
            waiting[w] -= 1
            ready += [w] if not waiting[w] else []
    assert relabelled(graph.reordered(found)) == relabelled(graph)


@given(GRAPHS)
def test_every_edge_is_a_pair_and_every_node_has_two_neighbourhoods(graph: LabelledDag) -> None:
    found = relabelled(graph)
    counts = Counter(feature[0] for feature in found.elements())  # type: ignore[index]
    assert counts["pair"] == len(graph.edges)
    assert counts["fed"] == counts["feeds"] == len(graph.labels)
