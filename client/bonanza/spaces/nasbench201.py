"""NAS-Bench-201's own conventions: its ops, its architecture string, its unique string.

Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR 2020 (arXiv
2001.00326). A cell is a complete DAG of 4 nodes with one of 5 ops on each of its 6 edges; node j is the sum of
op(node i) over i < j. The string has a group of ops for each node but the first, each op with the node it reads:
``|a~0|+|b~0|c~1|+|d~0|e~1|f~2|``.
"""

from __future__ import annotations

from collections.abc import Sequence

from bonanza.spaces.base import InvalidArchitecture
from bonanza.spaces.cost import FREE, Cost, convolution, linear
from bonanza.spaces.fields import show

NODES = 4
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
ZERO_OP = "none"
IDENTITY_OP = "skip_connect"
CHANNELS = 16
CELLS = 5
"""Cells a stage; there are three stages, of 32, 16 and 8 pixels, each with twice the channels of the one before."""
CLASSES = 10
KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


def print_cell(ops: Sequence[str]) -> str:
    """The official string of the ops on edges (0,1), (0,2), (1,2), (0,3), ..; as many as a complete DAG has."""
    groups: list[str] = []
    first = 0
    while first < len(ops):
        width = len(groups) + 1
        groups.append("".join(f"|{op}~{i}" for i, op in enumerate(ops[first : first + width])) + "|")
        first += width
    return "+".join(groups)


def parse_cell(text: str) -> tuple[str, ...]:
    """The ops on edges (0,1), (0,2), (1,2), (0,3), .. of an official string; any op names, any number of nodes from 2.

    Raises:
        InvalidArchitecture: the string is not in the official form; the message says where.
    """
    if len(text) < 2 or text[0] != "|" or text[-1] != "|":
        raise InvalidArchitecture(
            "", f"a cell string begins and ends with a bar, as |op~0|+|op~0|op~1|, not {show(text)}"
        )
    ops: list[str] = []
    for node, group in enumerate(text[1:-1].split("|+|"), start=1):
        items = group.split("|")
        if len(items) != node:
            raise InvalidArchitecture(
                "", f"node {node} of a cell string has {node} ops, not {len(items)}: {show(group)}"
            )
        for source, item in enumerate(items):
            op, _, named = item.rpartition("~")
            if not op or named != str(source):
                raise InvalidArchitecture(
                    "", f"op {source} of node {node} of a cell string is op~{source}, not {show(item)}"
                )
            ops.append(op)
    return tuple(ops)


def cell_cost(ops: Sequence[str], channels: int = CHANNELS) -> Cost:
    """The network of the paper (figure 1, CIFAR-10): stem, three stages of five cells, a residual block between stages.

    Ops that are dead count too, as in the published tables: 0.0733 M parameters and 7.78 MFLOPs without any, 0.028 M
    and 3.93 MFLOPs more for each 1x1 convolution, 0.243 M and 35.39 MFLOPs for each 3x3.
    """
    total = convolution(3, channels, 3, 32)
    for stage in range(3):
        width, size = channels * 2**stage, 32 // 2**stage
        if stage:
            total += convolution(width // 2, width, 3, size) + convolution(width, width, 3, size)
            total += convolution(width // 2, width, 1, size, norm=False)  # the shortcut, behind an average pool
        cell = sum((convolution(width, width, KERNELS[op], size) for op in ops if op in KERNELS), FREE)
        total += cell * CELLS
    return total + Cost(2 * 4 * channels, 0) + linear(4 * channels, CLASSES)  # the last batch norm


def unique_string(text: str) -> str:
    """NAS-Bench-201's own name of the class of a cell of 4 nodes: 6,466 names over the 15,625 cells.

    What upstream's ``Structure.to_unique_str`` gives when zeros are considered. It is not the id of this project: a sum
    of zeros (``#+#``) is another class than a zero, a sum within a sum keeps its terms in a row, and an op that is
    read twice is written twice, as two ops with weights of their own are.

    Raises:
        InvalidArchitecture: the string is not in the official form, or not of 4 nodes.
    """
    ops = parse_cell(text)
    if len(ops) != NODES * (NODES - 1) // 2:  # written out at every use, a larger cell would grow exponentially
        raise InvalidArchitecture("", f"unique strings are for cells of {NODES} nodes, 6 ops, not {len(ops)}")
    sums, first = ["0"], 0
    while first < len(ops):
        terms = [_term(op, source) for op, source in zip(ops[first:], sums, strict=False)]
        first += len(sums)
        sums.append("+".join(sorted(terms)))
    return sums[-1]


def _term(op: str, source: str) -> str:
    if op == ZERO_OP or source == "#":
        return "#"
    return source if op == IDENTITY_OP else f"({source})@{op}"
