"""What the networks of every search space must hold: built, trained a step, saved, loaded, exported.

Subclass ``NetworkContract`` with a ``spec``. ``BONANZA_NETWORK_CELLS`` is how many random cells of each space are tried, 2 unless set.
"""

from __future__ import annotations

import ast
import io
import os
import random
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bonanza.spaces import Architecture, SearchSpace, space_from_spec
from bonanza.worker.networks import Skeleton, build, export_code, parameter_count

CELLS = int(os.environ.get("BONANZA_NETWORK_CELLS", "2"))


class NetworkContract:
    """Properties of the networks for images of the space of ``spec``.

    ``published`` are the skeleton, the classes and the image of which the space's ``cost`` is; None where it is not to be compared.
    """

    spec: ClassVar[dict[str, Any]]
    skeleton: ClassVar[Skeleton] = Skeleton(channels=4, cells=1)
    published: ClassVar[tuple[Skeleton, int, tuple[int, int, int]] | None] = None
    shape: ClassVar[tuple[int, int, int]] = (1, 8, 8)

    @pytest.fixture(scope="class")
    @classmethod
    def space(cls) -> SearchSpace:
        return space_from_spec(cls.spec)

    @pytest.fixture
    def cells(self, space: SearchSpace) -> list[Architecture]:
        rng = random.Random(20_010_326)
        return [space.sample(rng) for _ in range(CELLS)]

    def build(self, arch: Architecture) -> nn.Module:
        return build(arch.space, arch, skeleton=self.skeleton, classes=7, shape=self.shape)

    def source(self, arch: Architecture) -> str:
        return export_code(arch.space, arch, skeleton=self.skeleton, classes=7, shape=self.shape)

    def batch(self) -> Tensor:
        """What a network is trained on."""
        return torch.randn(4, *self.shape)

    def scores(self, network: nn.Module, batch: Tensor) -> Tensor:
        """(cases, classes)."""
        scores: Tensor = network(batch)
        assert scores.shape == (4, 7)
        return scores

    def test_a_network_is_built_trained_saved_loaded_and_exported(self, cells: list[Architecture]) -> None:
        for arch in cells:
            torch.manual_seed(1)
            network = self.build(arch)
            self.train_a_step(network, arch)
            saved = io.BytesIO()
            torch.save(network.state_dict(), saved)
            saved.seek(0)
            weights = torch.load(saved, weights_only=True)
            batch = self.batch()
            with torch.no_grad():
                expected = self.scores(network.eval(), batch)
                assert torch.isfinite(expected).all(), arch.text
                for again in (self.build(arch), exported(self.source(arch))):
                    again.load_state_dict(weights)
                    assert torch.equal(self.scores(again.eval(), batch), expected), arch.text

    def train_a_step(self, network: nn.Module, arch: Architecture) -> None:
        """Every weight has a gradient and moves; unless the cell lets nothing of its input through."""
        before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
        optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
        batch = self.batch()
        if batch.is_floating_point():
            batch.requires_grad_()
        # a random combination of the scores: the sum of a cross entropy's gradients is 0, and a loss may not be blind to a weight by chance
        scores = self.scores(network.train(), batch)
        (scores * torch.randn_like(scores)).sum().backward()  # type: ignore[no-untyped-call]
        if batch.is_floating_point() and batch.grad is None:
            return
        unused = [name for name, weight in network.named_parameters() if weight.grad is None]
        assert not unused, f"{arch.text} computes nothing with {unused}"
        # as the trainer does: on maps of one pixel a deep network's gradients are in the thousands, and what such a step leaves overflows
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        for name, weight in network.named_parameters():
            assert torch.isfinite(weight).all(), (arch.text, name)
        moved = [name for name, weight in network.named_parameters() if not torch.equal(weight, before[name])]
        assert len(moved) > len(before) / 2, arch.text  # not all: behind a ReLU that is 0 everywhere nothing moves

    def test_a_seed_makes_the_same_network_again_and_the_exported_one_too(self, cells: list[Architecture]) -> None:
        arch = cells[0]
        made = []
        for make in (lambda: self.build(arch), lambda: self.build(arch), lambda: exported(self.source(arch))):
            torch.manual_seed(5)
            made.append(make().state_dict())
        for other in made[1:]:
            assert list(made[0]) == list(other)
            assert all(torch.equal(weight, other[name]) for name, weight in made[0].items())

    def test_equal_ids_have_equal_weights(self, space: SearchSpace, cells: list[Architecture]) -> None:
        """As many parameters of each size, however a network is spelled."""
        rng = random.Random(3)
        walk = list(cells)
        while len(walk) < 40 * CELLS:
            walk.append(space.mutate(rng.choice(walk), rng, silent=True))
        spellings: dict[str, set[Architecture]] = {}
        for arch in walk:
            spellings.setdefault(arch.arch_id, set()).add(arch)
        twins = [sorted(found, key=lambda arch: arch.text)[:2] for found in spellings.values() if len(found) > 1]
        with torch.device("meta"):
            for one, other in twins[: 2 * CELLS]:
                sizes = [sorted(weight.shape for weight in self.build(arch).parameters()) for arch in (one, other)]
                assert sizes[0] == sizes[1], (one.text, other.text)

    def test_the_published_network_costs_what_the_space_says(
        self, space: SearchSpace, cells: list[Architecture]
    ) -> None:
        if self.published is None:
            return
        skeleton, classes, shape = self.published
        for k, arch in enumerate(cells[: (CELLS + 1) // 2]):
            cost = space.cost(arch)
            assert cost is not None
            with torch.device("meta"):
                network = build(space, arch, skeleton=skeleton, classes=classes, shape=shape).eval()
                assert parameter_count(network) == cost.parameters, arch.text
                if k == 0:  # counted op by op, which takes its time
                    assert multiply_adds(network, torch.randn(1, *shape)) == cost.flops, arch.text

    @pytest.mark.parametrize("shape", [(3, 9, 7), (2, 1, 1), (3, 130, 97)])
    def test_images_of_any_size_have_scores(self, shape: tuple[int, int, int], cells: list[Architecture]) -> None:
        for arch in cells[:1]:
            network = build(arch.space, arch, skeleton=self.skeleton, classes=5, shape=shape).eval()
            with torch.no_grad():
                assert network(torch.randn(2, *shape)).shape == (2, 5)


def exported(source: str) -> nn.Module:
    """The network of a file that was exported, which may import torch only."""
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {ast.unparse(node) for node in imported} == {
        "from __future__ import annotations",
        "import torch",
        "from torch import Tensor, nn",
    }
    names: dict[str, Any] = {"__name__": "exported"}
    exec(compile(source, "exported.py", "exec"), names)
    network: nn.Module = names["network"]()
    assert type(network).__module__ == "exported"
    return network


def multiply_adds(network: nn.Module, *batch: Tensor) -> int:
    """Of convolutions and matrix products, as torch counts them."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*batch)
    return counter.get_total_flops() // 2
