"""Zero-cost scores, against networks that can be worked out by hand."""

from __future__ import annotations

import math
import random

import pytest
import torch
from torch import nn

from bonanza.spaces import space_from_spec
from bonanza.worker.networks import NoNetwork, build
from bonanza.worker.zero_cost import naswot, scores, small, synflow

NB201 = space_from_spec({"kind": "nasbench201"})


def test_synflow_of_a_chain_of_layers_is_as_many_times_its_absolute_paths() -> None:
    """Each of k layers adds the whole flow: R is linear in the weights of each (eq. 2)."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(3, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[1.0, -2.0, 3.0], [0.5, 0.0, -0.5]]))
        network[3].weight.copy_(torch.tensor([[-4.0, 10.0]]))
    paths = 4.0 * 6.0 + 10.0 * 1.0
    assert synflow(network, (3, 1, 1)) == pytest.approx(math.log(2 * paths), rel=1e-12)


def test_naswot_is_the_determinant_of_how_many_relus_two_images_share() -> None:
    network = nn.Sequential(nn.Flatten(), nn.ReLU())
    images = torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, -1.0, -1.0], [-1.0, 1.0, 1.0, 1.0]]).reshape(3, 4, 1, 1)
    shared = torch.tensor([[4.0, 2.0, 3.0], [2.0, 4.0, 1.0], [3.0, 1.0, 4.0]])
    assert naswot(network, images) == pytest.approx(float(torch.logdet(shared)), rel=1e-6)
    assert naswot(network, images[:1].repeat(2, 1, 1, 1)) == -math.inf
    assert naswot(nn.Flatten(), images) is None


def test_scores_are_the_same_whenever_they_are_asked_for_and_move_no_generator() -> None:
    cell = NB201.validate({"edges": ["nor_conv_3x3", "none", "skip_connect", "nor_conv_1x1", "none", "avg_pool_3x3"]})
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    first = scores(NB201, cell, skeleton=small(NB201), shape=(3, 16, 16))
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(4)
    assert scores(NB201, cell, skeleton=small(NB201), shape=(3, 16, 16)) == first
    assert set(first) == {"naswot", "synflow"}


def test_a_network_that_no_image_reaches_has_no_flow() -> None:
    nothing = NB201.validate({"edges": ["none"] * 6})
    assert "synflow" not in scores(NB201, nothing, skeleton=small(NB201), shape=(3, 16, 16))


def test_more_convolutions_in_a_row_have_more_flow_and_tell_images_apart() -> None:
    ops = ("skip_connect", "nor_conv_1x1", "nor_conv_3x3")
    found = [
        scores(NB201, NB201.validate({"edges": [op, "none", op, "none", "none", op]}), skeleton=small(NB201))
        for op in ops
    ]
    flows = [one["synflow"] for one in found]
    assert flows == sorted(flows)
    assert found[0]["naswot"] < min(found[1]["naswot"], found[2]["naswot"])


def test_synflow_is_of_the_network_as_it_was_made() -> None:
    cell = NB201.validate({"edges": ["nor_conv_3x3"] * 6})
    torch.manual_seed(0)
    fresh = build(NB201, cell, skeleton=small(NB201), classes=10, shape=(3, 16, 16))
    found = scores(NB201, cell, skeleton=small(NB201), shape=(3, 16, 16), seed=0)
    assert found["synflow"] == pytest.approx(synflow(fresh, (3, 16, 16)), rel=1e-12)


def test_a_pool_is_scored_as_the_space_within() -> None:
    darts = space_from_spec({"kind": "darts"})
    rng = random.Random(0)
    one, other = darts.sample(rng), darts.sample(rng)
    mixed = darts.validate({**one.json, "normal": other.json["normal"]})
    pool = space_from_spec({"kind": "pool", "of": {"kind": "darts"}, "architectures": [one.json, mixed.json]})
    shape = (3, 8, 8)
    found = [scores(pool, pool.validate(cell.json), skeleton=small(pool), shape=shape) for cell in (one, mixed)]
    assert found == [scores(darts, cell, skeleton=small(darts), shape=shape) for cell in (one, mixed)]
    assert found[0] != found[1]


def test_a_space_of_text_has_none() -> None:
    space = space_from_spec({"kind": "recurrent", "nodes": 8})
    with pytest.raises(NoNetwork):
        scores(space, space.sample(random.Random(0)), skeleton=small(space))
