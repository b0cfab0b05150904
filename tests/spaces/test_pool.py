"""Pools: what is folded, what is answered, who is near whom, what it takes, refusals."""

from __future__ import annotations

import pickle
import random
import time
from collections import Counter
from functools import lru_cache
from typing import Any

import pytest

from bonanza.spaces import Architecture, InvalidArchitecture, InvalidSpace, LabelledDag, simplify, space_from_spec
from bonanza.spaces.nearness import MOST_LEVELS, Nearness
from bonanza.spaces.pool import NEIGHBOURS, Pool

NB201 = space_from_spec({"kind": "nasbench201"})
TWICE = [
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_3x3~0|avg_pool_3x3~1|skip_connect~2|",
]
"""One network, spelled in two ways (indices 1 and 9121 of NAS-Bench-201)."""
OTHER = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def pool(*architectures: Any, of: Any = NB201) -> Pool:
    made = space_from_spec({"kind": "pool", "of": of.spec(), "architectures": list(architectures)})
    assert isinstance(made, Pool)
    return made


def drawn(n: int, of: Any = NB201) -> Pool:
    rng = random.Random(n)
    return pool(*[of.sample(rng).text for _ in range(n)], of=of)


@lru_cache(maxsize=4_000)
def parts(arch: Architecture) -> Counter[Any]:
    """The multiset of the labels and of the labelled edges of the simplified graph."""
    special = {"zero_op": arch.space.zero_op, "identity_op": arch.space.identity_op}
    graph = simplify(arch.space.graph(arch), **special).graph
    found: Counter[Any] = Counter(graph.labels[1:-1])
    for (v, w), count in zip(graph.edges, graph.counts, strict=True):
        found[graph.labels[v], graph.labels[w]] += count
    return found


def distance(a: Architecture, b: Architecture) -> int:
    """The definition: how much two multisets do not share."""
    return ((parts(a) - parts(b)) + (parts(b) - parts(a))).total()


@pytest.mark.parametrize("first", [0, 1])
def test_the_first_of_equal_networks_is_answered_whatever_the_spelling(first: int) -> None:
    space = pool(TWICE[first], OTHER, TWICE[1 - first], OTHER)
    assert space.size == 2
    for text in TWICE:
        assert space.validate(text).text == TWICE[first]
        assert space.validate(NB201.validate(text).json).text == TWICE[first]
    assert [arch.text for arch in space.enumerate()] == [TWICE[first], OTHER]
    assert space.spec()["architectures"] == [NB201.validate(text).json for text in (TWICE[first], OTHER)]


def test_members_are_what_they_are_in_the_space_they_are_taken_from() -> None:
    space = pool(*TWICE, OTHER)
    assert (space.zero_op, space.identity_op) == ("none", "skip_connect")
    for arch in space.enumerate():
        plain = NB201.validate(arch.text)
        assert space.plain(arch) == plain
        assert arch != plain
        assert (arch.json, arch.arch_id) == (plain.json, plain.arch_id)
        assert (space.graph(arch), space.canonical(arch)) == (NB201.graph(plain), NB201.canonical(plain))
        assert space.cost(arch, channels=8) == NB201.cost(plain, channels=8)


def test_draws_are_uniform_over_the_members() -> None:
    space, rng = drawn(20), random.Random(0)
    times = Counter(space.sample(rng) for _ in range(20_000))
    assert len(times) == space.size
    assert all(abs(n - 20_000 / space.size) < 5 * (20_000 / space.size) ** 0.5 for n in times.values())


def test_neighbours_are_one_edit_away_and_then_the_nearest() -> None:
    space = drawn(1_000)
    for arch in list(space.enumerate())[:10]:
        found = list(space.neighbors(arch))
        edited = {cell.text for cell in NB201.neighbors(space.plain(arch))}
        here = [member for member in space.enumerate() if member.text in edited]
        assert set(found[: len(here)]) == set(here)
        assert len(found) == max(NEIGHBOURS, len(here))
        others = [member for member in space.enumerate() if member != arch and member not in here]
        others.sort(key=lambda member: distance(arch, member))
        assert found[len(here) :] == others[: NEIGHBOURS - len(here)]


