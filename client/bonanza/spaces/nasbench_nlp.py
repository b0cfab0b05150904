"""Recipes of NAS-Bench-NLP, read as cells of the ``recurrent`` space where they are such.

Klyuchnikov et al., "NAS-Bench-NLP: Neural Architecture Search Benchmark for Natural Language Processing", 2020 (arXiv
2006.07116). A recipe names the values of a cell, each with its op and inputs; ``x`` and ``h_prev_0`` are given,
``h_new_0`` is the new state. Its space is another than ENAS's: a linear op mixes two or three inputs, values are
multiplied and blended, there are up to three states, and ReLU is leaky. What both have is a chain of linear ops with an
activation each, the first of them on ``x`` and ``h_prev_0``: 6 of the 291 recipes measured on WikiText-2.
"""

from __future__ import annotations

from collections.abc import Mapping

from bonanza.spaces.base import Architecture, InvalidArchitecture
from bonanza.spaces.fields import pointed, read_list, read_object, show
from bonanza.spaces.recurrent import Recurrent

ACTIVATIONS = {"activation_tanh": "tanh", "activation_sigm": "sigmoid"}
OUTPUT = "h_new_0"
INPUTS = {"x", "h_prev_0"}


def recurrent_cell(recipe: object, space: Recurrent) -> Architecture:
    """The cell of ``space`` that computes what ``recipe`` (JSON) does; values that ``h_new_0`` does not need are left out.

    Raises:
        InvalidArchitecture: the recipe is none, or no cell of the space; the pointer is of the value that does not fit.
    """
    if not isinstance(recipe, Mapping):
        raise InvalidArchitecture("", f"a recipe is an object of named values, not {show(recipe)}")
    if states := [name for name in recipe if str(name).startswith("h_new_") and name != OUTPUT]:
        raise InvalidArchitecture(pointed("", states[0]), "a cell of this space has one state, h_new_0")
    activations: list[str] = []  # from the last node to the first
    value, activated = OUTPUT, None
    for _ in range(2 * space.most):
        op, inputs = _read_value(recipe, value)
        if op in ACTIVATIONS and activated is None and len(inputs) == 1:
            activated, value = ACTIVATIONS[op], inputs[0]
            continue
        if op != "linear":
            allowed = f"linear, with one of {', '.join(ACTIVATIONS)} or none after it"
            raise InvalidArchitecture(pointed(pointed("", value), "op"), f"must be {allowed}, not {show(op)} here")
        activations.append(activated or "identity")
        if len(inputs) == len(INPUTS) and set(inputs) == INPUTS:
            sources = list(range(len(activations) - 1))
            return space.validate({"activations": activations[::-1], "sources": sources})
        if len(inputs) != 1:
            allowed = "one value, or both x and h_prev_0"
            raise InvalidArchitecture(pointed(pointed("", value), "input"), f"a node of this space reads {allowed}")
        value, activated = inputs[0], None
    raise InvalidArchitecture(pointed("", value), f"is more than {space.most} nodes before h_new_0")


def _read_value(recipe: Mapping[str, object], name: str) -> tuple[str, list[str]]:
    here = pointed("", name)
    if name not in recipe:
        raise InvalidArchitecture(here, "is read, but the recipe has no such value, or not where a node may read it")
    fields = read_object(recipe[name], here, InvalidArchitecture, required=("op", "input"))
    inputs = read_list(fields["input"], pointed(here, "input"), InvalidArchitecture, least=1, most=3, of="names")
    for k, value in enumerate(inputs):
        if not isinstance(value, str):
            raise InvalidArchitecture(pointed(pointed(here, "input"), k), f"must be a name, not {show(value)}")
    return str(fields["op"])[:50], inputs
