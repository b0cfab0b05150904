"""The open domain of BONAS: one cell of four blocks for both roles, with the 8 ops of DARTS.

Shi et al., "Efficient Sample-based Neural Architecture Search with Learnable Predictor" (arXiv 1911.09336, at NeurIPS
2020 "Bridging the Gap between Sample-based and One-shot NAS with BONAS"), section 4.3 and appendix A.2, who call it the
NASNet search space (Zoph et al. 2018). The two inputs of a block may read one source, but not through one op
(pipilurj/BONAS data_generators/dynamic_generate.py, ``is_valid``).

Deviations, said aloud: the paper has these 8 ops, its released settings only four of them; and the genotype that the
repository calls BONAS applies sep_conv_3x3 to source 0 twice in its first block, which the rule, and so this space,
refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bonanza.spaces.base import InvalidSpace
from bonanza.spaces.fields import read_object
from bonanza.spaces.kind import Kind, object_schema
from bonanza.spaces.stacked_cells import OPS, StackedCells, cells_schema, stacked_cells

ROLES = ("cell",)


def parse(spec: Mapping[str, Any]) -> StackedCells:
    """The space of ``{"kind": "nasnet"}``.

    Raises:
        InvalidSpace: there are other fields.
    """
    read_object(spec, "", InvalidSpace, required=("kind",))
    return stacked_cells("nasnet", ROLES, OPS, True)


KINDS = (
    Kind(
        name="nasnet",
        description=(
            "The open domain of BONAS: one cell for both roles, normal and reduction, of 4 blocks, each the sum of 2 "
            "different (op, source) pairs; the 8 ops of DARTS. Architectures may be genotypes of two equal cells too."
        ),
        example={"kind": "nasnet"},
        spec_schema=object_schema({"kind": {"const": "nasnet"}}),
        architecture_schema=cells_schema(ROLES),
        parse=parse,
    ),
)