def test_in_a_pool_of_a_whole_space_the_edits_are_the_space_s_own() -> None:
    space = space_from_spec({"kind": "recurrent", "nodes": 3})
    whole = pool(*[arch.json for arch in space.enumerate()], of=space)
    assert whole.size == 4 + 16 + 104
    for arch in list(whole.enumerate())[::9]:
        edited = {cell.text for cell in space.neighbors(whole.plain(arch))}
        members = {member.text for member in whole.enumerate()}
        assert edited & members <= {member.text for member in whole.neighbors(arch)}


def test_in_a_small_pool_all_others_are_neighbours() -> None:
    space = drawn(10)
    for arch in space.enumerate():
        assert set(space.neighbors(arch)) == set(space.enumerate()) - {arch}


def test_a_child_is_what_the_space_makes_or_the_member_nearest_to_it() -> None:
    space = drawn(300)
    rng, again = random.Random(0), random.Random(0)
    members = list(space.enumerate())
    kinds = Counter()
    for a, b in zip(members[:60], members[60:120], strict=True):
        child, made = space.crossover(a, b, rng), NB201.crossover(space.plain(a), space.plain(b), again)
        ids = {member.arch_id: member for member in members}
        kinds[made.arch_id in ids] += 1
        nearest = min(members, key=lambda member: distance(member, made))
        assert child == ids.get(made.arch_id, nearest)
    assert min(kinds.values()) > 0


def test_nearness_orders_all_graphs_by_the_distance() -> None:
    of = space_from_spec({"kind": "recurrent", "nodes": 9})
    rng = random.Random(3)
    cells = [of.sample(rng) for _ in range(200)] * 2
    nearness = Nearness(map(of.graph, cells))
    for one in cells[:10]:
        far = [distance(one, other) for other in cells]
        assert list(nearness.nearest(of.graph(one))) == sorted(range(400), key=lambda place: (far[place], place))


def test_of_graphs_with_too_many_parts_the_first_parts_are_compared() -> None:
    graphs = [LabelledDag(("input", f"op{k}", "output"), ((0, 1), (1, 2))) for k in range(2_000)]
    assert 3 * len(graphs) > MOST_LEVELS
    nearness = Nearness(graphs)
    assert next(nearness.nearest(graphs[700])) == 700
    assert sorted(nearness.nearest(graphs[1_999])) == list(range(2_000))


def test_pools_are_equal_exactly_when_their_members_are_in_one_order() -> None:
    one, same, turned = pool(TWICE[0], OTHER), pool(TWICE[0], OTHER, TWICE[1]), pool(OTHER, TWICE[0])
    assert one is same
    assert hash(one) == hash(same)
    assert one != turned
    assert one != pool(TWICE[1], OTHER)
    assert one != NB201


@pytest.fixture(scope="module")
def large() -> Pool:
    """Some 6,000 cells; each test below would take seconds or minutes if it went over the list at every step."""
    of = space_from_spec({"kind": "edge_cell", "nodes": 5, "ops": ["none", "skip_connect", "a", "b", "c"]})
    return drawn(6_000, of)


def seconds(work: Any) -> float:
    """Processor time, which a busy machine does not stretch."""
    started = time.process_time()
    work()
    return time.process_time() - started


def test_a_hundred_mutations_of_a_member_of_a_large_pool_take_a_moment(large: Pool) -> None:
    rng = random.Random(0)
    arch = large.sample(rng)
    large.mutate(arch, rng)
    assert seconds(lambda: [large.mutate(arch, rng) for _ in range(100)]) < 0.2
    assert seconds(lambda: [large.mutate(arch, rng, rate=3) for _ in range(100)]) < 2


