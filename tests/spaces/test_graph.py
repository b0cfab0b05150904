"""The labelled graph refuses parts that do not fit together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from bonanza.spaces import LabelledDag, graph_id
from tests.strategies import dags

GOOD: dict[str, Any] = {"labels": ("input", "a", "output"), "edges": ((0, 1), (1, 2))}


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": ("input",), "edges": ()},
        {"labels": ("a", "a", "output")},
        {"labels": ("input", "a", "a")},
        {"edges": ((1, 0), (1, 2))},
        {"edges": ((0, 0), (1, 2))},
        {"edges": ((0, 1), (1, 3))},
        {"edges": ((-1, 1), (1, 2))},
        {"edges": ((1, 2), (0, 1))},
        {"edges": ((0, 1), (0, 1))},
        {"counts": (1,)},
        {"counts": (1, 0)},
        {"units": (1, 2)},
        {"mass": (1.0, 2.0, 3.0, 4.0)},
    ],
)
def test_a_graph_whose_parts_do_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    LabelledDag(**GOOD)
    with pytest.raises(ValueError, match="must"):
        LabelledDag(**(GOOD | wrong))


def test_counts_left_out_are_once_each() -> None:
    assert LabelledDag(**GOOD) == LabelledDag(**GOOD, counts=(1, 1))
    assert hash(LabelledDag(**GOOD)) == hash(LabelledDag(**GOOD, counts=(1, 1)))


@given(dags())
def test_predecessors_and_successors_are_the_edges(graph: LabelledDag) -> None:
    edges = list(zip(graph.edges, graph.counts, strict=True))
    assert sorted(((u, v), n) for v, found in enumerate(graph.predecessors()) for u, n in found) == edges
    assert [((v, w), n) for v, found in enumerate(graph.successors()) for w, n in found] == edges


def test_an_id_is_pinned_for_ever() -> None:
    """Ids are in users' databases: a change of this one needs a migration."""
    assert graph_id(LabelledDag(("input", "output"), ())) == "f4220bab8ac5907c4ede"
    assert graph_id(LabelledDag(**GOOD)) == "f1c873e98efea183b71f"
    assert (
        len(
            {
                graph_id(LabelledDag(**GOOD, **more))
                for more in ({}, {"counts": (1, 2)}, {"units": (1, 1, 1)}, {"mass": (1, 1, 1)})
            }
        )
        == 4
    )
