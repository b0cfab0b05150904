"""The one home of Hypothesis strategies: specs, spaces, architectures and graphs."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from bonanza.spaces import Architecture, LabelledDag, SearchSpace, space_from_spec
from bonanza.spaces.constraint import read_quantity
from bonanza.spaces.quantity import Features

NAMES = st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="|"), min_size=1, max_size=8).filter(
    lambda name: name not in {"input", "output"}
)
SPECIAL = ["none", "skip_connect"]


def generators() -> st.SearchStrategy[random.Random]:
    """Seeded generators; a seed, not Hypothesis' own stream, so that draws cost nothing."""
    return st.integers(0, 2**32 - 1).map(random.Random)


@st.composite
def edge_cell_specs(draw: st.DrawFn, most_nodes: int = 5) -> dict[str, Any]:
    """Specs of ``edge_cell``: with the special ops or without, named or left to the defaults, in any order."""
    ops = draw(st.lists(NAMES | st.sampled_from(SPECIAL), min_size=1, max_size=5, unique=True))
    spec: dict[str, Any] = {"kind": "edge_cell", "nodes": draw(st.integers(2, most_nodes)), "ops": ops}
    if draw(st.booleans()):
        spec["zero_op"] = draw(st.none() | st.sampled_from(ops))
    if draw(st.booleans()):
        taken = spec.get("zero_op", "none" if "none" in ops else None)
        spec["identity_op"] = draw(st.none() | st.sampled_from([op for op in ops if op != taken] or [None]))
    elif spec.get("zero_op") == "skip_connect":
        spec["identity_op"] = None
    return spec


@st.composite
def sequence_specs(draw: st.DrawFn) -> dict[str, Any]:
    """Specs of ``sequence``, whose choices mix strings, numbers and booleans, no two of a position alike in print."""
    choice = NAMES | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6)
    choices = st.lists(choice, min_size=1, max_size=5, unique_by=_print)
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    return {"kind": "sequence", "positions": [{"name": name, "choices": draw(choices)} for name in names]}


@st.composite
def constraints_around(draw: st.DrawFn, space: SearchSpace, arch: Architecture) -> list[dict[str, Any]]:
    """Up to three constraints that ``arch`` meets, an architecture of ``space``; tight ones among them."""
    ops = sorted({op for op in space.graph(arch).labels[1:-1] if op not in {space.zero_op, space.identity_op}})
    member, values = next(iter(space.to_json(arch).items()))
    forms = [{"measure": name} for name in ("depth", "ops", "edges")]
    forms += [{"count": op} for op in ops if len(op) <= 100] + [{"count": values[0], "in": f"/{member}"}]
    found = []
    for form in draw(st.lists(st.sampled_from(forms), min_size=1, max_size=3)):
        value = read_quantity(form, "", besides=()).of(Features(space, arch))
        bounds = {"least": max(0, value - draw(st.integers(0, 2))), "most": value + draw(st.integers(0, 2))}
        kept = draw(st.sampled_from([("least",), ("most",), ("least", "most")]))
        found.append({**form, **{bound: bounds[bound] for bound in kept}})
    return found


