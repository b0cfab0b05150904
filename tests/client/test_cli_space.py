"""``bonanza space``, as a new user meets it: offline, with errors that say what to do."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from bonanza.cli import main
from bonanza.spaces import draw, space_from_spec, space_kinds, to_dot

Run = Callable[..., tuple[int, str, str]]
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
NB201 = space_from_spec({"kind": "nasbench201"})


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``bonanza space`` in this process; its exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bonanza", "space", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run


def succeeded(result: tuple[int, str, str]) -> str:
    code, out, err = result
    assert (code, err) == (0, "")
    return out


def test_the_kinds_are_listed(run: Run) -> None:
    out = succeeded(run("show"))
    assert [line.split()[0] for line in out.splitlines() if line[:1].isalpha()][1:-1] == [
        kind.name for kind in space_kinds()
    ]
    listed = json.loads(succeeded(run("show", "--json")))["spaces"]
    assert [kind["kind"] for kind in listed] == [kind.name for kind in space_kinds()]


@pytest.mark.parametrize("kind", [kind.name for kind in space_kinds()])
def test_the_example_that_a_kind_shows_can_be_copied_into_the_next_command(kind: str, run: Run) -> None:
    lines = succeeded(run("show", kind)).splitlines()
    shown = dict(line.split(maxsplit=1) for line in lines[:3])
    assert shown["kind"] == kind
    (sample,) = [line.removeprefix("a sample").strip() for line in lines if line.startswith("a sample")]
    out = succeeded(run("sample", shown["example"], "-n", "3", "--seed", "0"))
    assert len(out.splitlines()) == 4
    assert out.splitlines()[1].split(maxsplit=1)[1] == sample
    assert succeeded(run("validate", shown["example"], sample)).startswith("id ")


@pytest.mark.parametrize("kind", [kind.name for kind in space_kinds()])
def test_programs_get_the_schemas_and_samples_that_hold_them(kind: str, run: Run) -> None:
    found = json.loads(succeeded(run("show", kind, "--json")))
    Draft202012Validator(found["spec_schema"]).validate(found["example"])
    drawn = json.loads(succeeded(run("sample", json.dumps(found["example"]), "--json")))["architectures"]
    assert len(drawn) == 5
    for item in drawn:
        Draft202012Validator(found["architecture_schema"]).validate(item["architecture"])


def test_a_sample_depends_on_its_seed(run: Run) -> None:
    rng = random.Random(7)
    expected = [NB201.sample(rng) for _ in range(4)]
    lines = succeeded(run("sample", "nasbench201", "-n", "4", "--seed", "7")).splitlines()[1:]
    assert [line.split() for line in lines] == [[arch.arch_id, arch.text] for arch in expected]


def test_an_architecture_is_described(run: Run) -> None:
    arch = NB201.validate(CELL)
    cost = NB201.cost(arch)
    assert cost is not None
    out = succeeded(run("validate", "nasbench201", CELL))
    for fact in (
        arch.arch_id,
        CELL,
        json.dumps(arch.json),
        f"{cost.parameters:,}",
        f"{cost.flops:,}",
        "15,625",
        "6; 3",
    ):
        assert fact in out
    told = json.loads(succeeded(run("validate", "nasbench201", CELL, "--json")))
    expected = {"architecture": arch.json, "text": CELL, "arch_id": arch.arch_id}
    assert told == expected | {"parameters": cost.parameters, "flops": cost.flops}


@pytest.mark.parametrize("simplified", [[], ["--simplified"]])
def test_pictures_are_written(simplified: list[str], run: Run, tmp_path: Path) -> None:
    svg, dot = tmp_path / "cell.svg", tmp_path / "cell.dot"
    out = succeeded(run("validate", "nasbench201", CELL, "--svg", str(svg), "--dot", str(dot), *simplified))
    assert f"wrote {svg}\nwrote {dot}\n" in out
    arch = NB201.validate(CELL)
    assert svg.read_text(encoding="utf-8") == draw(arch, simplified=bool(simplified))
    assert dot.read_text(encoding="utf-8") == to_dot(arch, simplified=bool(simplified))
    ET.parse(svg)


def test_an_architecture_is_a_string_json_a_file_or_standard_input(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arch = NB201.validate(CELL)
    file = tmp_path / "cell.json"
    file.write_text(json.dumps(arch.json) + "\n")
    texts = [CELL, json.dumps(arch.json), f"@{file}", "-", "-"]
    for text, piped in zip(texts, ["", "", "", CELL + "\n", json.dumps(arch.json)], strict=True):
        monkeypatch.setattr(sys, "stdin", io.StringIO(piped))
        assert arch.arch_id in succeeded(run("validate", "nasbench201", text))


def test_a_space_is_a_kind_json_or_a_file(run: Run, tmp_path: Path) -> None:
    spec = {"kind": "sequence", "positions": [{"name": "depth", "choices": [2]}]}
    file = tmp_path / "space.json"
    file.write_text(json.dumps(spec))
    for text in (json.dumps(spec), str(file), f"@{file}"):
        assert "sequence, 1 architecture\n" in succeeded(run("validate", text, '{"choices": [2]}'))


def test_a_space_of_very_many_architectures_has_its_size_in_powers_of_ten(run: Run) -> None:
    for positions, digits in ((20, 40), (1_000, 2_000)):
        choices = [{"name": f"p{k}", "choices": list(range(100))} for k in range(positions)]
        spec = json.dumps({"kind": "sequence", "positions": choices})
        out = succeeded(run("validate", spec, json.dumps({"choices": [1] * positions})))
        assert f"about 10^{digits} architectures" in out


@pytest.mark.parametrize(
    ("command", "said", "next_step"),
    [
        (["show", "edge_cel"], 'did you mean "edge_cell"?', ""),
        (["sample", "nasbench21"], 'did you mean "nasbench201"?', "bonanza space show"),
        (["sample", "edge_cell"], "/nodes: is missing", "bonanza space show edge_cell"),
        (["sample", "nowhere.json"], "cannot read nowhere.json", ""),
        (["sample", "@nowhere"], "cannot read nowhere", ""),
        (["sample", '{"kind":'], "is no JSON", ""),
        (["sample", '{"a":' + "[" * 20_000], "is no JSON", ""),
        (["sample", "{}"], "/kind: is missing", "bonanza space show"),
        (["validate", "nasbench201", "|nor_conv_3x3~0|"], "has 6 edges, this one 1", "One is, for example: |"),
        (["validate", "nasbench201", '{"edges": ["x"]}'], "/edges: must be a list of 6", "One is, for example: |"),
        (["validate", "nasbench201", "[" * 20_000], "is no JSON", ""),
        (["validate", "nasbench201", "@nowhere"], "cannot read nowhere", ""),
        (["validate", "nasbench201", f"@{sys.executable}"], "no UTF-8 text", ""),
        (["validate", "nasbench201", ""], "begins and ends with a bar", "One is, for example: |"),
        (["validate", "nasbench201", CELL, "--svg", "/nowhere/x.svg"], "cannot write /nowhere/x.svg", ""),
    ],
)
def test_what_is_wrong_is_one_red_line_and_what_to_do_next(
    command: list[str], said: str, next_step: str, run: Run
) -> None:
    code, out, err = run(*command)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert said in err.splitlines()[0]
    assert next_step in err
    assert len(err.splitlines()) == 1 + bool(next_step)


def test_strange_names_are_printed_as_they_are(run: Run) -> None:
    space: dict[str, Any] = {"kind": "edge_cell", "nodes": 2, "ops": ["[bold]größe[/]"]}
    out = succeeded(run("validate", json.dumps(space), '{"edges": ["[bold]größe[/]"]}'))
    assert "|[bold]größe[/]~0|" in out


def test_the_commands_need_no_server_and_load_none() -> None:
    script = "import sys; sys.argv = ['bonanza', 'space', 'sample', 'nasbench201']\ntry:\n import bonanza.cli; bonanza.cli.main()\nexcept SystemExit: pass\nassert 'torch' not in sys.modules and 'fastapi' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
