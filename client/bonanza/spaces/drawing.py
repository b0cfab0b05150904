"""Pictures of architectures in SVG, as a paper prints them.

A picture stands alone: light colours are attributes, so that converters without style sheets print it, and a style
sheet turns them dark where the reader's page is. It has no ids, so that many may stand in one HTML page. Equal
architectures have equal pictures, byte for byte.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from bonanza.spaces.base import Architecture
from bonanza.spaces.graph import LabelledDag
from bonanza.spaces.palette import COLOURS, PAGE, colours_of
from bonanza.spaces.picture import ARROW, FONT_SIZE, Box, Picture, Point, Wire, picture, text_width
from bonanza.spaces.simplification import simplify

FADED = 0.55
"""The opacity of what is dead."""
FONT = (
    "font-family=\"Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif\" "
    f'font-size="{FONT_SIZE:g}" text-anchor="middle"'
)
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may have, escaped or not."""


def draw(arch: Architecture, *, simplified: bool = False) -> str:
    """An SVG document: the raw graph with its dead parts faded, or the canonical graph, which has none."""
    space = arch.space
    graph, live = drawn(arch, simplified=simplified)
    colours = colours_of(graph, zero_op=space.zero_op, identity_op=space.identity_op)
    return draw_graph(graph, live, colours, title=f"{space.kind} {arch.arch_id}", description=arch.text)


def drawn(arch: Architecture, *, simplified: bool) -> tuple[LabelledDag, frozenset[int]]:
    """The graph of a picture, and which of its nodes are live: on a way from input to output that no zero cuts.

    The identity is no special op here: it is contracted because it does nothing, not because nobody needs it.
    """
    space = arch.space
    if simplified:
        graph = space.canonical(arch)
        return graph, frozenset(range(len(graph.labels)))
    graph = space.graph(arch)
    return graph, frozenset(simplify(graph, zero_op=space.zero_op, identity_op=None).origin)


def draw_graph(
    graph: LabelledDag, live: frozenset[int], colours: Sequence[str], *, title: str, description: str
) -> str:
    """An SVG document of any graph; ``colours`` has a name in ``palette.COLOURS`` for each node."""
    made = picture(graph)
    alive = _alive(made, live)
    wires = [(wire, alive[wire.source] and alive[wire.target]) for wire in made.wires]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="bonanza" role="img" {_size(made)} {FONT}>',
            f"<title>{_escaped(title)}</title>",
            f"<desc>{_escaped(description)}</desc>",
            f"<style>@media (prefers-color-scheme: dark) {{{''.join(_dark({*colours, 'join'}))}}}</style>",
            f'<rect class="page" width="100%" height="100%" rx="8" fill="{PAGE.light.fill}"/>',
            *_group(_wires(made, [wire for wire, is_live in wires if not is_live]), faded=True),
            *_group(_wires(made, [wire for wire, is_live in wires if is_live]), faded=False),
            *_group(_boxes(made, graph, colours, [k for k, is_live in enumerate(alive) if not is_live]), faded=True),
            *_group(_boxes(made, graph, colours, [k for k, is_live in enumerate(alive) if is_live]), faded=False),
            "</svg>\n",
        ]
    )


def _size(made: Picture) -> str:
    width, height = _number(made.width), _number(made.height)
    return f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'


def _alive(made: Picture, live: frozenset[int]) -> list[bool]:
    """For each box whether it is live: a sum is, if one of its summands and one of its readers are."""
    fed = {wire.target for wire in made.wires if made.boxes[wire.source].node in live}
    read = {wire.source for wire in made.wires if made.boxes[wire.target].node in live}
    return [k in fed & read if box.node is None else box.node in live for k, box in enumerate(made.boxes)]


def _group(elements: Iterable[str], *, faded: bool) -> Iterator[str]:
    """The elements, faded as one: where dead wires cross they are no darker."""
    found = list(elements)
    if found:
        yield f'<g opacity="{FADED}" stroke-dasharray="4 3">' if faded else "<g>"
        yield from found
        yield "</g>"


def _wires(made: Picture, wires: Sequence[Wire]) -> Iterator[str]:
    if not wires:
        return
    stroke = PAGE.light.stroke
    yield f'<g class="wire" fill="none" stroke="{stroke}" stroke-width="1.5">'
    yield from (f'<path d="{_path(wire, made.boxes[wire.source], made.boxes[wire.target])}"/>' for wire in wires)
    yield "</g>"
    yield f'<g class="tip" fill="{stroke}" stroke="none">'
    for k in sorted({wire.target for wire in wires}):
        box = made.boxes[k]
        if box.node is not None:
            x, y, half = _number(box.centre.x - ARROW * 0.65), _number(box.top - ARROW), _number(ARROW * 0.65)
            yield f'<path d="M{x} {y}h{_number(ARROW * 1.3)}l-{half} {_number(ARROW)}z"/>'
    yield "</g>"
    for wire in wires:
        if wire.count > 1:
            yield from _count(wire.middle, f"×{wire.count}")


