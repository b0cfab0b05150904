"""``bonanza export-code``, as a new user meets it."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bonanza.cli import main
from bonanza.spaces import space_from_spec
from tests.contracts.network import exported

Run = Callable[..., tuple[int, str, str]]
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process; its exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bonanza", "export-code", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run


def test_the_code_is_printed_as_a_file(run: Run) -> None:
    code, out, err = run(
        CELL, "--space", "nasbench201", "--classes", "7", "--image", "1x8x8", "--channels", "4", "--cells", "1"
    )
    assert (code, err) == (0, "")
    network = exported(out)
    assert network.classifier.out_features == 7  # type: ignore[union-attr]
    assert network.stem[0].in_channels == 1  # type: ignore[index, union-attr]


@pytest.mark.parametrize("kind", ["nasbench101", "darts", "resnet_stages", "recurrent"])
def test_architectures_come_in_every_form_and_files_too(kind: str, run: Run, tmp_path: Path) -> None:
    space = space_from_spec({"kind": kind, **({"nodes": 4} if kind == "recurrent" else {})})
    arch = space.sample(random.Random(1))
    (tmp_path / "arch.json").write_text(json.dumps(arch.json))
    options = ["--space", json.dumps(space.spec()), "--channels", "4", "--tokens", "9"]
    printed = [run(form, *options) for form in (arch.text, json.dumps(arch.json), f"@{tmp_path}/arch.json")]
    assert {code for code, _, _ in printed} == {0}
    assert len({out for _, out, _ in printed}) == 1
    out = tmp_path / "network.py"
    code, said, _ = run(arch.text, *options, "--out", str(out))
    assert code == 0
    assert f"wrote {out}" in said
    assert out.read_text() == printed[0][1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([CELL, "--space", "nasbench21"], 'did you mean "nasbench201"?'),
        (["|none~0|", "--space", "nasbench201"], "has 6 edges, this one 1"),
        ([CELL, "--space", "nasbench201", "--image", "32x32"], "CHANNELSxHEIGHTxWIDTH, such as 3x32x32, not '32x32'"),
        ([CELL, "--space", "nasbench201", "--image", "3x0x32"], "1 or more channels and pixels"),
        ([CELL, "--space", "nasbench201", "--auxiliary"], "has no auxiliary tower"),
        ([CELL, "--space", "nasbench201", "--out", "/nowhere/x.py"], "cannot write /nowhere/x.py"),
        (
            ['{"choices": [1]}', "--space", '{"kind": "sequence", "positions": [{"name": "a", "choices": [1]}]}'],
            "only you know what an architecture of the space sequence means",
        ),
    ],
)
def test_what_cannot_be_exported_is_said(arguments: list[str], says: str, run: Run) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert says in err
