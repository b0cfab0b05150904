"""Neural graph features against every path, followed one by one."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bonanza.spaces import LabelledDag, space_from_spec
from bonanza_server.search.graf import FEATURES, MOST_SETS, Graf, sets_of

OPS = ("a", "b", "c")
GRAPHS = st.integers(3, 8).flatmap(
    lambda n: st.builds(
        lambda labels, edges: LabelledDag(("input", *labels, "output"), tuple(sorted(edges))),
        st.lists(st.sampled_from((*OPS, "concat")), min_size=n - 2, max_size=n - 2),
        st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda edge: edge[0] < edge[1])),
    )
)
VARIED = [
    LabelledDag(("input", "concat", *ops, "output"), ()) for ops in [(), ("a",), ("b",), ("c",)]
]  # every graph has one concatenation, so that it is no op


def paths(graph: LabelledDag, v: int = 0) -> list[list[int]]:
    """Every path from ``v`` to the output, as the nodes between."""
    last = len(graph.labels) - 1
    if v == last:
        return [[]]
    return [[*([w] if w < last else []), *rest] for u, w in graph.edges if u == v for rest in paths(graph, w)]


@given(GRAPHS)
def test_the_features_are_those_of_all_paths(graph: LabelledDag) -> None:
    graf = Graf(VARIED)
    found = dict(zip(FEATURES, graf.of(graph).reshape(len(FEATURES), -1), strict=True))
    routes = [[graph.labels[v] for v in path if graph.labels[v] in OPS] for path in paths(graph)]
    for k, ops in enumerate(graf.sets):
        lengths = [len(route) for route in routes if set(route) <= ops]
        assert found["open"][k] == bool(lengths)
        assert found["shortest"][k] == (min(lengths) if lengths else max(map(len, routes), default=0) + 1)
        assert found["longest"][k] == max((sum(op in ops for op in route) for route in routes), default=0)
        assert found["count"][k] == sum(label in ops for label in graph.labels)


def test_ops_that_the_input_feeds_and_that_feed_the_output() -> None:
    graf = Graf(VARIED)
    graph = LabelledDag(
        ("input", "a", "concat", "b", "c", "concat", "output"), ((0, 1), (0, 2), (1, 4), (2, 3), (3, 5), (4, 6), (5, 6))
    )
    found = dict(zip(FEATURES, graf.of(graph).reshape(len(FEATURES), -1), strict=True))
    sets = ["".join(sorted(ops)) for ops in graf.sets]
    assert dict(zip(sets, found["first"], strict=True)) == {"a": 1, "b": 1, "c": 0, "ab": 2, "ac": 1, "bc": 1, "abc": 2}
    assert dict(zip(sets, found["last"], strict=True)) == {"a": 0, "b": 1, "c": 1, "ab": 1, "ac": 1, "bc": 2, "abc": 2}


def test_sets_grow_slower_than_subsets_where_there_are_many_ops() -> None:
    assert len(sets_of("abcde")) == 31
    assert [len(sets_of("abcdefghijklmnop"[:k])) for k in (0, 1, 6, 8, 9, 16)] == [0, 1, 22, 37, 10, 17]
    assert all(len(sets_of("abcdefghijklmnop"[:k])) <= MOST_SETS for k in range(17))


def test_a_space_without_a_choice_of_ops_has_no_features() -> None:
    assert Graf([LabelledDag(("input", "a", "output"), ((0, 1), (1, 2)))] * 3).of(
        LabelledDag(("input", "a", "output"), ((0, 1), (1, 2)))
    ).shape == (0,)


def test_cells_of_nasbench201_that_differ_in_wiring_differ_in_features() -> None:
    space = space_from_spec({"kind": "nasbench201"})
    graf = Graf([space.graph(space.sample(random.Random(k))) for k in range(64)])
    deep = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|avg_pool_3x3~2|"
    other = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|nor_conv_1x1~2|"
    assert np.any(graf.of(space.graph(space.validate(deep))) != graf.of(space.graph(space.validate(other))))
