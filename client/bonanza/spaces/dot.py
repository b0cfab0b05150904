"""Architectures in DOT, Graphviz's language, for a layout or a style of one's own."""

from __future__ import annotations

from bonanza.spaces.base import Architecture
from bonanza.spaces.drawing import drawn
from bonanza.spaces.palette import COLOURS, PAGE, colours_of


def to_dot(arch: Architecture, *, simplified: bool = False) -> str:
    """The graph that ``draw`` draws, one node and one edge a line; dead ones dashed, double ones with their count."""
    space = arch.space
    graph, live = drawn(arch, simplified=simplified)
    colours = colours_of(graph, zero_op=space.zero_op, identity_op=space.identity_op)
    lines = [
        f'digraph "{arch.arch_id}" {{',
        f'  label="{_escaped(arch.text)}";',
        "  graph [fontname=Helvetica, fontsize=10];",
        '  node [shape=box, style="rounded,filled", fontname=Helvetica];',
        f'  edge [color="{PAGE.light.stroke}", fontname=Helvetica, fontsize=10];',
    ]
    for v, label in enumerate(graph.labels):
        shade = COLOURS[colours[v]].light
        text = _escaped(label) + (f"\\n{graph.units[v]:,}" if graph.units and graph.units[v] else "")
        style = "" if v in live else ', style="rounded,dashed"'
        lines.append(
            f'  {v} [label="{text}", fillcolor="{shade.fill}", color="{shade.stroke}", fontcolor="{shade.text}"{style}];'
        )
    for (v, w), count in zip(graph.edges, graph.counts, strict=True):
        notes = ([f'label="×{count}"'] if count > 1 else []) + ([] if {v, w} <= live else ["style=dashed"])
        listed = f" [{', '.join(notes)}]" if notes else ""
        lines.append(f"  {v} -> {w}{listed};")
    return "\n".join([*lines, "}"]) + "\n"


def _escaped(text: str) -> str:
    """A text within DOT's double quotes, in which a backslash would begin an escape of a label's."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