@st.composite
def node_cell_specs(draw: st.DrawFn, most_nodes: int = 6) -> dict[str, Any]:
    """Specs of ``node_cell``: any limits, ends with names of their own, both ways to sample."""
    nodes = draw(st.integers(2, most_nodes))
    pairs = nodes * (nodes - 1) // 2
    names = draw(st.lists(NAMES, min_size=3, max_size=6, unique=True))
    spec: dict[str, Any] = {"kind": "node_cell", "max_nodes": nodes, "ops": names[2:]}
    spec |= draw(st.fixed_dictionaries({}, optional={"input": st.just(names[0]), "output": st.just(names[1])}))
    if draw(st.booleans()):  # half of all edges are few enough
        return spec | {"max_edges": draw(st.integers((pairs + 1) // 2, pairs)), "sampling": "half_edge"}
    return spec | {"max_edges": draw(st.integers(1, pairs))}


def _print(choice: str | float | bool) -> str:
    if isinstance(choice, float) and choice == int(choice):
        return str(int(choice))
    return str(choice).lower() if isinstance(choice, bool) else str(choice)


@st.composite
def recurrent_specs(draw: st.DrawFn) -> dict[str, Any]:
    """Specs of ``recurrent``, with its least number of nodes or without."""
    nodes = draw(st.integers(1, 24))
    least = draw(st.none() | st.integers(1, nodes))
    return {"kind": "recurrent", "nodes": nodes} | ({} if least is None else {"least_nodes": least})


@st.composite
def resnet_stages_specs(draw: st.DrawFn) -> dict[str, Any]:
    """Specs of ``resnet_stages`` with room for a string."""
    bounds = {name: sorted(draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))) for name in ("stages", "doublings")}
    least = draw(st.integers(1, 20))
    bounds["blocks"] = [least, max(least, bounds["stages"][0], bounds["doublings"][0]) + draw(st.integers(0, 20))]
    return {"kind": "resnet_stages", **bounds}


@st.composite
def pool_specs(draw: st.DrawFn) -> dict[str, Any]:
    """Specs of ``pool``: a few architectures of a small space, perhaps the same again, as JSON or, if it is taken, text."""
    of = draw(st.sampled_from([{"kind": "nasbench201"}, {"kind": "recurrent", "nodes": 3}]) | edge_cell_specs(4))
    space = space_from_spec(of)
    members = draw(st.lists(architectures(space), min_size=1, max_size=6))
    return {
        "kind": "pool",
        "of": of,
        "architectures": [arch.text if draw(st.booleans()) else arch.json for arch in members],
    }


@st.composite
def layer_graph_specs(draw: st.DrawFn) -> dict[str, Any]:
    """Specs of ``layer_graph`` of either flavour, with any of the bounds, none so tight that no network is left."""
    flavour = draw(st.sampled_from(["cnn", "mlp"]))
    units = draw(st.integers(1, 600))
    bounds: dict[str, Any] = {
        "layers": st.tuples(st.integers(4, 30), st.integers(30, 100)).map(list),
        "units": st.integers(units, 3 * units).map(lambda most: [units, most]),
        "edges": st.integers(40, 500),
        "in_degree": st.integers(1, 6),
        "out_degree": st.integers(1, 60),
        "mass": st.just([300, None]),
        "decision": st.sampled_from(["softmax"] if flavour == "cnn" else ["softmax", "linear"]),
    }
    if flavour == "cnn":
        bounds["halvings"] = st.none() | st.integers(0, 7)
    said = draw(st.lists(st.sampled_from(sorted(bounds)), unique=True))
    return {"kind": "layer_graph", "flavour": flavour, **{name: draw(bounds[name]) for name in said}}


def specs() -> st.SearchStrategy[dict[str, Any]]:
    """Specs of every kind."""
    presets = st.sampled_from(
        [{"kind": "nasbench201"}, {"kind": "nasbench101"}, {"kind": "nasbench101", "sampling": "half_edge"}]
    )
    return (
        presets
        | edge_cell_specs()
        | stacked_cells_specs()
        | node_cell_specs()
        | sequence_specs()
        | recurrent_specs()
        | resnet_stages_specs()
        | layer_graph_specs()
        | pool_specs()
    )


def stacked_cells_specs() -> st.SearchStrategy[dict[str, Any]]:
    """Specs of ``darts``, with ``none`` and without, said and left out, and of ``nasnet``."""
    return st.sampled_from(
        [{"kind": "darts"}, {"kind": "darts", "none": False}, {"kind": "darts", "none": True}, {"kind": "nasnet"}]
    )


def spaces() -> st.SearchStrategy[SearchSpace]:
    """Spaces of every kind."""
    return specs().map(space_from_spec)


def architectures(space: SearchSpace) -> st.SearchStrategy[Architecture]:
    """Architectures of ``space``."""
    return generators().map(space.sample)


@st.composite
def dags(draw: st.DrawFn, most_ops: int = 7, labels: str = "ab") -> LabelledDag:
    """Any labelled graph: dead ends, several sources, double edges."""
    n = draw(st.integers(0, most_ops)) + 2
    pairs = [(v, w) for w in range(n) for v in range(w)]
    edges = tuple(sorted(draw(st.lists(st.sampled_from(pairs), unique=True))))
    counts = draw(st.lists(st.integers(1, 2), min_size=len(edges), max_size=len(edges)))
    middle = draw(st.lists(st.sampled_from(labels), min_size=n - 2, max_size=n - 2))
    return LabelledDag(("input", *middle, "output"), edges, tuple(counts))


def shuffled(graph: LabelledDag, rng: random.Random) -> LabelledDag:
    """The graph under another topological order of the nodes between input and output."""
    last = len(graph.labels) - 1
    sources = [{u for u, _ in found if u != 0} for found in graph.predecessors()]
    order, left = [0], set(range(1, last))
    while left:
        order.append(rng.choice(sorted(v for v in left if not sources[v] & left)))
        left.discard(order[-1])
    return graph.reordered([*order, last])
