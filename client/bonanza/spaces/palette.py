"""What colour an op has in a picture: that of its family, or one of its own that is the same in every picture.

Each colour is legible on a light and on a dark page, and in print: a pale fill with a dark text, or the reverse.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from bonanza.spaces.graph import LabelledDag


class Shade(NamedTuple):
    """A box on a page of one brightness, as #rrggbb."""

    fill: str
    stroke: str
    text: str


class Colour(NamedTuple):
    """A box on either page."""

    light: Shade
    dark: Shade


PAGE = Colour(Shade("#ffffff", "#64748b", "#1e293b"), Shade("#0f172a", "#94a3b8", "#e2e8f0"))
"""The background, the edges, and what is written beside them."""

FAMILIES: Mapping[str, Colour] = {
    "io": Colour(Shade("#334155", "#1e293b", "#ffffff"), Shade("#cbd5e1", "#f1f5f9", "#0f172a")),
    "convolution": Colour(Shade("#dbeafe", "#3b82f6", "#1e3a8a"), Shade("#1e3a6e", "#60a5fa", "#dbeafe")),
    "pool": Colour(Shade("#ffedd5", "#f97316", "#7c2d12"), Shade("#5f2a10", "#fb923c", "#ffedd5")),
    "identity": Colour(Shade("#dcfce7", "#22c55e", "#14532d"), Shade("#14452a", "#4ade80", "#dcfce7")),
    "zero": Colour(Shade("#f8fafc", "#94a3b8", "#475569"), Shade("#1e293b", "#64748b", "#cbd5e1")),
    "activation": Colour(Shade("#f3e8ff", "#a855f7", "#581c87"), Shade("#4a1d6e", "#c084fc", "#f3e8ff")),
    "linear": Colour(Shade("#ccfbf1", "#14b8a6", "#134e4a"), Shade("#11423f", "#2dd4bf", "#ccfbf1")),
    "join": Colour(Shade("#e2e8f0", "#64748b", "#1e293b"), Shade("#334155", "#94a3b8", "#f1f5f9")),
}
OTHERS: Mapping[str, Colour] = {
    "rose": Colour(Shade("#ffe4e6", "#f43f5e", "#881337"), Shade("#661a2c", "#fb7185", "#ffe4e6")),
    "yellow": Colour(Shade("#fef9c3", "#ca8a04", "#713f12"), Shade("#54360f", "#facc15", "#fef9c3")),
    "cyan": Colour(Shade("#cffafe", "#06b6d4", "#164e63"), Shade("#154354", "#22d3ee", "#cffafe")),
    "fuchsia": Colour(Shade("#fae8ff", "#d946ef", "#701a75"), Shade("#5b1a60", "#e879f9", "#fae8ff")),
    "lime": Colour(Shade("#ecfccb", "#84cc16", "#365314"), Shade("#304a16", "#a3e635", "#ecfccb")),
    "indigo": Colour(Shade("#e0e7ff", "#6366f1", "#312e81"), Shade("#302e6e", "#818cf8", "#e0e7ff")),
    "brown": Colour(Shade("#efe5dc", "#a16a43", "#5b371c"), Shade("#4a301e", "#c89b7b", "#f3e9e1")),
    "sky": Colour(Shade("#e0f2fe", "#0ea5e9", "#0c4a6e"), Shade("#10425f", "#38bdf8", "#e0f2fe")),
}
COLOURS: Mapping[str, Colour] = {**FAMILIES, **OTHERS}

_WORDS: tuple[tuple[str, str], ...] = (
    ("convolution", r"conv|^res\d|\bfactorized reduce\b"),  # before activations: conv3x3-bn-relu
    ("pool", r"pool"),
    ("identity", r"\b(identity|skip|id)\b"),
    ("zero", r"\b(none|zero|zeroize)\b"),
    ("join", r"\b(concat|cat|add|sum|mul|mean|blend|c k [12])\b|^ ?$"),  # or no word at all
    ("activation", r"\b(\w?relu6?|leaky|[sg]?elu|tanh|sigmoid|logistic|soft(max|plus|sign)|silu|swish|mish|sine?)\b"),
    ("linear", r"\b(linear|fc|dense|mlp)\b"),
)


def colours_of(graph: LabelledDag, *, zero_op: str | None, identity_op: str | None) -> list[str]:
    """For each node the name of its colour in ``COLOURS``."""
    ops = [colour_of(label, zero_op=zero_op, identity_op=identity_op) for label in graph.labels[1:-1]]
    return ["io", *ops, "io"]


def colour_of(label: str, *, zero_op: str | None, identity_op: str | None) -> str:
    """The name in ``COLOURS`` of an op: the space's own special ops first, then what its name says.

    Of a ``name=choice`` the choice counts, so that a choice looks the same at every position. The rest is dealt out by
    a digest of the label: another process, another picture, the same colour.
    """
    if label == zero_op:
        return "zero"
    if label == identity_op:
        return "identity"
    op = label.rpartition("=")[2] or label
    words = re.sub(r"[_\W]+", " ", op.lower())
    for family, pattern in _WORDS:
        if re.search(pattern, words):
            return family
    digest = hashlib.blake2b(op.encode("utf-8", "backslashreplace"), digest_size=2).digest()
    return list(OTHERS)[int.from_bytes(digest) % len(OTHERS)]