def test_a_list_that_was_read_before_is_not_worked_out_again(large: Pool) -> None:
    spec = large.spec()
    assert space_from_spec(spec) is large
    assert seconds(lambda: space_from_spec(spec)) < 0.5


def test_comparing_and_hashing_a_large_pool_does_not_go_over_the_list(large: Pool) -> None:
    twin = Pool(large.of, large.members, large.ids, large.digest)
    assert twin == large
    assert seconds(lambda: [hash(twin) == hash(large) and twin == large for _ in range(2_000)]) < 0.2


def test_a_pool_goes_once_a_pickle_and_is_not_worked_out_again(large: Pool) -> None:
    cells = [large.sample(random.Random(0)) for _ in range(50)]
    data = pickle.dumps(cells)
    assert len(data) < 100 * large.size
    again: list[Architecture] = []
    assert seconds(lambda: again.extend(pickle.loads(data))) < 0.5
    assert again == cells
    assert again[0].space is large


def specified(**fields: Any) -> dict[str, Any]:
    return {"kind": "pool", "of": {"kind": "nasbench201"}, "architectures": [OTHER]} | fields


NINES = {"kind": "sequence", "positions": [{"name": "p", "choices": [9, 99]}]}


@pytest.mark.parametrize(
    ("spec", "pointer", "says"),
    [
        ({"kind": "pool", "of": {"kind": "nasbench201"}}, "/architectures", "missing"),
        ({"kind": "pool", "architectures": [OTHER]}, "/of", "missing"),
        (specified(cells=[]), "/cells", "unknown"),
        (specified(of=None), "/of", "must be an object with a kind"),
        (specified(of={}), "/of/kind", "missing"),
        (specified(of={"kind": "edge_cell", "nodes": 4, "ops": []}), "/of/ops", "1 to 64"),
        (specified(of=specified()), "/of/kind", 'not "pool"'),
        (specified(architectures=[]), "/architectures", "1 to 100,000 architectures, not of 0"),
        (specified(architectures={"edges": []}), "/architectures", "not an object"),
        (specified(architectures=[OTHER] * 100_001), "/architectures", "not of 100001"),
        (specified(architectures=[*[OTHER] * 17, "|none~0|"]), "/architectures/17", "6 edges, this one 1"),
        (specified(architectures=[OTHER, {"edges": ["none"] * 5 + ["nne"]}]), "/architectures/1/edges/5", "one of"),
        (specified(architectures=[OTHER, {"edges": ["none"] * 7}]), "/architectures/1/edges", "not of 7"),
        (specified(architectures=[OTHER, None]), "/architectures/1", "not null"),
        (
            specified(of=NINES, architectures=[{"choices": [9]}, {"choices": [8]}]),
            "/architectures/1/choices/0",
            "9, 99",
        ),
    ],
)
def test_a_wrong_spec_is_pointed_at(spec: dict[str, Any], pointer: str, says: str) -> None:
    with pytest.raises(InvalidSpace) as refusal:
        space_from_spec(spec)
    assert refusal.value.pointer == pointer
    assert says in refusal.value.message


def test_a_pool_of_pools_nested_beyond_the_stack_is_refused() -> None:
    spec: dict[str, Any] = specified()
    for _ in range(20_000):
        spec = specified(of=spec)
    with pytest.raises(InvalidSpace) as refusal:
        space_from_spec(spec)
    assert refusal.value.pointer == "/of/kind"
    while spec.get("of"):  # not left to the collector, whose recursion is not ours to test
        spec = spec.pop("of")


def test_an_architecture_that_was_not_listed_is_refused() -> None:
    space = pool(*TWICE, OTHER)
    for value, says in (
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "one of the 2 architectures"),
        (7, "edges"),
    ):
        with pytest.raises(InvalidArchitecture) as refusal:
            space.validate(value)
        assert refusal.value.pointer == ""
        assert says in refusal.value.message
