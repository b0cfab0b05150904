"""The specs of node cells: ``node_cell`` and the preset ``nasbench101``."""

from __future__ import annotations

from collections.abc import Mapping
from math import comb
from typing import Any

from bonanza.spaces import nasbench101
from bonanza.spaces.base import InvalidSpace
from bonanza.spaces.fields import LONGEST_NAME, listed, pointed, read_int, read_list, read_name, read_object, show
from bonanza.spaces.graph import INPUT, OUTPUT
from bonanza.spaces.kind import Kind, Schema, list_schema, object_schema
from bonanza.spaces.node_cell import HALF_EDGE, PRESETS, SAMPLINGS, UNIFORM, NodeCell, node_cell

MOST_VERTICES = 16
MOST_OPS = 64
RAREST = 0.01
"""The chance of a random half of all edges to be few enough below which drawing them over and over is refused."""


def parse(spec: Mapping[str, Any]) -> NodeCell:
    """The space of a spec of this family, whose ``kind`` is "node_cell" or a preset's name.

    ``input`` and ``output`` are what architectures call their first and last vertex.

    Raises:
        InvalidSpace: a field is wrong, missing or unknown.
    """
    if spec["kind"] in PRESETS:
        read_object(spec, "", InvalidSpace, required=("kind",), optional=("sampling",))
        preset = PRESETS[spec["kind"]]
        return preset.sampled(_read_sampling(spec, preset.max_nodes, preset.max_edges))
    names = {"input": INPUT, "output": OUTPUT}
    required = ("kind", "max_nodes", "max_edges", "ops")
    read_object(spec, "", InvalidSpace, required=required, optional=(*names, "sampling"))
    max_nodes = read_int(spec["max_nodes"], "/max_nodes", InvalidSpace, least=2, most=MOST_VERTICES)
    max_edges = read_int(spec["max_edges"], "/max_edges", InvalidSpace, least=1, most=comb(max_nodes, 2))
    for name in names:
        if name in spec:
            names[name] = read_name(spec[name], pointed("", name), InvalidSpace)
    if names["input"] == names["output"]:
        raise InvalidSpace("/output", f"must differ from input, {show(names['input'])}")
    taken = {INPUT, OUTPUT, *names.values()}
    ops: list[str] = []
    for k, value in enumerate(read_list(spec["ops"], "/ops", InvalidSpace, least=1, most=MOST_OPS, of="op names")):
        op = read_name(value, pointed("/ops", k), InvalidSpace)
        if op in taken:
            raise InvalidSpace(
                pointed("/ops", k), f"must differ from the other ops, the input and the output, not {show(op)}"
            )
        taken.add(op)
        ops.append(op)
    sampling = _read_sampling(spec, max_nodes, max_edges)
    return node_cell(max_nodes, max_edges, tuple(ops), names["input"], names["output"], sampling)


def _read_sampling(spec: Mapping[str, Any], max_nodes: int, max_edges: int) -> str:
    sampling = spec.get("sampling", UNIFORM)
    if not isinstance(sampling, str) or sampling not in SAMPLINGS:
        raise InvalidSpace("/sampling", f"must be one of {listed(SAMPLINGS)}, not {show(sampling)}")
    edges = comb(max_nodes, 2)
    if sampling == HALF_EDGE and sum(comb(edges, k) for k in range(max_edges + 1)) < RAREST * 2**edges:
        raise InvalidSpace(
            "/sampling",
            f"must be {show(UNIFORM)} here: half of {edges} edges are hardly ever as few as {max_edges}",
        )
    return sampling


_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
_SAMPLING: Schema = {"enum": list(SAMPLINGS), "default": UNIFORM}


def _cells(most: int, ops: Schema) -> Schema:
    row = list_schema({"enum": [0, 1]}, least=2, most=most)
    return object_schema(
        {"adjacency": list_schema(row, least=2, most=most), "ops": list_schema(ops, least=2, most=most)}
    )


KINDS = (
    Kind(
        name="nasbench101",
        description=(
            "The 423,624 cells of NAS-Bench-101: node_cell with 7 vertices, 9 edges and its 3 ops. "
            '"sampling": "half_edge" draws as published random searches did.'
        ),
        example={"kind": "nasbench101"},
        spec_schema=object_schema({"kind": {"const": "nasbench101"}}, {"sampling": _SAMPLING}),
        architecture_schema=_cells(
            nasbench101.MAX_VERTICES, {"enum": [nasbench101.INPUT, *nasbench101.OPS, nasbench101.OUTPUT]}
        ),
        parse=parse,
    ),
    Kind(
        name="node_cell",
        description=(
            "A DAG of 2 to max_nodes vertices (input and output included) and up to max_edges edges, with one of up to "
            "64 ops on each vertex between. Vertices and edges on no path from input to output do not count."
        ),
        example={"kind": "node_cell", "max_nodes": 6, "max_edges": 8, "ops": ["sep_conv_3x3", "max_pool_3x3"]},
        spec_schema=object_schema(
            {
                "kind": {"const": "node_cell"},
                "max_nodes": {"type": "integer", "minimum": 2, "maximum": MOST_VERTICES},
                "max_edges": {"type": "integer", "minimum": 1, "maximum": comb(MOST_VERTICES, 2)},
                "ops": list_schema(_NAME, least=1, most=MOST_OPS) | {"uniqueItems": True},
            },
            {"input": _NAME, "output": _NAME, "sampling": _SAMPLING},
        ),
        architecture_schema=_cells(MOST_VERTICES, _NAME),
        parse=parse,
    ),
)
