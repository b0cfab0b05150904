"""The network around a cell: how wide, how deep, with which stem and head.

A frozen value with a JSON form, part of a training protocol; knows no torch.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, get_args

Stem = Literal["cifar", "imagenet"]
LARGE: Final = 96
"""Pixels a side from which an image gets the stem ``imagenet``, which leaves an eighth of them, unless the skeleton says otherwise."""


class NoNetwork(ValueError):
    """There is no network of this architecture, or none by this skeleton; the message says what can be done."""


class InvalidSkeleton(NoNetwork):
    """A field that is not there, a value that makes no network, or one that this network cannot have; the message says which."""


@dataclass(frozen=True)
class Skeleton:
    """What of a network is not the architecture's; None is what was published for the kind of space.

    ``channels`` is the width of the first stage, ``cells`` how many cells are stacked: a stage in NAS-Bench-101 (of 3, published 128 and 3) and
    in NAS-Bench-201 (of 3, published 16 and 5), in all in DARTS and NASNet (published 36 and 20, of which those at 1/3 and 2/3 are
    reductions). ``channels`` is the base width of ``resnet_stages`` (64), which says its blocks itself; a ``layer_graph`` says all. What an
    architecture says itself is not asked of the skeleton, so that one skeleton does for every space.
    """

    channels: int | None = None
    cells: int | None = None
    auxiliary: bool = False
    """Whether a second classifier hangs on the network at 2/3 of its depth; only DARTS and NASNet have one."""
    stem: Stem | None = None
    """What brings the image to the first cell: ``cifar`` keeps its size, ``imagenet`` does not. None: by the size (``LARGE``)."""
    dead_ops: bool = False
    """Whether ops are built that read nothing or that nothing reads, as upstream does: the published counts of parameters have them."""
    builder: str | None = None
    """``MODULE:FUNCTION`` of your own: the network is what ``function(architecture, skeleton=, classes=, shape=)`` returns."""

    def __post_init__(self) -> None:
        """Refuse what makes no network.

        Raises:
            InvalidSkeleton: a value is out of range or of another type.
        """
        for name in ("channels", "cells"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise InvalidSkeleton(
                    f"{name} must be a whole number of 1 or more, or left out for the published one; not {value!r}"
                )
        for name in ("auxiliary", "dead_ops"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidSkeleton(f"{name} must be true or false, not {getattr(self, name)!r}")
        if self.stem is not None and self.stem not in get_args(Stem):
            raise InvalidSkeleton(f"stem must be one of {', '.join(get_args(Stem))}, or left out; not {self.stem!r}")
        if self.builder is not None and (
            not isinstance(self.builder, str) or not all(self.builder.partition(":")[::2])
        ):
            raise InvalidSkeleton(f"builder must be MODULE:FUNCTION, not {self.builder!r}")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Skeleton:
        """The skeleton whose JSON form ``value`` is.

        Raises:
            InvalidSkeleton: it is none.
        """
        known = [field.name for field in fields(cls)]
        for name in value:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1)
                meant = f"; did you mean {near[0]!r}?" if near else ""
                raise InvalidSkeleton(f"a skeleton has no {name!r}; it has {', '.join(known)}{meant}")
        return cls(**value)

    def json(self) -> dict[str, Any]:
        """The fields that are not left to their defaults; ``from_json`` makes the skeleton of them again."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) != field.default}

    def stem_for(self, image: tuple[int, int, int]) -> Stem:
        """The stem for images of (channels, height, width): the one asked for, else by the smaller side."""
        return self.stem or ("imagenet" if min(image[1:]) >= LARGE else "cifar")

    def refuse_auxiliary(self, kind: str) -> None:
        """Nothing, where no auxiliary tower is asked for.

        Raises:
            InvalidSkeleton: one is, of a network that has none.
        """
        if self.auxiliary:
            raise InvalidSkeleton(f"the network of {kind} has no auxiliary tower: set auxiliary to false")

    def changed(self, **by: Any) -> Skeleton:
        """This one with some fields replaced."""
        return replace(self, **by)


@dataclass(frozen=True)
class Dropouts:
    """The shares of what a language model in training drops, each for a whole sequence (Gal and Ghahramani 2016).

    The names and the places are those of the DARTS repository (rnn/model.py) and of the AWD-LSTM before it.
    """

    words: float = 0.0
    """Rows of the embedding."""
    embedded: float = 0.0
    """Units of an embedded word, before the first layer."""
    inputs: float = 0.0
    """Units of what a layer reads, at its first node."""
    hidden: float = 0.0
    """Units of what a node hands on to another, and of the layer's state."""
    outputs: float = 0.0
    """Units of the last layer's output, before the decoder."""

    def __post_init__(self) -> None:
        """Refuse what is no share.

        Raises:
            InvalidSkeleton: one is not from 0 to below 1.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
                raise InvalidSkeleton(f"the dropout of {field.name} must be from 0 to below 1, not {value!r}")
