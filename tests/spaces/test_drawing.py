"""Pictures: well-formed whatever the labels are, everything drawn once, nothing on top of another, wires downward."""

from __future__ import annotations

import itertools
import random
import re
import time
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonanza.spaces import Architecture, LabelledDag, SearchSpace, draw, space_from_spec, space_kinds, to_dot
from bonanza.spaces.coordinates import abscissas
from bonanza.spaces.drawing import draw_graph
from bonanza.spaces.layering import layered
from bonanza.spaces.palette import COLOURS, FAMILIES, OTHERS, PAGE, Shade, colour_of, colours_of
from bonanza.spaces.picture import LONGEST_LABEL, Box, Picture, picture
from bonanza.spaces.sums import with_sums
from tests.strategies import dags, spaces

SVG = "{http://www.w3.org/2000/svg}"
NB201 = space_from_spec({"kind": "nasbench201"})


def parsed(svg: str) -> ET.Element:
    svg.encode()
    return ET.fromstring(svg)


def drawn_graph(graph: LabelledDag) -> ET.Element:
    colours = colours_of(graph, zero_op="none", identity_op="skip_connect")
    return parsed(draw_graph(graph, frozenset(range(len(graph.labels))), colours, title="t", description="d"))


def nodes_of(root: ET.Element) -> dict[int, str]:
    """The node of each box, with its whole label; no node twice."""
    found = [group for group in root.iter(f"{SVG}g") if group.get("data-node") is not None]
    assert len({group.get("data-node") for group in found}) == len(found)
    return {int(group.get("data-node", "")): group.findtext(f"{SVG}title", "") for group in found}


def chain(
    labels: list[str], skips: tuple[tuple[int, int], ...] = (), units: tuple[int, ...] | None = None
) -> LabelledDag:
    edges = sorted({*itertools.pairwise(range(len(labels) + 2)), *skips})
    return LabelledDag(("input", *labels, "output"), tuple(edges), (), units)


def overlap(a: Box, b: Box) -> bool:
    aside = abs(a.centre.x - b.centre.x) < (a.width + b.width) / 2
    return aside and abs(a.centre.y - b.centre.y) < (a.height + b.height) / 2


def within(made: Picture) -> bool:
    return all(
        box.width / 2 <= box.centre.x <= made.width - box.width / 2 and box.top >= 0 and box.bottom <= made.height
        for box in made.boxes
    )


@settings(deadline=None, max_examples=150)
@given(graph=dags(most_ops=9))
def test_no_two_boxes_overlap_and_all_are_on_the_page(graph: LabelledDag) -> None:
    made = picture(graph)
    assert within(made)
    assert not any(overlap(a, b) for a, b in itertools.combinations(made.boxes, 2))
    assert [box.node for box in made.boxes if box.node is not None] == list(range(len(graph.labels)))


@settings(deadline=None, max_examples=150)
@given(graph=dags(most_ops=9))
def test_every_wire_goes_down_from_its_source_to_its_target_and_under_no_box(graph: LabelledDag) -> None:
    made = picture(graph)
    for wire in made.wires:
        source, target = made.boxes[wire.source], made.boxes[wire.target]
        ys = [source.bottom, *(point.y for point in wire.points), target.top]
        assert ys == sorted(ys)
        assert (wire.points[0].x, wire.points[-1].x) == (source.centre.x, target.centre.x)
        for a, b in zip(wire.points[1::2], wire.points[2::2], strict=False):
            assert a.x == b.x
            for box in made.boxes:
                beside = abs(box.centre.x - a.x) > box.width / 2
                assert beside or box.bottom <= a.y or box.top >= b.y


@settings(deadline=None, max_examples=150)
@given(graph=dags(most_ops=9))
def test_the_wires_say_how_often_each_node_is_added_to_each_and_no_more(graph: LabelledDag) -> None:
    made = picture(graph)
    assert all(wire.count == 1 or made.boxes[wire.source].node is not None for wire in made.wires)
    summands: dict[int, dict[int, int]] = {k: {} for k in range(len(made.boxes))}
    for wire in made.wires:
        source = made.boxes[wire.source].node
        if source is None:
            assert wire.count == 1
            assert summands[wire.target] == {}
            summands[wire.target] = dict(summands[wire.source])
        else:
            summands[wire.target][source] = wire.count
    told = {box.node: summands[k] for k, box in enumerate(made.boxes) if box.node is not None}
    assert told == {v: dict(found) for v, found in enumerate(graph.predecessors())}


