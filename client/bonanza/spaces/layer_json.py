"""The wire form of a network of layers.

``{"layers": [{"op": "ip"}, {"op": "conv3", "units": 64, "stride": 2}, ...], "edges": [[0, 1], ...]}``: layers in any
order, an edge from a layer to one that reads it. ``units`` where the op has units, ``stride`` where it is convolutional
(1 unless said).
"""

from __future__ import annotations

from typing import Any

from bonanza.spaces.base import InvalidArchitecture
from bonanza.spaces.fields import listed, pointed, read_int, read_list, read_object, show
from bonanza.spaces.kind import Schema, list_schema, object_schema
from bonanza.spaces.layer import DECISIONS, FLAVOURS, KERNELS, WITH_UNITS, Layer, layer
from bonanza.spaces.layer_network import Edge, Network, network, topological_order
from bonanza.spaces.layer_rules import Rules, violation
from bonanza.spaces.layer_spec import MOST_EDGES, MOST_LAYERS, MOST_UNITS


def network_json(net: Network) -> dict[str, Any]:
    """The wire form; ``read_network`` makes the network of it again."""
    layers: list[dict[str, Any]] = []
    for op, units, stride in net.layers:
        shown: dict[str, Any] = {"op": op}
        if units:
            shown["units"] = units
        if stride == 2 and op in KERNELS:
            shown["stride"] = 2
        layers.append(shown)
    return {"layers": layers, "edges": [list(edge) for edge in net.edges]}


def read_network(value: object, rules: Rules) -> Network:
    """The network whose wire form ``value`` is, its layers put in topological order if they are not.

    Raises:
        InvalidArchitecture: it is none, or breaks a rule; pointers are to the layers as they were numbered.
    """
    fields = read_object(value, "", InvalidArchitecture, required=("layers", "edges"))
    least, most = rules.layers
    values = read_list(fields["layers"], "/layers", InvalidArchitecture, least=least, most=most, of="layers")
    pairs = read_list(fields["edges"], "/edges", InvalidArchitecture, least=0, most=rules.edges, of="edges")
    layers = [_read_layer(each, pointed("/layers", v), rules) for v, each in enumerate(values)]
    edges = _read_edges(pairs, len(layers))
    order, net = topological_order(len(layers), edges), network(layers, edges)
    if order is None or net is None:
        raise InvalidArchitecture("/edges", "must not lead in a circle: every layer reads only layers before it")
    broken = violation(net, rules)
    if broken is None:
        return net
    pointer = ""
    for depth, key in enumerate(broken.place):
        pointer = pointed(pointer, order[key] if depth == 1 and isinstance(key, int) else key)
    raise InvalidArchitecture(pointer, broken.message)


def _read_layer(value: object, pointer: str, rules: Rules) -> Layer:
    fields = read_object(value, pointer, InvalidArchitecture, required=("op",), optional=("units", "stride"))
    op = fields["op"]
    others = {other for other in DECISIONS if other != rules.decision}
    ops = [allowed for allowed in FLAVOURS[rules.flavour] if allowed not in others]
    if not isinstance(op, str) or op not in ops:
        raise InvalidArchitecture(pointed(pointer, "op"), f"must be one of {listed(ops)}, not {show(op)}")
    units, stride = 0, 1
    if op in WITH_UNITS:
        if "units" not in fields:
            raise InvalidArchitecture(pointed(pointer, "units"), f"is missing: a layer {show(op)} has units")
        least, most = rules.units
        units = read_int(fields["units"], pointed(pointer, "units"), InvalidArchitecture, least=least, most=most)
    elif "units" in fields:
        raise InvalidArchitecture(pointed(pointer, "units"), f"must be left out: a layer {show(op)} has no units")
    if "stride" in fields:
        if op not in KERNELS:
            raise InvalidArchitecture(
                pointed(pointer, "stride"),
                f"must be left out: only {listed(KERNELS)} have a stride, a pool halves always",
            )
        stride = read_int(fields["stride"], pointed(pointer, "stride"), InvalidArchitecture, least=1, most=2)
    return layer(op, units, stride)


def _read_edges(pairs: list[Any], layers: int) -> list[Edge]:
    edges: dict[Edge, None] = {}
    for k, value in enumerate(pairs):
        here = pointed("/edges", k)
        pair = read_list(value, here, InvalidArchitecture, least=2, most=2, of="layers, [from, to]")
        v, w = [
            read_int(end, pointed(here, e), InvalidArchitecture, least=0, most=layers - 1) for e, end in enumerate(pair)
        ]
        if v == w:
            raise InvalidArchitecture(here, f"must lead to another layer than its own, {v}")
        if (v, w) in edges:
            raise InvalidArchitecture(here, f"must differ from the edges before it, not be [{v}, {w}] again")
        edges[v, w] = None
    return list(edges)


ARCHITECTURE_SCHEMA: Schema = object_schema(
    {
        "layers": list_schema(
            object_schema(
                {"op": {"enum": sorted({op for ops in FLAVOURS.values() for op in ops})}},
                {"units": {"type": "integer", "minimum": 1, "maximum": MOST_UNITS}, "stride": {"enum": [1, 2]}},
            ),
            least=4,
            most=MOST_LAYERS,
        ),
        "edges": list_schema(
            list_schema({"type": "integer", "minimum": 0, "maximum": MOST_LAYERS - 1}, least=2, most=2),
            least=3,
            most=MOST_EDGES,
        ),
    }
)
