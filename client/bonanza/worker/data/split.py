"""Fixed, seeded splits: part of the training protocol."""

from __future__ import annotations

import random
from collections.abc import Sequence


def split(labels: Sequence[int], shares: tuple[float, ...], seed: int) -> list[list[int]]:
    """Indices in parts, every class in its share in each; the last part takes the rest.

    Python's own generator, whose sequences do not change between versions: a split that moved would make old results another number.
    """
    rng = random.Random(seed)
    members: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        members.setdefault(label, []).append(index)
    parts: list[list[int]] = [[] for _ in shares]
    for label in sorted(members):
        of_class = members[label]
        rng.shuffle(of_class)
        end = 0.0
        for part, share in zip(parts, shares, strict=True):
            begin, end = end, end + share
            part.extend(of_class[round(begin * len(of_class)) : round(end * len(of_class))])
    return [sorted(part) for part in parts]
