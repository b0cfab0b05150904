"""The space of DARTS: a normal and a reduction cell, where each node reads two different nodes.

Liu, Simonyan, Yang, "DARTS: Differentiable Architecture Search", ICLR 2019 (arXiv 1806.09055), section 2: of the ops on
all edges into a node, the two strongest from distinct earlier nodes are kept. So the two inputs of a node differ, as
they do in every one of the published tables' 759 networks. The search never keeps ``none``, and NAS-Bench-301 has no
such op; BANANAS and others do: ``{"kind": "darts", "none": true}``.

Sizes count both orders of a node's inputs: (2880 * 7^8)^2 = 2.8e20. Without them, each of the 8 nodes halves that:
1.1e18, the "10^18" of the literature.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bonanza.spaces.base import InvalidSpace
from bonanza.spaces.fields import read_object, show
from bonanza.spaces.kind import Kind, object_schema
from bonanza.spaces.stacked_cells import OPS, ZERO_OP, StackedCells, cells_schema, stacked_cells

ROLES = ("normal", "reduce")


def parse(spec: Mapping[str, Any]) -> StackedCells:
    """The space of ``{"kind": "darts"}``, with ``none`` among the ops where ``"none": true`` is said.

    Raises:
        InvalidSpace: a field is wrong or unknown.
    """
    read_object(spec, "", InvalidSpace, required=("kind",), optional=("none",))
    none = spec.get("none", False)
    if not isinstance(none, bool):
        raise InvalidSpace("/none", f'must be true or false, whether "none" is an op; not {show(none)}')
    ops = OPS if none else tuple(op for op in OPS if op != ZERO_OP)
    return stacked_cells("darts", ROLES, ops, False, (("none", True),) if none else ())


KINDS = (
    Kind(
        name="darts",
        description=(
            "The cells of DARTS: a normal and a reduction cell of 4 nodes, each the sum of 2 ops on different earlier "
            "nodes; 7 ops, or 8 with none. Architectures may be given as genotypes, Genotype(normal=[...], ...)."
        ),
        example={"kind": "darts", "none": False},
        spec_schema=object_schema({"kind": {"const": "darts"}}, {"none": {"type": "boolean"}}),
        architecture_schema=cells_schema(ROLES),
        parse=parse,
    ),
)
