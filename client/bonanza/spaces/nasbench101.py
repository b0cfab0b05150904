"""NAS-Bench-101's own conventions: its ops, its module hash, its network and what it costs.

Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML 2019 (arXiv 1902.09635). A cell is a
DAG of at most 7 vertices and 9 edges: input, output, and one of 3 ops on each vertex between. Vertices and edges on no
path from input to output are pruned before anything else, the count of the edges included.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import md5

from bonanza.spaces.base import InvalidArchitecture
from bonanza.spaces.cost import FREE, Cost, convolution, linear
from bonanza.spaces.fields import listed, show
from bonanza.spaces.wiring import Edge, live_edges, orders, triangle

MAX_VERTICES = 7
MAX_EDGES = 9
OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
INPUT = "input"
OUTPUT = "output"
CHANNELS = 128
STACKS = 3
"""Of 32, 16 and 8 pixels, each with twice the channels of the one before."""
CELLS = 3
"""A stack."""
CLASSES = 10
KERNELS = {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1}


def module_hash(adjacency: Sequence[Sequence[int]], ops: Sequence[str]) -> str:
    """The official name of a cell, 32 hexadecimal digits: what upstream's ``ModelSpec.hash_spec`` gives.

    ``module_hash(**arch.json)``. Each vertex has the MD5 of its degrees and label, then as often as there are vertices
    that of its sources', its targets' and its own; their sorted list is hashed once more. A hash of neighbourhoods: on
    the 423,624 cells of the space it is one to one with ``arch_id``, on larger ones it need not be.

    Raises:
        InvalidArchitecture: the matrix is not square, an op is unknown, or no path leads from input to output.
    """
    n = len(ops)
    if n < 2 or len(adjacency) != n or any(len(row) != n for row in adjacency):
        raise InvalidArchitecture("/adjacency", f"must be a row and a column for each of {n} ops, 2 or more")
    for k, op in enumerate(ops[1:-1], start=1):
        if op not in OPS:
            raise InvalidArchitecture(f"/ops/{k}", f"must be one of {listed(OPS)}, not {show(op)}")
    edges = live_edges(n, [(i, j) for i, j in triangle(n) if adjacency[i][j]])
    if not edges:
        raise InvalidArchitecture("/adjacency", "must have a path from the first vertex to the last")
    labels = [-1, *[OPS.index(op) for op in ops[1:-1]], -2]
    live = sorted({v for edge in edges for v in edge})
    sources = {v: [i for i, j in edges if j == v] for v in live}
    targets = {v: [j for i, j in edges if i == v] for v in live}
    hashes = {v: _digest(str((len(targets[v]), len(sources[v]), labels[v]))) for v in live}
    for _ in live:
        hashes = {
            v: _digest(
                f"{''.join(sorted([hashes[u] for u in sources[v]]))}|"
                f"{''.join(sorted([hashes[w] for w in targets[v]]))}|{own}"
            )
            for v, own in hashes.items()
        }
    return _digest(str(sorted(hashes.values())))


def _digest(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def cell_cost(ops: Sequence[str], edges: Sequence[Edge], channels: int = CHANNELS) -> Cost:
    """The published network (figure 1): a 3x3 stem, three stacks of three cells with a max pool between, a linear layer.

    ``ops`` has a place for the input and the output too. Only what is live counts. An edge from the input is a 1x1
    convolution; what leads to the output is concatenated and shares its channels, any other vertex has as many as the
    widest it leads to. Channels that do not divide go to the first vertices, so that the cost would depend on how a
    cell is written: it is that of the cell as upstream trained it. Parameters are the published table's, exactly.

    Where there are fewer ``channels`` than vertices that share them, which upstream cannot build, each has one.
    """
    ops, edges = _pruned(ops, edges)
    members = sum(j == len(ops) - 1 and i > 0 for i, j in edges)
    if members and channels % members:
        ops, edges = _as_trained(ops, edges)
    total = convolution(3, channels, 3, 32)
    inputs = channels
    for stack in range(STACKS):
        size = 32 // 2**stack
        width = vertex_channels(len(ops), edges, channels * 2**stack)
        kernels = [(width[v], width[v], KERNELS[op]) for v, op in enumerate(ops) if op in KERNELS]
        inner = sum((convolution(*shape, size) for shape in kernels), FREE)
        for _ in range(CELLS):
            total += inner + sum((convolution(inputs, width[j], 1, size) for i, j in edges if i == 0), FREE)
            inputs = width[-1]
    return total + linear(inputs, CLASSES)


def vertex_channels(n: int, edges: list[tuple[int, int]], channels: int) -> list[int]:
    """The channels of each of ``n`` vertices of a pruned cell; of the output those of the cell, of the input 0: it has its own.

    The vertices that the output reads share its ``channels``, the first ones get what does not divide; any other vertex has as many as the
    widest that reads it (upstream's ``compute_vertex_channels``). Each has at least one, and the output then more than ``channels``.
    """
    members = [i for i, j in edges if j == n - 1 and i]
    width = [0] * (n - 1) + [max(channels, len(members))]
    for k, v in enumerate(members):
        width[v] = width[-1] // len(members) + (k < width[-1] % len(members))
    for i, j in reversed(edges):
        if i and i not in members:
            width[i] = max(width[i], width[j])
    return width


def trained_cell(ops: Sequence[str], edges: Sequence[Edge]) -> tuple[list[str], list[Edge]]:
    """The live part of a cell, in the order in which upstream first generated and trained it; ops with the input's and the output's."""
    return _as_trained(*_pruned(ops, edges))


def _pruned(ops: Sequence[str], edges: Sequence[Edge]) -> tuple[list[str], list[Edge]]:
    """The live part."""
    edges = live_edges(len(ops), edges)
    live = sorted({v for edge in edges for v in edge})
    place = {v: k for k, v in enumerate(live)}
    return [ops[v] for v in live], [(place[i], place[j]) for i, j in edges]


def _as_trained(ops: Sequence[str], edges: Sequence[Edge]) -> tuple[list[str], list[Edge]]:
    """A pruned cell in the order in which upstream first generated it.

    Upstream goes through the matrices by the number whose bit i + j (j - 1) / 2 is edge (i, j), then through the ops in
    lexicographic order, and trains the first cell of each hash.
    """
    n = len(ops)

    def written(order: Sequence[int]) -> tuple[int, list[int], list[Edge]]:
        at = {0: 0, n - 1: n - 1} | {v: k for k, v in enumerate(order, start=1)}
        moved = sorted([(at[i], at[j]) for i, j in edges])
        return sum(1 << (i + j * (j - 1) // 2) for i, j in moved), [OPS.index(ops[v]) for v in order], moved

    _, numbers, moved = min(map(written, orders(n, edges)))
    return [ops[0], *[OPS[number] for number in numbers], ops[-1]], moved
