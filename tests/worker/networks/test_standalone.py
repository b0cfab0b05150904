"""The exported file: alone in the world, no larger than it must be, and with values that no text can break out of."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bonanza.spaces import space_from_spec
from bonanza.worker.networks import Skeleton, build, export_code, export_language_model
from bonanza.worker.networks.standalone import literal
from tests.contracts.network import exported

NB201 = space_from_spec({"kind": "nasbench201"})
CELL = NB201.validate("|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|")
LOADS = """
import sys, torch
sys.path.insert(0, sys.argv[1])
import found
network = found.network()
network.load_state_dict(torch.load(sys.argv[1] + "/weights.pt", weights_only=True))
torch.save(network.eval()(torch.load(sys.argv[1] + "/images.pt", weights_only=True)), sys.argv[1] + "/scores.pt")
print(any(name.partition(".")[0] == "bonanza" for name in sys.modules))
"""


def test_trained_weights_are_loaded_where_there_is_no_bonanza(tmp_path: Path) -> None:
    skeleton = Skeleton(channels=4, cells=1)
    network = build(NB201, CELL, skeleton=skeleton, classes=10, shape=(3, 8, 8)).eval()
    images = torch.randn(2, 3, 8, 8)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    torch.save(images, tmp_path / "images.pt")
    (tmp_path / "found.py").write_text(export_code(NB201, CELL, skeleton=skeleton, classes=10, shape=(3, 8, 8)))
    ran = subprocess.run(
        [sys.executable, "-I", "-c", LOADS, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ran.stdout.strip() == "False", ran.stderr
    # not to the last bit, which another process with other threads need not share
    assert torch.allclose(torch.load(tmp_path / "scores.pt", weights_only=True), network(images), atol=1e-5)


def test_the_file_begins_with_the_cell_and_has_the_ops_that_it_needs_only() -> None:
    source = export_code(NB201, CELL, skeleton=Skeleton(), classes=10, shape=(3, 32, 32))
    definitions = [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    assert definitions == ["network", "ReLUConvNorm", "Cell", "Reduction", "Network"]
    assert '(0, 1, "nor_conv_3x3"),' in source
    assert "nor_conv_1x1" not in source
    assert source.rstrip().endswith("""parameters")""")
    pools = NB201.validate({"edges": ["avg_pool_3x3"] * 6})
    assert "nn.AvgPool2d(3, stride, 1" in export_code(NB201, pools, skeleton=Skeleton(), classes=10, shape=(3, 32, 32))


def test_names_that_a_user_gave_cannot_become_code() -> None:
    hostile = '""", exit("taken over"), """'
    space = space_from_spec({"kind": "edge_cell", "nodes": 3, "ops": [hostile, "skip_connect"], "zero_op": hostile})
    arch = space.validate({"edges": ["skip_connect", hostile, "skip_connect"]})
    source = export_code(space, arch, skeleton=Skeleton(2, 1), classes=2, shape=(1, 8, 8))
    assert exported(source)(torch.randn(2, 1, 8, 8)).shape == (2, 2)


def test_a_language_model_is_exported_too() -> None:
    space = space_from_spec({"kind": "recurrent", "nodes": 3})
    source = export_language_model(space, space.validate("0 0 1"), tokens=5, width=3)
    assert exported(source)(torch.zeros(2, 1, dtype=torch.long))[0].shape == (2, 1, 5)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=40)
@given(VALUES, st.integers(0, 40))
def test_a_value_is_printed_as_itself(value: Any, indent: int) -> None:
    printed = literal(value, indent)
    assert repr(ast.literal_eval(printed)) == repr(value)
