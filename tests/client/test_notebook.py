"""Studies in a notebook: plots of what the server has, data frames, and HTML that is safe to show."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator

import pytest

import bonanza
from bonanza.notebook.baseline import random_search
from tests.live import LiveServer

MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def study(live: LiveServer) -> Iterator[bonanza.Study]:
    """A study with twenty results, a failure, and a trial that reports."""
    with bonanza.Client(live.url) as client:
        made = client.create_study("s", space={"kind": "nasbench201"}, strategy="random", tags=[MARKUP], seed=1)
        for k in range(20):
            trial = asked(made)
            trial.tell(70.0 + (k * 7) % 20, metrics={"params": 1e6}, cost={"seconds": 60.0 + k})
        asked(made).fail("code", MARKUP)
        running = asked(made)
        running.report(1, accuracy=60.0)
        running.report(2, accuracy=65.0)
        made.refresh()
        yield made


def asked(study: bonanza.Study) -> bonanza.Trial:
    trial = study.ask(wait_s=0)
    assert trial is not None
    return trial


def test_a_data_frame_has_a_row_a_trial_and_a_column_a_number(study: bonanza.Study) -> None:
    frame = study.to_dataframe()
    assert list(frame.index) == list(range(22))
    assert frame.loc[3, "value"] == 71.0
    assert frame.loc[3, "cost.seconds"] == 63.0
    assert frame["state"].value_counts().to_dict() == {"complete": 20, "failed": 1, "running": 1}


def test_a_study_without_trials_is_an_empty_frame(live: LiveServer) -> None:
    with bonanza.Client(live.url) as client:
        assert len(client.create_study("none", space={"kind": "nasbench201"}).to_dataframe()) == 0


def test_every_plot_draws_what_the_server_has(study: bonanza.Study) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    try:
        best = study.plot_best()
        lines = {line.get_label(): line.get_xydata() for line in best.lines}
        assert lines["best so far"][-1].tolist() == [20.0, 89.0]
        assert len(lines["results"]) == 20
        assert study.plot_best(against="seconds").lines
        assert study.plot_best(against="clock").lines
        (figure,) = {study.plot_curves().figure}
        curve = figure.axes[0].lines[0]
        assert curve.get_xydata().tolist() == [[1.0, 60.0], [2.0, 65.0]]
        assert len(study.plot_map().collections) == 3
        assert len(study.plot_importance().patches) == 16
        given = pyplot.subplots()[1]
        assert study.plot_predicted(given) is given
        for number in pyplot.get_fignums():
            pyplot.figure(number).canvas.draw()
    finally:
        pyplot.close("all")


def test_what_a_notebook_shows_has_the_picture_of_a_cell_and_escapes_what_people_wrote(study: bonanza.Study) -> None:
    shown = study._repr_html_()
    assert "<svg" in shown
    assert "89 (trial" in shown
    assert MARKUP not in shown
    failed = study.trial(20)._repr_html_()
    assert "&lt;script&gt;" in failed
    assert MARKUP not in failed
    trial = asked(study)
    assert "<svg" in trial._repr_html_()


def test_attempts_neighbours_and_columns_come_as_values(study: bonanza.Study) -> None:
    assert [attempt.state for attempt in study.attempts(20)] == ["failed"]
    assert study.live().attempts[0].curve.step == [1, 2]
    columns = study.columns()
    assert columns.trials.number == list(range(22))
    assert study.columns(after=columns.event).trials.number == []
    assert all(near.number != 0 for near in study.neighbours(0))


def test_the_random_baseline_is_the_best_of_so_many_draws() -> None:
    """Against draws: 4,000 searches of 5 cells from the same sample."""
    sample = [60.0, 71.0, 75.5, 80.0, 80.0, 88.0, 91.0]
    band = random_search(sample, 6)
    assert band is not None
    rng = random.Random(0)
    draws = sorted(max(rng.choices(sample, k=5)) for _ in range(4_000))
    assert band.mean[4] == pytest.approx(statistics.fmean(draws), abs=0.4)
    assert band.mean[0] == pytest.approx(statistics.fmean(sample))
    assert band.low[4] <= draws[400] + 1
    assert band.high[4] == 91.0
    assert all(low <= mean <= high for low, mean, high in zip(band.low[1:], band.mean[1:], band.high[1:], strict=True))
    least = random_search([-value for value in sample], 6, maximize=False)
    assert least is not None
    assert least.mean == [pytest.approx(-mean) for mean in band.mean]
    assert random_search(sample[:4], 3) is None
