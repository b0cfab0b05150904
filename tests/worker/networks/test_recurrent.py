"""The language model, against the formulas of ENAS worked by hand."""

from __future__ import annotations

import pytest
import torch

from bonanza.spaces import space_from_spec
from bonanza.worker.networks import Dropouts, InvalidSkeleton, NoNetwork, build_language_model
from bonanza.worker.networks.recurrent import Network

SPACE = space_from_spec({"kind": "recurrent", "nodes": 8})


def model(text: str, **options: object) -> Network:
    made = build_language_model(SPACE, SPACE.validate(text), tokens=11, width=4, **options)  # type: ignore[arg-type]
    assert isinstance(made, Network)
    return made


def test_the_new_state_is_the_mean_of_the_nodes_that_no_other_reads() -> None:
    made = model("0 0 1 0 3 1 2").double().eval()  # tanh; relu and sigmoid of it; identity of the relu
    ids, h = torch.tensor([[3, 9]]), torch.randn(1, 2, 4, dtype=torch.float64)
    layer, x = made.layers[0], made.embedding[ids[0]]

    def node(s: torch.Tensor, both: torch.Tensor, f: object) -> torch.Tensor:
        gate, value = both[:, :4].sigmoid(), f(both[:, 4:])  # type: ignore[operator]
        return gate * value + (1 - gate) * s

    first = node(h[0], x @ layer.word + h[0] @ layer.state, torch.tanh)
    second = node(first, first @ layer.nodes[0], torch.relu)
    third = node(first, first @ layer.nodes[1], torch.sigmoid)
    fourth = node(second, second @ layer.nodes[2], lambda value: value)
    expected = (third + fourth) / 2
    scores, state = made(ids, h)
    assert torch.allclose(state[0], expected, atol=1e-12)
    assert torch.allclose(scores[0], expected @ made.embedding.T, atol=1e-12)


def test_a_text_in_two_pieces_is_the_whole_text() -> None:
    made = model("0 0 1 1 3", layers=2).eval()
    ids = torch.randint(0, 11, (7, 3))
    whole, last = made(ids)
    head, state = made(ids[:4])
    tail, after = made(ids[4:], state)
    assert torch.allclose(torch.cat([head, tail]), whole, atol=1e-6)
    assert torch.allclose(after, last, atol=1e-6)


def test_the_decoder_is_the_embedding() -> None:
    made = model("0")
    assert [name for name in made.state_dict() if 11 in made.state_dict()[name].shape] == ["embedding"]


@pytest.mark.parametrize("name", ["words", "embedded", "inputs", "hidden", "outputs"])
def test_each_dropout_acts_in_training_and_only_there(name: str) -> None:
    plain = model("0 0 1")
    made = model("0 0 1", dropouts=Dropouts(**{name: 0.5}))
    made.load_state_dict(plain.state_dict())
    ids, state = torch.randint(0, 11, (5, 6)), torch.randn(1, 6, 4)
    expected = plain(ids, state)[0]
    assert not torch.allclose(made(ids, state)[0], expected)
    assert torch.equal(made.eval()(ids, state)[0], expected)


def test_what_is_dropped_is_dropped_for_the_whole_sequence() -> None:
    made = model("0", dropouts=Dropouts(outputs=0.5))
    seen = []
    made.layers[0].register_forward_hook(lambda *_: seen.append(1))
    ones = torch.ones(6, 3, 4)
    made.layers[0].forward = lambda words, h: (ones, h)  # type: ignore[method-assign]
    made.embedding.data = torch.eye(11, 4)
    scores, _ = made(torch.zeros(6, 3, dtype=torch.long))
    assert seen
    assert all(torch.equal(step, scores[0]) for step in scores)
    assert {0.0, 2.0} == set(scores[0, :, :4].unique().tolist())


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(NoNetwork, match="1 or more layers, not 0"):
        model("0", layers=0)
    with pytest.raises(InvalidSkeleton, match="the dropout of words must be from 0 to below 1, not 1"):
        Dropouts(words=1)
    images = space_from_spec({"kind": "nasbench201"})
    with pytest.raises(NoNetwork, match="nasbench201 has no networks for text, only recurrent has"):
        build_language_model(images, images.validate({"edges": ["none"] * 6}), tokens=10)
