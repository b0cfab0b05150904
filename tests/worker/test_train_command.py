"""``bonanza train`` as a person types it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from bonanza.cli import app
from bonanza.errors import InvalidRequest
from bonanza.worker.protocols import DIGITS
from bonanza.worker.single import sparkline

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_3x3~0|none~1|nor_conv_1x1~2|"


def test_a_cell_is_trained_measured_on_the_test_part_and_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = CliRunner().invoke(app, ["train", CELL, "--epochs", "1", "--seeds", "0,1", "--out", str(out), "--json"])
    assert ran.exit_code == 0, ran.output
    answer = json.loads(ran.stdout.splitlines()[-1])
    assert {"val_accuracy", "test_accuracy", "seconds", "protocol"} <= answer.keys()
    assert [run["seed"] for run in answer["runs"]] == [0, 1]
    assert answer["test_accuracy"] == pytest.approx(sum(run["test_accuracy"] for run in answer["runs"]) / 2)
    assert answer["protocol_spec"] == {"name": "digits", "version": 1, "epochs": 1, "test": True}
    assert answer["protocol_hash"] == DIGITS.changed({"epochs": 1, "test": True}).hash
    assert json.loads((out / "result.json").read_text()) == answer
    # The file and the weights are the network, without Bonanza.
    spec = importlib.util.spec_from_file_location("kept_network", out / "network.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.network()
    network.load_state_dict(torch.load(out / "weights-1.pt", weights_only=True))
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_people_are_shown_a_table_and_a_curve() -> None:
    ran = CliRunner().invoke(app, ["train", CELL, "--epochs", "2"])
    assert ran.exit_code == 0, ran.output
    assert "validation" in ran.stdout
    assert "▁█" in ran.stdout
    assert "protocol digits" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--protocol", "prxy"], "did you mean 'proxy'"),
        (["--data", "digts"], "did you mean 'digits'"),
        (["--data", "npz:/no/such.npz"], "there is no file /no/such.npz"),
        (["--protocol", "language"], "language trains on text, and digits is images"),
        (["--protocol", "digits:batch=5000"], "more than the 1079 images"),
        (["--seeds", "0,x"], "whole numbers apart by commas"),
        (["--seeds", "1,1"], "different whole numbers"),
        (["--space", '{"kind": "recurrent", "nodes": 8}'], "no architecture of this space"),
    ],
)
def test_what_cannot_be_trained_is_told_in_a_line(arguments: list[str], says: str) -> None:
    ran = CliRunner().invoke(app, ["train", CELL, *arguments])
    assert isinstance(ran.exception, InvalidRequest)
    assert says in str(ran.exception)


def test_a_sparkline_shows_the_shape_of_a_curve_in_the_space_there_is() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([5.0]) == "▁"
    assert len(sparkline(list(range(1000)))) == 60
    assert sparkline(list(range(1000)))[-1] == "█"