@settings(deadline=None, max_examples=60)
@given(graph=dags(most_ops=9), bends=st.integers(0, 6))
def test_a_picture_with_too_many_long_edges_still_has_them_all(graph: LabelledDag, bends: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bonanza.spaces.layering.MOST_BENDS", bends)
        made = picture(graph)
    assert len(made.wires) == len(with_sums(graph).edges)
    assert within(made)
    assert not any(overlap(a, b) for a, b in itertools.combinations(made.boxes, 2))


@settings(deadline=None, max_examples=60)
@given(graph=dags(most_ops=9))
def test_neighbours_keep_their_distance_before_and_after_straightening(graph: LabelledDag) -> None:
    layering = layered(len(graph.labels), graph.edges)
    xs = abscissas(layering, lambda v, w: 10.0 + v % 3 + w % 3)
    for found in layering.layers:
        for v, w in itertools.pairwise(found):
            assert xs[w] - xs[v] >= 10.0 + v % 3 + w % 3 - 1e-6
    assert sorted(itertools.chain(*layering.layers)) == list(range(len(xs)))
    assert layering.layers[0][0] == 0
    assert layering.layers[-1] == [len(graph.labels) - 1]


@settings(deadline=None, max_examples=40)
@given(space=spaces(), seed=st.integers(0, 100), simplified=st.booleans())
def test_an_architecture_of_any_space_is_drawn_with_each_node_once(
    space: SearchSpace, seed: int, simplified: bool
) -> None:
    arch = space.sample(random.Random(seed))
    graph = space.canonical(arch) if simplified else space.graph(arch)
    root = parsed(draw(arch, simplified=simplified))
    labels = [
        f"{label}, {graph.units[v]:,} units" if graph.units and graph.units[v] else label
        for v, label in enumerate(graph.labels)
    ]
    assert nodes_of(root) == dict(enumerate(labels))
    assert root.findtext(f"{SVG}desc") == arch.text
    assert root.findtext(f"{SVG}title") == f"{space.kind} {arch.arch_id}"


@pytest.mark.parametrize(
    "label",
    [
        '<script>alert("1")</script>',
        "]]>",
        "&amp;",
        "a'b\"c",
        "\x00\x1b[0m",
        "\ud800",
        "\ufffe",
        "\u202eabc",
        "注意力" * 30,
        " ",
        "",
    ],
)
def test_a_picture_is_well_formed_whatever_an_op_is_called(label: str) -> None:
    root = drawn_graph(chain([label, "conv"]))
    assert len(nodes_of(root)) == 4
    assert not list(root.iter(f"{SVG}script"))
    said = nodes_of(root)[1]
    assert said == re.sub("[\x00\x1b\ud800\ufffe]", "\ufffd", label)
    (shown,) = [g.findtext(f"{SVG}text") or "" for g in root.iter(f"{SVG}g") if g.get("data-node") == "1"]
    assert len(shown) <= LONGEST_LABEL


def test_a_picture_is_the_same_every_time_and_in_every_process() -> None:
    arch = NB201.sample(random.Random(4))
    assert draw(arch) == draw(NB201.validate(arch.json))
    assert colour_of("my_own_op", zero_op=None, identity_op=None) == "fuchsia"  # of a digest, not of hash()


def test_what_simplification_cuts_is_faded_and_a_live_identity_is_not() -> None:
    arch = NB201.validate("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|avg_pool_3x3~2|")
    faded, live = [], []
    for group in parsed(draw(arch)).findall(f"{SVG}g"):
        found = [int(node.get("data-node", "")) for node in group if node.get("data-node")]
        (faded if group.get("opacity") else live).extend(found)
    # (0,1) skip and (0,2) none; (1,2) none; (0,3) skip, (1,3) conv, (2,3) pool, which is fed by zeros only
    assert (sorted(faded), sorted(live)) == ([2, 3, 6], [0, 1, 4, 5, 7])
    assert not [group for group in parsed(draw(arch, simplified=True)).iter() if group.get("opacity")]


def test_a_sum_that_several_ops_read_is_drawn_once() -> None:
    graph = LabelledDag(
        ("input", "a", "b", "c", "d", "output"),
        ((0, 1), (0, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 5), (4, 5)),
        (1, 1, 2, 2, 1, 1, 1, 1),
    )
    made = picture(graph)
    assert [box.node for box in made.boxes] == [0, 1, 2, None, 3, 4, 5]
    assert [(w.source, w.target, w.count) for w in made.wires if 3 in {w.source, w.target}] == [
        (1, 3, 2),
        (2, 3, 1),
        (3, 4, 1),
        (3, 5, 1),
    ]


def test_double_edges_have_their_count_and_layers_their_units() -> None:
    root = drawn_graph(LabelledDag(("input", "conv3", "output"), ((0, 1), (1, 2)), (1, 3), (3, 1024, 0)))
    assert "".join(root.itertext()).count("×3") == 1
    assert nodes_of(root) == {0: "input, 3 units", 1: "conv3, 1,024 units", 2: "output"}
    assert "1,024" in [tspan.text for tspan in root.iter(f"{SVG}tspan")]


def test_a_long_edge_is_straight_between_its_ends() -> None:
    made = picture(chain([f"conv{k}" for k in range(30)], skips=((0, 31), (3, 20))))
    for wire in made.wires:
        assert len({round(point.x, 3) for point in wire.points[1:-1]}) <= 1


def test_a_chain_is_one_straight_line() -> None:
    made = picture(chain(["conv", "a much longer label", "x"] * 20))
    assert len({round(box.centre.x, 3) for box in made.boxes}) == 1


def test_two_branches_stand_on_either_side_of_where_they_part() -> None:
    made = picture(LabelledDag(("input", "aa", "bb", "output"), ((0, 1), (0, 2), (1, 3), (2, 3))))
    x = [box.centre.x for box in made.boxes]
    assert x[0] == pytest.approx(x[3]) == pytest.approx((x[1] + x[2]) / 2)


def test_a_planar_cell_is_drawn_without_crossings() -> None:
    edges = ((0, 1), (0, 2), (0, 3), (1, 6), (2, 5), (3, 4), (4, 7), (5, 7), (6, 7))
    layering = layered(8, edges)
    place = {v: k for found in layering.layers for k, v in enumerate(found)}
    assert [place[6] - place[5], place[5] - place[4]] == [place[1] - place[2], place[2] - place[3]]


@pytest.mark.parametrize("spec", [kind.example for kind in space_kinds()], ids=[kind.name for kind in space_kinds()])
def test_every_kind_draws_in_a_moment(spec: dict[str, Any]) -> None:
    arch: Architecture = space_from_spec(spec).sample(random.Random(0))
    began = time.process_time()
    parsed(draw(arch))
    assert time.process_time() - began < 2


def test_a_chain_of_a_thousand_layers_draws_in_under_a_second_and_a_dense_one_ends() -> None:
    began = time.process_time()
    drawn_graph(chain(["conv3x3"] * 1_000))
    assert time.process_time() - began < 1
    began = time.process_time()
    drawn_graph(chain(["conv3x3"] * 1_000, skips=tuple((v, 1_001) for v in range(1_000))))
    assert time.process_time() - began < 5


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", COLOURS)
def test_every_colour_is_legible_on_either_page(name: str) -> None:
    """WCAG 2.1, 1.4.3: 4.5 for text; 3.0 is asked of a dark page's outlines alone, a pale fill has its text."""
    shade: Shade
    for shade in COLOURS[name]:
        assert contrast(shade.fill, shade.text) >= 7
    assert contrast(PAGE.dark.fill, COLOURS[name].dark.stroke) >= 3
    for page in PAGE:
        assert contrast(page.fill, page.stroke) >= 4.5


@pytest.mark.parametrize(
    ("label", "family"),
    [
        *(
            (op, "convolution")
            for op in (
                "nor_conv_3x3",
                "sep_conv_5x5",
                "conv3x3-bn-relu",
                "res3",
                "Conv2d",
                "k=conv",
                "factorized_reduce",
            )
        ),
        *((op, "pool") for op in ("avg_pool_3x3", "maxpool3x3", "max-pool")),
        *((op, "identity") for op in ("skip_connect", "identity", "id")),
        *((op, "zero") for op in ("none", "zero", "Zeroize")),
        *((op, "activation") for op in ("tanh", "relu", "leaky-relu", "sigmoid", "softmax", "act=gelu", "crelu")),
        *((op, "linear") for op in ("linear", "fc", "dense")),
        *((op, "join") for op in ("concat", "concat 2", "add", "normal c_{k-1}", "-", "+")),
    ],
)
def test_an_op_has_the_colour_of_its_family(label: str, family: str) -> None:
    assert colour_of(label, zero_op=None, identity_op=None) == family
    assert family in FAMILIES
    assert colour_of(label, zero_op=label, identity_op=None) == "zero"
    assert colour_of(label, zero_op=None, identity_op=label) == "identity"


def test_an_op_of_no_family_has_a_colour_of_its_own_and_so_have_most() -> None:
    found = {colour_of(f"block {k}", zero_op=None, identity_op=None) for k in range(100)}
    assert found == set(OTHERS)
    assert colour_of("first=x", zero_op=None, identity_op=None) == colour_of("second=x", zero_op=None, identity_op=None)


def test_a_notebook_shows_the_picture() -> None:
    arch = NB201.sample(random.Random(0))
    assert arch._repr_svg_() == draw(arch)


def test_dot_has_every_node_and_edge_and_quotes_what_it_must() -> None:
    space = space_from_spec({"kind": "edge_cell", "nodes": 3, "ops": ['say "hi"', "back\\slash", "none"]})
    arch = space.validate({"edges": ['say "hi"', "none", "back\\slash"]})
    dot = to_dot(arch)
    assert r'1 [label="say \"hi\""' in dot
    assert r'3 [label="back\\slash"' in dot
    assert re.findall(r"^  (\d) -> (\d)", dot, re.MULTILINE) == [
        ("0", "1"),
        ("0", "2"),
        ("1", "3"),
        ("2", "4"),
        ("3", "4"),
    ]
    assert re.findall(r"^  (\d) \[.*dashed", dot, re.MULTILINE) == ["2"]
    assert re.findall(r"^  (\d -> \d) \[style=dashed\]", dot, re.MULTILINE) == ["0 -> 2", "2 -> 4"]
    assert to_dot(arch, simplified=True).count("->") == 3
