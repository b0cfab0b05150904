"""The curves of a report."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from bonanza_server.bench.plot import can_plot, curves
from bonanza_server.bench.race import Outcome, Terms

TERMS = Terms(trials=4, cap=10, workers=1, mean=True)
ONE = Outcome(found=3, regrets=[None, 2.0, 0.0], hours=[1.0, 2.0, 3.0], rank_correlation=None, seconds=None)
OTHER = replace(ONE, found=None, regrets=[4.0, 4.0, 3.0, 3.0], hours=[1.5, 2.5, 3.5, 4.5])


@pytest.mark.parametrize(("workers", "axis"), [(1, "trials"), (8, "simulated GPU hours")])
def test_curves_with_bands_are_drawn_for_every_contestant(tmp_path: Path, workers: int, axis: str) -> None:
    assert can_plot()
    path = tmp_path / "regret.svg"
    curves({"bonanza": [ONE, OTHER], "random": [OTHER]}, "a table", replace(TERMS, workers=workers), path)
    drawn = path.read_text(encoding="utf-8")
    root = ET.fromstring(drawn)
    assert root.tag.endswith("svg")
    for text in ("bonanza", "random", "a table", axis, "regret"):
        assert f"<!-- {text} -->" in drawn  # matplotlib draws letters as paths, and says what they were
    assert sum(element.get("id", "").startswith("FillBetweenPolyCollection") for element in root.iter()) == 2
