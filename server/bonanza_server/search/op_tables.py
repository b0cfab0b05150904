"""What OTMANN takes ops for: how unlike two of them are, which are counted together on a path, and what one weighs.

Kandasamy et al. 2018, "Neural architecture search with Bayesian optimisation and optimal transport" (arXiv 1802.07191), the label mismatch tables of
its appendix for the networks of layers, ``CNN`` and ``MLP``, with the numbers of the released code. ``CELL`` is ours, for the graphs of all other spaces, whose ops are known by
name alone: what the paper says of convolutions and pools, carried over to any op with a kernel in its name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from bonanza.spaces import LabelledDag
from bonanza.spaces.graph import INPUT, OUTPUT
from bonanza.spaces.layer import FC, HIDDEN, KERNELS, POOLS, RECTIFIERS, SIGMOIDS, op_of
from bonanza.spaces.palette import colour_of

UNLIKE = math.inf
"""The mismatch of two ops of which neither is ever taken for the other."""
KERNEL_STEP = math.sqrt(2.0) / 10.0
"""Mismatch of two kernels, for each square root of a pixel between them."""
OTHER_DESIGN = 0.1
"""Mismatch of a convolution and a residual block with the same kernel."""
OTHER_POOL = 0.5
SAME_CLASS, OTHER_CLASS = 0.1, 0.25
"""Of two activations: of one class, rectifiers or sigmoids, and of both."""

CHANNELS = 16
"""The width at which a depthwise convolution is weighed against a full one: the first cells' in NAS-Bench-201 and DARTS."""
LEAST_END_MASS = 1.0
"""The least mass of a cell's input and output, whose mass is else a tenth of what is between: that of a 1x1 convolution."""
END_SHARE = 0.1
CELL_MASSES = {"pool": 0.5, "join": 0.25}
"""Of ops that are no convolutions; those of families that are not here weigh 1."""


@dataclass(frozen=True)
class OpTable:
    """What OTMANN takes ops for. One of your own is ``dataclasses.replace`` of one of these; equal and hashed by its functions' identities.

    Attributes:
        name: What the table is for.
        groups: The names of the groups of which path lengths are counted, besides the group of all ops.
        group: The group of an op, None where it is counted among all only.
        kind: The kind of an op; ops of two kinds are never taken for each other.
        mismatch: How unlike two different ops of one kind are, in units of a match's alternative, to leave either unmatched; symmetric.
        op: The op of a node's label.
        mass: What a node weighs by its label, where the graph does not say; None: the graph must say.
    """

    name: str
    groups: tuple[str, ...]
    group: Callable[[str], str | None]
    kind: Callable[[str], str]
    mismatch: Callable[[str, str], float]
    op: Callable[[str], str]
    mass: Callable[[str], float] | None = None

    def unlike(self, one: str, other: str) -> float:
        """How unlike any two ops are: 0 for equal ones, ``UNLIKE`` for two kinds."""
        if one == other:
            return 0.0
        return self.mismatch(one, other) if self.kind(one) == self.kind(other) else UNLIKE


def table_of(graph: LabelledDag) -> OpTable:
    """The table for ``graph``: ``CNN`` or ``MLP`` if it has masses, as layer networks have, and ``CELL`` if not."""
    if graph.mass is None:
        return CELL
    return MLP if any(op_of(label) in HIDDEN for label in graph.labels) else CNN


def masses(graph: LabelledDag, table: OpTable) -> tuple[float, ...]:
    """The mass of each node: the graph's, or by op, the ends a tenth of all between but at least ``LEAST_END_MASS``.

    Raises:
        ValueError: neither the graph nor the table says.
    """
    if graph.mass is not None:
        return graph.mass
    if table.mass is None:
        raise ValueError(f"the table {table.name} has no masses: give the graph some, or use the table {CELL.name}")
    inner = [table.mass(label) for label in graph.labels[1:-1]]
    end = max(END_SHARE * math.fsum(inner), LEAST_END_MASS)
    return (end, *inner, end)


def kernels_apart(one: int, other: int, *, same_design: bool) -> float:
    """The mismatch of two convolutions by their kernels: 3 and 5 of one design 0.2, of two designs 0.28."""
    apart = KERNEL_STEP * math.sqrt(abs(one - other))
    return apart if same_design else (1.0 - OTHER_DESIGN) * apart + OTHER_DESIGN


