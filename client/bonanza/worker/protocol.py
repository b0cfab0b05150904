"""How a network is trained: a named, versioned, hashed value, because an accuracy means nothing without it.

A study records its protocol (``protocol`` in the study's body), and every worker of the study obeys it: ``{"name": "proxy"}`` for one of
``protocols.py``, with whatever fields it changes, for example ``{"name": "proxy", "epochs": 30}``. Equal trainings have equal hashes,
whatever they are called.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from types import UnionType
from typing import Any, Final, Literal, Self, get_args, get_type_hints

from bonanza.spaces.kind import nearest_name

Objective = Literal["last", "best"]
Precision = Literal["float32", "bfloat16"]
Fit = Literal["train", "train+validation"]
Optimiser = Literal["sgd", "rmsprop"]

RESERVED: Final = frozenset({"allow_others", "hash"})
"""What a study's protocol may say besides the training: whether tells under other protocols are taken, and a hash of the user's own."""


class InvalidProtocol(ValueError):
    """A name or a field that is not there, or a value that makes no training; the message says which."""


def number(
    default: float | None = None,
    *,
    least: float = 0,
    below: float = 2**53,
    most: float | None = None,
    optional: bool = False,
) -> Any:
    """A field of a protocol with its range; without a default it must be given, unless it is ``optional``, which may be None."""
    metadata = {"least": least, "below": below, "most": most}
    return field(metadata=metadata) if default is None and not optional else field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What every protocol has: a name, a version, and which epoch's value is told.

    ``objective`` says which epoch's validation value is told: the ``last``, or the ``best``, which flatters by choosing. Both are reported.
    ``version`` counts the changes of what a name means; a change gives new hashes. ``data`` may fix the data set, as a worker names it.
    ``test`` measures the test part once, after the last epoch, besides; a search must not. A network's initialisation, the order of its batches and their augmentation come from the trial's seed.
    """

    name: str
    version: int = number(1, least=1)
    data: str = ""
    epochs: int = number(least=1)
    batch: int = number(least=1)
    learning_rate: float = number(least=1e-12)
    weight_decay: float = number(0.0)
    clip: float = number(0.0)
    objective: Objective = "last"
    test: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no training.

        Raises:
            InvalidProtocol: a value is out of range or of another type.
        """
        hints = get_type_hints(type(self))
        for declared in fields(self):
            object.__setattr__(
                self,
                declared.name,
                _checked(declared.name, getattr(self, declared.name), hints[declared.name], declared.metadata),
            )

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits of the SHA-256 of the JSON form without the name; equal trainings have equal hashes."""
        # what is at its default is left out: a field that comes later must not change the hashes of what it does not change
        values = {
            f.name: value for f in fields(self) if f.name != "name" and (value := getattr(self, f.name)) != f.default
        }
        text = json.dumps([type(self).__name__, values], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def changed(self, by: Mapping[str, Any]) -> Self:
        """This protocol with some fields replaced.

        Raises:
            InvalidProtocol: there is no such field, its value makes no training, or it is another protocol or version.
        """
        known = [declared.name for declared in fields(self)]
        for unknown in sorted(by.keys() - known - RESERVED):
            near = nearest_name(unknown, known)
            meant = "" if near is None else f"did you mean {near}? "
            raise InvalidProtocol(
                f"a protocol of {self.kind} has no {unknown!r}: {meant}it has {', '.join(name for name in known if name not in {'name', 'version'})}"
            )
        if by.get("name", self.name) != self.name:
            raise InvalidProtocol(f"this is the protocol {self.name!r}, not {by['name']!r}")
        if by.get("version", self.version) != self.version:
            raise InvalidProtocol(
                f"version {by['version']!r} of the protocol {self.name!r} is wanted and this is version {self.version}: "
                "install the version of bonanza that the study was made with, or make a new study"
            )
        return replace(self, **{name: value for name, value in by.items() if name not in RESERVED})

    def differences(self, other: Self) -> dict[str, Any]:
        """The fields in which this one differs from ``other``."""
        return {name: value for name, value in asdict(self).items() if value != getattr(other, name)}

    @property
    def kind(self) -> str:
        """What is trained, in a word."""
        return "images"


@dataclass(frozen=True, kw_only=True)
class Protocol(Recipe):
    """A training on images.

    ``channels``, ``cells`` and ``builder`` are the skeleton's (``networks/skeleton.py``), None what was published for the space. The rate falls by a cosine from ``learning_rate`` to ``final_learning_rate`` over all steps, after ``warmup_epochs`` of a linear rise;
    ``clip`` bounds the norm of the gradient; 0 switches ``clip``, ``cutout``, ``crop``, ``drop_path``, ``auxiliary`` and ``label_smoothing`` off.

    Data: ``validation`` is the share of the training images that validates, drawn by ``split_seed``, the same for every trial. With ``fit`` =
    ``train+validation`` the network is trained on both, and measured on the test part, which a search must not see: so ``test`` has to say so.
    ``image_size`` other than 0 scales images.

    ``precision`` = ``bfloat16`` is autocast on a CUDA device; a CPU computes in float32 all the same.
    """

    optimiser: Optimiser = "sgd"
    momentum: float = number(0.9, below=1)
    final_learning_rate: float = number(0.0)
    warmup_epochs: int = number(0)
    label_smoothing: float = number(0.0, below=1)
    channels: int | None = number(None, least=1, optional=True)
    cells: int | None = number(None, least=1, optional=True)
    builder: str = ""
    drop_path: float = number(0.0, below=1)
    auxiliary: float = number(0.0)
    crop: int = number(0)
    flip: bool = False
    cutout: int = number(0)
    auto_augment: bool = False
    image_size: int = number(0)
    precision: Precision = "bfloat16"
    validation: float = number(0.2, least=0.01, most=0.9)
    split_seed: int = number(0)
    fit: Fit = "train"

    def __post_init__(self) -> None:
        """Refuse what makes no training.

        Raises:
            InvalidProtocol: a value is out of range or of another type, or two do not go together.
        """
        super().__post_init__()
        if self.fit == "train+validation" and not self.test:
            raise InvalidProtocol(
                "fit = train+validation leaves only the test part to measure: say test = true as well, which no search should, or fit = train"
            )
        if self.warmup_epochs >= self.epochs:
            raise InvalidProtocol(
                f"warmup_epochs must be less than epochs, and is {self.warmup_epochs} of {self.epochs}"
            )


@dataclass(frozen=True, kw_only=True)
class LanguageProtocol(Recipe):
    """A language model's training by truncated backpropagation through time; the value is the perplexity, to be minimised.

    ``batch`` streams of text run side by side, ``steps`` tokens at a time. SGD; the rate is divided by 4 after an epoch without a better
    validation perplexity (Mikolov et al. 2010; AWD-LSTM averages the weights instead), or falls by a cosine to 0 where ``schedule`` says so.
    ``width`` and ``layers`` are the network's, the rest of the names its dropouts.
    """

    steps: int = number(35, least=1)
    width: int = number(least=1)
    layers: int = number(1, least=1)
    words: float = number(0.0, below=1)
    embedded: float = number(0.0, below=1)
    inputs: float = number(0.0, below=1)
    hidden: float = number(0.0, below=1)
    outputs: float = number(0.0, below=1)
    schedule: Literal["plateau", "cosine"] = "plateau"
    precision: Precision = "float32"

    @property
    def kind(self) -> str:
        """What is trained, in a word."""
        return "text"


def _checked(name: str, value: Any, kind: Any, limits: Mapping[str, Any]) -> Any:
    """The value in its own type.

    Raises:
        InvalidProtocol: it is of another, or out of range.
    """
    if isinstance(kind, UnionType):
        return None if value is None else _checked(name, value, get_args(kind)[0], limits)
    if choices := get_args(kind):
        if value not in choices:
            raise InvalidProtocol(f"{name} must be one of {', '.join(choices)}, and is {value!r}")
        return value
    if kind in {bool, str}:
        if type(value) is not kind:
            raise InvalidProtocol(f"{name} must be {'true or false' if kind is bool else 'a text'}, and is {value!r}")
        return value
    fits = isinstance(value, int | kind) and not isinstance(value, bool)
    if not fits or not limits["least"] <= value < limits["below"]:
        what = "a whole number" if kind is int else "a number"
        raise InvalidProtocol(
            f"{name} must be {what} of at least {limits['least']:g}{_bound(limits)}, and is {value!r}"
        )
    if limits["most"] is not None and value > limits["most"]:
        raise InvalidProtocol(f"{name} must be at most {limits['most']:g}, and is {value!r}")
    return kind(value)  # 1 and 1.0 are one rate, and one hash


def _bound(limits: Mapping[str, Any]) -> str:
    return "" if limits["below"] == 2**53 else f" and less than {limits['below']:g}"
