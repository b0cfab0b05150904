"""A study's cells laid out in the plane, and what each choice at each place goes with: for people, not for the search.

Notation
--------
Z   (n, d)   the views of every cell side by side (``views``), each scaled so that two random cells are as far apart in one as in the other
x, y         the first two principal components of Z, of measured and pending cells and of ``SAMPLED`` cells drawn from the space
D   (m, k)   of the m measured cells, one column for each choice at each place: 1 where the cell has it
b   (k,)     effects: ridge regression of the values on D, each place's effects centred on its choices' counts

Effects are what a choice goes with, the other places held equal, in cells that a search chose: a hint, not an experiment. Values in the worst
twentieth count as the best of these, so that a few cells that do not train at all are not the whole story.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import Architecture, SearchSpace, space_from_spec
from bonanza.spaces.palette import colour_of
from bonanza_server.search.sparse import dense
from bonanza_server.search.views import rows_of, views_of

SAMPLED = 240
MOST_PLACES = 24
MOST_CHOICES = 16
"""At one place; a place with more is a number rather than a choice."""
NAMED, MOST_COLOURS = 500, 64
"""Of so many newest trials the choices have a colour, the most frequent ones."""
WORST = 0.05
RIDGE = 1.0
FEWEST = 8
"""Measured cells below which nothing is said of effects."""

Matrix = NDArray[np.float64]


class Measured(NamedTuple):
    """A trial with its cell; ``value`` None: pending."""

    number: int
    architecture: dict[str, Any]
    value: float | None


def atlas(space_spec: dict[str, Any], trials: list[Measured], mapped: list[int], *, maximize: bool) -> dict[str, Any]:
    """The fields of ``schemas.Atlas`` but ``results``: a map of the trials with numbers in ``mapped``, effects by all of them. A pure function."""
    space = space_from_spec(space_spec)
    shown = set(mapped)
    cells = [space.validate(trial.architecture) for trial in trials if trial.number in shown]
    values = np.array([np.nan if t.value is None else t.value for t in trials if t.number in shown])
    places, r_squared = effects([trial for trial in trials if trial.value is not None], maximize=maximize)
    # The palette's colours belong to ops of the graph; a choice that is none of them has the colour that its name has anywhere.
    words = Counter(found for trial in trials[-NAMED:] for _, found in leaves(trial.architecture))
    choices = {effect["choice"] for place in places for effect in place["effects"]}
    choices.update(word for word, _ in words.most_common(MOST_COLOURS))
    return {
        "number": [trial.number for trial in trials if trial.number in shown],
        **plane(space, cells, values if maximize else -values),
        "places": places,
        "r_squared": r_squared,
        "colours": {c: colour_of(c, zero_op=space.zero_op, identity_op=space.identity_op) for c in sorted(choices)},
    }


def plane(space: SearchSpace, cells: Sequence[Architecture], goodness: Matrix) -> dict[str, list[float]]:
    """Where ``cells`` and samples of the space lie; better values (``goodness``, nan: unknown) lie rather to the right."""
    rng = random.Random(0)  # the samples are facts of the space: the map of two studies of it has the same ground
    everything = [*cells, *(space.sample(rng) for _ in range(SAMPLED))]
    encoded = encoding(space, everything)
    encoded -= encoded.mean(axis=0)
    scores, explained = principal(encoded)
    known = np.isfinite(goodness)
    for axis, wanted in enumerate((goodness, np.arange(len(cells), dtype=float))):
        some = known if axis == 0 else np.ones(len(cells), dtype=bool)
        column = scores[: len(cells), axis]
        if some.sum() > 2 and np.cov(column[some], wanted[some])[0, 1] < 0:
            scores[:, axis] *= -1.0
    rounded = np.round(scores, 4)
    x, y = (rounded[: len(cells), axis].tolist() for axis in (0, 1))
    space_x, space_y = (rounded[len(cells) :, axis].tolist() for axis in (0, 1))
    return {"x": x, "y": y, "space_x": space_x, "space_y": space_y, "explained": [round(e, 4) for e in explained]}


def encoding(space: SearchSpace, cells: Sequence[Architecture]) -> Matrix:
    """Z, (n, d)."""
    distances = views_of(space).distances
    rows = zip(*(rows_of(cell, tuple(distances)) for cell in cells), strict=True)
    views = [
        dense(view).astype(np.float64) / np.sqrt(scale) for view, scale in zip(rows, distances.values(), strict=True)
    ]
    return np.concatenate(views, axis=1)


def principal(centred: Matrix, *, components: int = 2, rounds: int = 24) -> tuple[Matrix, list[float]]:
    """Scores on the first principal components, (n, components), and the share of the variance of each: by subspace iteration.

    Halko et al. 2011, algorithm 4.4, from a fixed start; a few more columns than wanted make it converge in some rounds.
    """
    total = float(np.square(centred).sum())
    if total == 0.0 or len(centred) < 2:
        return np.zeros((len(centred), components)), [0.0] * components
    width = min(components + 6, *centred.shape)
    basis = np.random.default_rng(0).standard_normal((centred.shape[1], width))
    for _ in range(rounds):
        basis, _ = np.linalg.qr(centred.T @ (centred @ basis))
    left, singular, _ = np.linalg.svd(centred @ basis, full_matrices=False)
    scores = np.zeros((len(centred), components))
    found = min(components, width)
    scores[:, :found] = (left * singular)[:, :found]
    return scores, [float(s**2 / total) for s in (*singular[:found], *[0.0] * (components - found))]


def effects(measured: Sequence[Measured], *, maximize: bool) -> tuple[list[dict[str, Any]], float | None]:
    """The places of the cells with their effects, the most important first, and R²; nothing for fewer than ``FEWEST`` cells."""
    if len(measured) < FEWEST:
        return [], None
    values = np.array([trial.value for trial in measured], dtype=np.float64)
    low, high = np.quantile(values, [WORST, 1.0 - WORST])
    values = np.maximum(values, low) if maximize else np.minimum(values, high)
    columns = _places([dict(leaves(trial.architecture)) for trial in measured])
    if not columns or float(values.std()) == 0.0:
        return [], None
    blocks = [(pointer, choices, _one_hot(found, choices)) for pointer, found, choices in columns]
    design = np.concatenate([block for _, _, block in blocks], axis=1)  # D, (m, k)
    centre = values - values.mean()
    inverse = np.linalg.inv(design.T @ design + RIDGE * np.eye(design.shape[1]))
    b = inverse @ (design.T @ centre)
    left_over = centre - design @ b
    left_over -= left_over.mean()
    freedom = max(1.0, len(values) - float(np.trace(inverse @ (design.T @ design))))
    errors = np.sqrt(np.square(left_over).sum() / freedom * np.diag(inverse))
    places, at = [], 0
    for pointer, choices, block in blocks:
        mine, counts = b[at : at + len(choices)], block.sum(axis=0)
        mine = mine - float(counts @ mine) / len(values)
        spread = float(np.var(block @ mine))
        found = zip(choices, counts, mine, errors[at : at + len(choices)], strict=True)
        at += len(choices)
        places.append((spread, pointer, [_effect(*one) for one in found]))
    places.sort(key=lambda place: -place[0])
    total = sum(spread for spread, _, _ in places) or 1.0
    r_squared = 1.0 - float(np.square(left_over).sum() / np.square(centre).sum())
    listed = [
        {"pointer": pointer, "importance": round(spread / total, 4), "effects": found}
        for spread, pointer, found in places[:MOST_PLACES]
    ]
    return listed, round(max(0.0, r_squared), 4)


def _effect(choice: str, count: float, effect: float, error: float) -> dict[str, Any]:
    enough = count >= 2
    return {
        "choice": choice,
        "count": int(count),
        "effect": round(float(effect), 5) if enough else None,
        "error": round(float(error), 5) if enough else None,
    }


def _places(cells: Sequence[dict[str, str]]) -> list[tuple[str, list[str | None], list[str]]]:
    """(pointer, what each cell has there, the choices), of the pointers at which cells differ and that most of them have."""
    seen = Counter(pointer for cell in cells for pointer in cell)
    found = []
    for pointer, count in seen.items():
        if count * 2 < len(cells):
            continue
        column = [cell.get(pointer) for cell in cells]
        choices = sorted({choice for choice in column if choice is not None})
        if 2 <= len(choices) <= MOST_CHOICES:
            found.append((pointer, column, choices))
    return found[: 4 * MOST_PLACES]


def _one_hot(column: Sequence[str | None], choices: Sequence[str]) -> Matrix:
    return np.array([[float(found == choice) for choice in choices] for found in column])


def leaves(value: object, pointer: str = "") -> Iterator[tuple[str, str]]:
    """The places of an architecture's JSON: (JSON pointer, what stands there as text)."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{pointer}/{index}")
    else:
        yield pointer, str(value).lower() if isinstance(value, bool) else str(value)
