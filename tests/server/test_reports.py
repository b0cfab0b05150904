"""Reports of studies of every kind: what they say, what they say is missing, and that they open anywhere."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bonanza.schemas import Report
from tests.server.expect import problem
from tests.server.lab import TWENTY_CELLS, Json, Lab


def report(lab: Lab) -> Report:
    """The report, which every form of it must be made of."""
    made = Report.model_validate(lab.get("/report"))
    for form in ("markdown", "html"):
        text = lab.server.http.get(f"/v1/studies/{lab.name}/report", params={"format": form})
        assert text.status_code == 200, text.text
        assert lab.name in text.text
    return made


def missing(made: Report) -> dict[str, str]:
    return {one.part: one.reason for one in made.missing}


def answers(made: Report) -> dict[str, str]:
    return {one.question: one.answer for one in made.checklist}


def worth(trial: Json) -> float:
    depth, width = trial["architecture"]["choices"]
    return float(60.0 + 3 * depth + width / 32)


def whole(lab: Lab) -> None:
    """A study with a baseline, a search, curves, a confirmation by hand, and two depths."""
    protocol = {"name": "mine", "cells": 8, "cutout": 16, "objective": "last", "tuning_hours": 2.5}
    lab.study(space=TWENTY_CELLS, protocol=protocol, phases={"baseline": {"cells": 8}})
    trials = [trial for _ in range(4) for trial in lab.ask(count=3)["trials"]]
    for trial in trials:
        token = trial["attempt"]["token"]
        points = [{"step": k, "metrics": {"accuracy": worth(trial) - (9 - k) * 0.3}} for k in range(10)]
        lab.act(trial, "report", lease_token=token, points=points)
        lab.tell(trial, worth(trial), cost={"seconds": 1800.0})
    for trial in trials[:3]:
        lab.act(trial, "repeat", protocol=protocol | {"cells": 20, "cutout": 0})
    lab.act(trials[0], "repeat", count=2)
    for _ in range(5):
        again = lab.one()
        lab.tell(again, worth(again) + (5.0 if again["protocol"] else 0.1), cost={"seconds": 1800.0})


def test_a_study_with_everything_is_told_whole(lab: Lab) -> None:
    whole(lab)
    made = report(lab)
    assert made.random_sample is not None
    assert (made.random_sample.n, sum(made.random_sample.histogram.counts)) == (12, 12)
    assert made.curve is not None
    assert made.curve.trials == list(range(1, len(made.curve.trials) + 1))
    assert made.curve.best == sorted(made.curve.best)
    assert made.curve.hours[-1] == pytest.approx(14 * 0.5)
    assert made.depth is not None
    assert (made.depth.cells, made.depth.first, made.depth.second) == (3, "8 cells", "20 cells")
    assert made.smoothing is not None
    assert made.smoothing.curves == 12
    assert [protocol.tricks for protocol in made.protocols] == [["cutout"], []]
    assert made.protocols[1].shared is not None
    assert made.protocols[1].shared.n == 3
    assert made.cost is not None
    assert made.cost.tuning_hours == 2.5
    assert made.recommended is not None
    assert not made.recommended.confirmed
    assert set(missing(made)) == {"relative improvement", "surrogate"}
    said = answers(made)
    assert said["Are results reported with and without training tricks?"] == "yes"
    assert said["Is the accuracy that of the last epoch, and not of the best?"] == "yes"
    assert said["Is the final result averaged over several training seeds?"] == "no"
    assert said["Is it shown on several data sets?"] == "not enough data"


def test_an_empty_study_says_what_is_missing(lab: Lab) -> None:
    lab.study()
    made = report(lab)
    assert made.recommended is None
    assert "no trial yet" in missing(made)["everything that is measured"]
    assert "baseline" in missing(made)["relative improvement"]
    assert "yes" not in {answer for question, answer in answers(made).items() if "recorded, so" not in question}


def test_a_study_of_one_result_is_told(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS)
    lab.tell(lab.one(), 71.0)
    made = report(lab)
    assert made.recommended is not None
    assert made.recommended.mean == 71.0
    assert made.random_sample is not None
    assert made.random_sample.std is None
    assert {"relative improvement", "seeds", "depth", "early stopping", "surrogate", "protocols"} <= set(missing(made))


def test_a_study_in_which_all_failed_is_told_with_its_failures(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS)
    for trial in lab.ask(count=3)["trials"]:
        lab.fail(trial, "code")
    made = report(lab)
    assert made.trials["failed"] == 3
    assert "3 failed: look at the errors" in missing(made)["everything that is measured"]


def test_constant_zero_and_minimised_values_break_nothing(lab: Lab) -> None:
    lab.study(
        space=TWENTY_CELLS, objective={"name": "loss", "direction": "minimize"}, phases={"baseline": {"cells": 3}}
    )
    for trial in lab.ask(count=3)["trials"]:
        lab.tell(trial, 0.0)
    made = report(lab)
    assert made.curve is not None
    assert made.curve.best == [0.0] * len(made.curve.best)


def test_reports_of_studies_that_are_not_there_and_of_forms_that_are_not_are_refused(lab: Lab) -> None:
    problem(lab.server.http.get("/v1/studies/nobody/report"), "not-found")
    lab.study()
    problem(lab.server.http.get(f"/v1/studies/{lab.name}/report", params={"format": "pdf"}), "invalid")


def test_the_page_fetches_and_runs_nothing(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS, description="<script>alert(1)</script>", strategy={"name": "random"})
    lab.tell(lab.one(), 71.0)
    text = lab.server.http.get(f"/v1/studies/{lab.name}/report", params={"format": "html"}).text
    assert not re.search(r"<script|<link|<img|<iframe|\bsrc=|url\(|@import|https?://", text)


@pytest.mark.chromium
def test_the_page_opens_from_a_disk_without_a_network(lab: Lab, tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium")
    whole(lab)
    file = tmp_path / "report.html"
    file.write_text(
        lab.server.http.get(f"/v1/studies/{lab.name}/report", params={"format": "html"}).text, encoding="utf-8"
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command: list[Any] = [browser, *options, f"--user-data-dir={tmp_path}/profile", "--dump-dom", file.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert f"<h1>{lab.name}</h1>" in dom
    assert dom.count("<svg") >= 5
    assert "What a paper should say" in dom
