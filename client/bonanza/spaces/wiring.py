"""How the vertices of a cell are wired: an upper triangle of edges, and what of it the network really uses.

Notation
    n         vertices, in topological order; 0 is the input, n - 1 the output
    (i, j)    an edge, i < j; edges are sorted by source, then by target, as the triangle's rows are
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

Edge = tuple[int, int]


@cache
def triangle(n: int) -> tuple[Edge, ...]:
    """Every edge that a cell of ``n`` vertices may have."""
    return tuple((i, j) for i in range(n) for j in range(i + 1, n))


def live_vertices(n: int, edges: Sequence[Edge]) -> int:
    """The vertices that are on a path from input to output, as a set of bits; 0 if there is no path."""
    reached = 1
    for i, j in edges:  # sorted by source: all edges into i came before
        if reached >> i & 1:
            reached |= 1 << j
    if not reached >> (n - 1) & 1:
        return 0
    seen = 1 << (n - 1)
    for i, j in reversed(edges):  # and here all edges out of j
        if seen >> j & 1:
            seen |= 1 << i
    return reached & seen


def live_edges(n: int, edges: Sequence[Edge]) -> list[Edge]:
    """The edges on a path from input to output."""
    live = live_vertices(n, edges)
    return [(i, j) for i, j in edges if live >> i & 1 and live >> j & 1]


def orders(n: int, edges: Sequence[Edge]) -> Iterator[tuple[int, ...]]:
    """Every topological order of the vertices between input and output; up to (n - 2)! of them."""
    sources = [0] * n
    for i, j in edges:
        sources[j] |= 1 << i
    stack: list[tuple[tuple[int, ...], int]] = [((), 1)]
    while stack:
        order, placed = stack.pop()
        if len(order) == n - 2:
            yield order
            continue
        ready = [v for v in range(1, n - 1) if not placed >> v & 1 and not sources[v] & ~placed]
        stack += [((*order, v), placed | 1 << v) for v in reversed(ready)]