def _cnn_group(op: str) -> str | None:
    if op in KERNELS:
        return "conv"
    return "pool" if op in POOLS else FC if op == FC else None


def _cnn_kind(op: str) -> str:
    return _cnn_group(op) or op


def _cnn_mismatch(one: str, other: str) -> float:
    if one in POOLS:
        return OTHER_POOL
    return kernels_apart(KERNELS[one], KERNELS[other], same_design=one[:3] == other[:3])


def _mlp_group(op: str) -> str | None:
    return "rectifier" if op in RECTIFIERS else "sigmoid" if op in SIGMOIDS else None


def _mlp_kind(op: str) -> str:
    return "hidden" if op in HIDDEN else op


def _mlp_mismatch(one: str, other: str) -> float:
    return SAME_CLASS if _mlp_group(one) == _mlp_group(other) else OTHER_CLASS


@lru_cache(maxsize=4096)
def family(label: str) -> str:
    """What a cell's op is by its name: ``convolution``, ``pool``, ``activation``, another family of ``palette``, or "".

    The choices of a sequence, ``name=choice``, have none: each is a type of its own, and not one that occurs elsewhere.
    """
    if "=" in label or label in {INPUT, OUTPUT}:
        return ""
    found = colour_of(label, zero_op=None, identity_op=None)
    return found if found in {"convolution", "pool", "activation", "join", "linear"} else ""


def _kernel(label: str) -> int:
    """The kernel in an op's name, 1 if there is none: 3 of ``sep_conv_3x3``, ``conv3x3-bn-relu``, ``res3``."""
    found = re.search(r"(\d+)\s*x\s*\1(?!\d)|(?:conv|res|pool)_?(\d+)", label.lower())
    digits = (found[1] or found[2]) if found else "1"
    return min(int(digits[:3]), 99)


def _design(label: str) -> str:
    """An op's name without its numbers: two convolutions of one design differ in their kernels only."""
    return re.sub(r"[\d_\W]+", " ", label.lower().replace("x", " ")).strip()


def _cell_group(op: str) -> str | None:
    found = family(op)
    return found if found in CELL.groups else None


def _cell_kind(op: str) -> str:
    return _cell_group(op) or op


@lru_cache(maxsize=4096)
def _cell_mass(label: str) -> float:
    found = family(label)
    if found != "convolution":
        return CELL_MASSES.get(found, 1.0)
    area, name = _kernel(label) ** 2, label.lower()
    if re.search(r"dil|depthwise|dw", name):  # DARTS: k x k depthwise, then 1x1
        return area / CHANNELS + 1.0
    if re.search(r"sep", name):  # the same twice
        return 2.0 * (area / CHANNELS + 1.0)
    return float(area)


def _cell_mismatch(one: str, other: str) -> float:
    if family(one) == "convolution":
        return kernels_apart(_kernel(one), _kernel(other), same_design=_design(one) == _design(other))
    if family(one) == "pool":
        return OTHER_POOL
    return SAME_CLASS if _saturates(one) == _saturates(other) else OTHER_CLASS


def _saturates(label: str) -> bool:
    return re.search(r"tanh|sigmoid|logistic|soft(max|sign)", label.lower()) is not None


CNN = OpTable("cnn", ("conv", "pool", FC), _cnn_group, _cnn_kind, _cnn_mismatch, op_of)
"""Convolutions and residual blocks by kernel; max- and average-pools; everything else is equal or unlike."""
MLP = OpTable("mlp", ("rectifier", "sigmoid"), _mlp_group, _mlp_kind, _mlp_mismatch, op_of)
"""Hidden layers by the class of their activation."""
CELL = OpTable("cell", ("convolution", "pool", "activation"), _cell_group, _cell_kind, _cell_mismatch, str, _cell_mass)
"""Convolutions by kernel, 0.1 more and the rest times 0.9 if of another design ("sep", "dil", "nor"); pools 0.5; activations as in ``MLP``; all else
is equal or unlike. A convolution weighs its multiply-adds a pixel over those of a 1x1 one: k² if it is full, k²/16 + 1 if depthwise, twice that
if separable in DARTS' sense."""