def _path(wire: Wire, source: Box, target: Box) -> str:
    """SVG path data: cubics between layers, vertical lines across them; straight where the cubic would be."""
    at = Point(source.centre.x, source.bottom)
    found = [f"M{_number(at.x)} {_number(at.y)}"]
    *through, end = wire.points
    end_y = target.top - (0.0 if target.node is None else ARROW)
    for k, point in enumerate([*through, end, Point(end.x, end_y)]):
        if k % 2 and point.x != at.x:
            half = _number((at.y + point.y) / 2)
            found.append(f"C{_number(at.x)} {half} {_number(point.x)} {half} {_number(point.x)} {_number(point.y)}")
        elif point.y != at.y:
            vertical = f"V{_number(point.y)}"
            if found[-1][0] == "V":
                found.pop()  # one line, not one a layer
            found.append(vertical)
        at = point
    return "".join(found)


def _count(at: Point, text: str) -> Iterator[str]:
    """How often an edge is, on a patch of the page's colour."""
    width = text_width(text) * 0.85 + 6
    yield (
        f'<g class="count" stroke="none"><rect x="{_number(at.x - width / 2)}" y="{_number(at.y - 7)}" '
        f'width="{_number(width)}" height="14" rx="7" fill="{PAGE.light.fill}"/>'
        f'<text x="{_number(at.x)}" y="{_number(at.y)}" dy=".35em" font-size="11" fill="{PAGE.light.text}">{text}</text></g>'
    )


def _boxes(made: Picture, graph: LabelledDag, colours: Sequence[str], shown: Iterable[int]) -> Iterator[str]:
    for k in shown:
        box = made.boxes[k]
        x, y = _number(box.centre.x), _number(box.centre.y)
        if box.node is None:
            shade, arm = COLOURS["join"].light, _number(box.width / 4)
            yield (
                f'<g class="sum join"><title>sum</title><circle cx="{x}" cy="{y}" r="{_number(box.width / 2)}" '
                f'fill="{shade.fill}" stroke="{shade.stroke}"/><path d="M{x} {y}m-{arm} 0h{_number(box.width / 2)}'
                f'M{x} {y}m0 -{arm}v{_number(box.width / 2)}" stroke="{shade.text}" stroke-width="1.5"/></g>'
            )
            continue
        colour = colours[box.node]
        shade = COLOURS[colour].light
        round_ = box.height / 2 if colour == "io" else 7.0
        note = f'<tspan dx="7" font-size="11" fill-opacity=".7">{box.note}</tspan>' if box.note else ""
        units = f", {box.note} units" if box.note else ""
        yield (
            f'<g class="node {colour}" data-node="{box.node}"><title>{_escaped(graph.labels[box.node])}{units}</title>'
            f'<rect x="{_number(box.centre.x - box.width / 2)}" y="{_number(box.top)}" width="{_number(box.width)}" '
            f'height="{_number(box.height)}" rx="{_number(round_)}" fill="{shade.fill}" stroke="{shade.stroke}" '
            f'stroke-width="1.25"/><text x="{x}" y="{y}" dy=".35em" fill="{shade.text}" stroke="none">'
            f"{_escaped(box.label)}{note}</text></g>"
        )


def _dark(colours: Iterable[str]) -> Iterator[str]:
    """The rules for a dark page; they win over attributes."""
    page = PAGE.dark
    yield f".bonanza .page,.bonanza .count rect{{fill:{page.fill}}}.bonanza .count text{{fill:{page.text}}}"
    yield f".bonanza .wire{{stroke:{page.stroke}}}.bonanza .tip{{fill:{page.stroke}}}"
    for colour in sorted(colours):
        fill, stroke, text = COLOURS[colour].dark
        yield f".bonanza .{colour} rect,.bonanza .{colour} circle{{fill:{fill};stroke:{stroke}}}"
        yield f".bonanza .{colour} text{{fill:{text}}}.bonanza .{colour} path{{stroke:{text}}}"


def _number(value: float) -> str:
    """A length to a tenth of a pixel."""
    return f"{value:z.1f}".removesuffix(".0")


def _escaped(text: str) -> str:
    """A text that XML can carry."""
    return html.escape(NOT_XML.sub("\ufffd", text))
