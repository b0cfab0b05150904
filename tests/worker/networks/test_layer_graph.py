"""NASBOT's layers, against what each is said to compute."""

from __future__ import annotations

import torch
from torch import nn

from bonanza.spaces import space_from_spec
from bonanza.spaces.layer_examples import multidepth_cnn
from bonanza.spaces.layer_json import network_json
from bonanza.worker.networks import Skeleton, build
from bonanza.worker.networks.layer_graph import ConcatenatedReLU, Network

CNN = space_from_spec({"kind": "layer_graph", "flavour": "cnn"})


def test_several_softmax_layers_answer_the_mean_probability() -> None:
    arch = CNN.validate(network_json(multidepth_cnn()))
    made = build(CNN, arch, skeleton=Skeleton(), classes=3, shape=(1, 8, 8)).eval()
    assert isinstance(made, Network)
    answers = []
    for module, (op, _, _, _) in zip(made.layers, _layers(arch), strict=True):
        if op == "softmax":
            module.register_forward_hook(lambda _, __, y: answers.append(y.softmax(-1)))
    scores = made(torch.randn(4, 1, 8, 8))
    assert len(answers) == 2
    assert torch.allclose(scores.softmax(-1), (answers[0] + answers[1]) / 2, atol=1e-6)


def _layers(arch: object) -> list[tuple[str, int, int, list[int]]]:
    return [(each["op"], 0, 0, []) for each in arch.json["layers"][1:-1]]  # type: ignore[attr-defined]


def test_several_linear_layers_answer_the_mean_number() -> None:
    layers = [
        ("ip", 0, 1, []),
        ("tanh", 3, 1, [0]),
        ("linear", 2, 1, [1]),
        ("linear", 2, 1, [0, 1]),
        ("op", 0, 1, [2, 3]),
    ]
    made = Network(layers, shape=(1, 2, 2))
    x = torch.randn(5, 1, 2, 2)
    flat = x.flatten(1)
    hidden = made.layers[0](flat)
    expected = (made.layers[1](hidden) + made.layers[2](torch.cat([flat, hidden], dim=1))) / 2
    assert torch.allclose(made(x), expected, atol=1e-6)


def test_a_concatenated_rectifier_has_both_signs_and_as_many_units_as_were_asked_for() -> None:
    x = torch.tensor([[1.0, -2.0]])
    assert ConcatenatedReLU(4)(x).tolist() == [[1, 0, 0, 2]]
    assert ConcatenatedReLU(3)(x).tolist() == [[1, 0, 0]]


def test_halved_images_are_rounded_up_and_the_shortcut_follows() -> None:
    layers = [
        ("ip", 0, 1, []),
        ("res5", 3, 2, [0]),
        ("res3", 3, 1, [1]),
        ("max-pool", 0, 1, [2]),
        ("avg-pool", 0, 1, [2]),
    ]
    layers += [("softmax", 2, 1, [3, 4]), ("op", 0, 1, [5])]
    made = Network(layers, shape=(2, 7, 5)).eval()
    sizes = []
    for module in made.layers[:4]:
        module.register_forward_hook(lambda _, __, y: sizes.append(tuple(y.shape[1:])))
    assert made(torch.randn(4, 2, 7, 5)).shape == (4, 2)
    assert sizes == [(3, 4, 3), (3, 4, 3), (3, 2, 2), (3, 2, 2)]
    shortcuts = [type(module.shortcut) for module in made.layers[:2]]
    assert shortcuts == [nn.Conv2d, nn.Identity]
