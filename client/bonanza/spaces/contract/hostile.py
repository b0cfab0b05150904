"""JSON that no well-meaning client sends."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


def hostile_json() -> st.SearchStrategy[Any]:
    """What a JSON parser can give: NaN, huge integers, lone surrogates, control characters, objects within lists."""
    scalars = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.just(10**4000)
        | st.floats()
        | st.text(max_size=20)
        | st.sampled_from(
            [
                "\ud800",
                "\x00",
                "nan",
                "|none~0|",
                "|+|",
                "|a~0|+|b~0|c~1|",
                "x" * 10_000,
                "kind",
                "edges",
                "12-1",
                "0 0 1",
                "Genotype(normal=[",
            ]
        )
    )
    keys = st.sampled_from(
        [
            "kind",
            "nodes",
            "ops",
            "zero_op",
            "edges",
            "choices",
            "positions",
            "name",
            "stages",
            "activations",
            "none",
            "normal",
            "cell",
            "adjacency",
            "\ud800/~",
        ]
    ) | st.text(max_size=3)
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=7) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
    )
