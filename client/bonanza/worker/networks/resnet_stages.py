"""The bottleneck ResNet of a string such as "1211-211-1111-12111".

BONAS' appendix D (what the characters mean is told in ``bonanza.spaces.resnet``); He et al. 2016 (arXiv 1512.03385), with the stride in the
3x3 convolution: a block of c base channels is 1x1 to c, 3x3, 1x1 to 4c, each with batch norm, added to its input, which goes through a 1x1
convolution with batch norm where channels or resolution change. Before the blocks are two 3x3 convolutions of C channels: of stride 2
each for ImageNet, of stride 1 for small images. Published: C = 64.
"""

from __future__ import annotations

from torch import Tensor, nn

from bonanza.spaces import Architecture, SearchSpace
from bonanza.spaces.resnet import CHANNELS, EXPANSION
from bonanza.worker.networks import Shape, Skeleton
from bonanza.worker.networks.operations import NORM, ConvNormReLU
from bonanza.worker.networks.recipe import Recipe


class Bottleneck(nn.Module):
    """One block of ``base`` channels: (n, c_in, h, w) to (n, 4 base, h/stride, w/stride)."""

    def __init__(self, c_in: int, base: int, stride: int) -> None:
        super().__init__()
        c_out = EXPANSION * base
        self.convolutions = nn.Sequential(
            ConvNormReLU(c_in, base, 1),
            ConvNormReLU(base, base, 3, stride),
            nn.Conv2d(base, c_out, 1, bias=False),
            NORM(c_out),
        )
        self.shortcut = (
            nn.Identity()
            if c_in == c_out and stride == 1
            else nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), NORM(c_out))
        )

    def forward(self, x: Tensor) -> Tensor:
        """ReLU of the sum."""
        y: Tensor = (self.convolutions(x) + self.shortcut(x)).relu_()
        return y


class Network(nn.Module):
    """Images (n, in_channels, h, w) in, class scores (n, classes) out; ``stages`` are the parts of the string."""

    def __init__(self, stages: list[str], *, channels: int, stem_stride: int, classes: int, in_channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            ConvNormReLU(in_channels, channels, 3, stem_stride), ConvNormReLU(channels, channels, 3, stem_stride)
        )
        base, c_in = channels, channels
        blocks: list[nn.Module] = []
        for number, stage in enumerate(stages):
            for place, character in enumerate(stage):
                base *= 2 if character == "2" else 1
                blocks.append(Bottleneck(c_in, base, 2 if number > 0 and place == 0 else 1))
                c_in = EXPANSION * base
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(c_in, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Scores before the softmax, (n, classes)."""
        features: Tensor = self.blocks(self.stem(images))
        scores: Tensor = self.classifier(features.mean((2, 3)))
        return scores


def recipe(space: SearchSpace, architecture: Architecture, *, skeleton: Skeleton, classes: int, shape: Shape) -> Recipe:
    """Of a string; its cells are the blocks that it has."""
    skeleton.refuse_auxiliary(space.kind)
    return Recipe(
        Network,
        {
            "stages": architecture.json["stages"],
            "channels": skeleton.channels or CHANNELS,
            "stem_stride": 2 if skeleton.stem_for(shape) == "imagenet" else 1,
            "classes": classes,
            "in_channels": shape[0],
        },
        f"The {space.kind} network {architecture.arch_id}",
    )
