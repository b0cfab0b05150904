"""Where everything of a picture is: boxes in layers from the top down, and smooth wires between them.

Units are CSS pixels, y grows downwards. A wire leaves at the middle of a box's lower side and ends at the middle of the
upper side of the next; between two layers it is one cubic with vertical tangents, across a layer a straight line. So a
wire never runs under a box, unless it is one of thousands (``layering.MOST_BENDS``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bonanza.spaces.coordinates import abscissas
from bonanza.spaces.graph import LabelledDag
from bonanza.spaces.layering import Layering, layered
from bonanza.spaces.sums import with_sums

FONT_SIZE = 13.0
BOX_HEIGHT = 30.0
SUM_SIZE = 16.0
PADDING = 14.0
MARGIN = 20.0
ARROW = 6.0
LAYER_GAP = 24.0
STEEPEST = 0.22
"""What a layer's gap gains for each pixel that the widest wire in it goes sideways, up to ``WIDEST_GAIN``."""
WIDEST_GAIN = 60.0
LONGEST_LABEL = 32
"""Characters of a label that a box shows; a longer one loses its middle."""
NARROW, WIDE = frozenset("fijlrtI.,:;'|!()[]{}/\\ "), frozenset("mwMW@%&")


class Point(NamedTuple):
    """A place."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Box:
    """A node, or the dot of a sum (``node`` None), around its centre.

    It shows ``label``, and as ``note`` its units, if it has any of its own.
    """

    node: int | None
    label: str
    note: str
    centre: Point
    width: float
    height: float

    @property
    def top(self) -> float:
        """The y of its upper side."""
        return self.centre.y - self.height / 2

    @property
    def bottom(self) -> float:
        """The y of its lower side."""
        return self.centre.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Wire:
    """An edge between two boxes, by their indices.

    ``points`` are the ends of its cubics: one from the first to the second, straight down to the third, a cubic to the
    fourth, and so on.
    """

    source: int
    target: int
    count: int
    points: tuple[Point, ...]

    @property
    def middle(self) -> Point:
        """Where the count is written: half-way, on the first cubic."""
        a, b = self.points[:2]
        return Point((a.x + b.x) / 2, (a.y + b.y) / 2)


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it; boxes in topological order, nodes in that of the graph."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]


def picture(graph: LabelledDag) -> Picture:
    """The graph laid out, the same for the same graph."""
    summed = with_sums(graph)
    units = graph.units
    texts = [
        ("", "") if v is None else (shortened(graph.labels[v]), f"{units[v]:,}" if units and units[v] else "")
        for v in summed.items
    ]
    heights = [SUM_SIZE if v is None else BOX_HEIGHT for v in summed.items]
    widths = [
        SUM_SIZE if v is None else max(64.0, text_width(label + (f"  {note}" if note else "")) + 2 * PADDING)
        for v, (label, note) in zip(summed.items, texts, strict=True)
    ]
    layering = layered(len(widths), summed.edges)

    def gap(v: int, w: int) -> float:
        near = sum(layering.is_bend(u) for u in (v, w))
        return sum(widths[u] / 2 for u in (v, w) if not layering.is_bend(u)) + (26.0, 20.0, 14.0)[near]

    xs = abscissas(layering, gap)
    tops, bottoms = _rows(layering, heights, xs)
    left = min([xs[v] - (widths[v] / 2 if v < len(widths) else 4.0) for v in range(len(xs))]) - MARGIN
    right = max([xs[v] + (widths[v] / 2 if v < len(widths) else 4.0) for v in range(len(xs))]) + MARGIN
    xs = [x - left for x in xs]
    middles = [(top + bottom) / 2 for top, bottom in zip(tops, bottoms, strict=True)]
    boxes = tuple(
        Box(node, *texts[v], Point(xs[v], middles[layering.layer[v]]), widths[v], heights[v])
        for v, node in enumerate(summed.items)
    )
    wires = tuple(
        Wire(v, w, count, _points(route, xs, boxes, layering, tops, bottoms))
        for (v, w), count, route in zip(summed.edges, summed.counts, layering.routes, strict=True)
    )
    return Picture(right - left, bottoms[-1] + MARGIN, boxes, wires)


def _rows(layering: Layering, heights: Sequence[float], xs: Sequence[float]) -> tuple[list[float], list[float]]:
    """Top and bottom of each layer: as high as its highest box, further from the next where wires go far sideways."""
    tops, bottoms, y = [], [], MARGIN
    for found in layering.layers:
        tops.append(y)
        y += max((heights[v] for v in found if not layering.is_bend(v)), default=0.0)
        bottoms.append(y)
        aside = max((abs(xs[v] - xs[w]) for v in found for w in layering.below[v]), default=0.0)
        y += LAYER_GAP + min(STEEPEST * aside, WIDEST_GAIN)
    return tops, bottoms


def _points(
    route: Sequence[int],
    xs: Sequence[float],
    boxes: Sequence[Box],
    layering: Layering,
    tops: Sequence[float],
    bottoms: Sequence[float],
) -> tuple[Point, ...]:
    """The ends of a wire's cubics: on the layers' edges, and where the arrow's tip begins."""
    source, target = boxes[route[0]], boxes[route[-1]]
    inner = [Point(xs[bend], edge[layering.layer[bend]]) for bend in route[1:-1] for edge in (tops, bottoms)]
    first = Point(source.centre.x, bottoms[layering.layer[route[0]]])
    last = Point(target.centre.x, tops[layering.layer[route[-1]]] - (0.0 if target.node is None else ARROW))
    return (first, *inner, last)


def text_width(text: str) -> float:
    """How wide a text of Helvetica's proportions is at most, in pixels at ``FONT_SIZE``; no font is at hand."""
    ems = 0.0
    for character in text:
        if unicodedata.combining(character):
            continue
        if unicodedata.east_asian_width(character) in {"W", "F"}:
            ems += 1.05
        elif character in NARROW:
            ems += 0.33
        elif character in WIDE:
            ems += 0.92
        elif character.isupper() or not character.isascii():
            ems += 0.76
        else:
            ems += 0.58
    return ems * FONT_SIZE


def shortened(label: str) -> str:
    """The label as a box shows it."""
    if len(label) <= LONGEST_LABEL:
        return label
    return f"{label[: LONGEST_LABEL // 2]}…{label[-LONGEST_LABEL // 2 + 1 :]}"
