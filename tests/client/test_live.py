"""The SDK against the real server: every call, and the promises that only two sides together can keep."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType

import httpx
import pytest

import bonanza
from bonanza.spaces import Architecture
from tests.client.wire import Fault, lose_answer
from tests.live import LiveServer

NB201 = {"kind": "nasbench201"}


class Lossy(httpx.BaseTransport):
    """The real network, with faults on demand."""

    def __init__(self) -> None:
        self.real = httpx.HTTPTransport()
        self.faults: list[Fault] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer: Callable[[], httpx.Response] = lambda: self.real.handle_request(request)  # noqa: E731 - a name for the type's sake
        return self.faults.pop(0)(request, answer) if self.faults else answer()

    def close(self) -> None:
        self.real.close()


@pytest.fixture
def network() -> Lossy:
    return Lossy()


@pytest.fixture
def client(live: LiveServer, network: Lossy) -> Iterator[bonanza.Client]:
    with bonanza.Client(live.url, network=network, patience_s=5) as client:
        yield client


@pytest.fixture
def study(client: bonanza.Client) -> bonanza.Study:
    return client.create_study(
        "s", space=NB201, strategy="random", budget={"max_trials": 6, "max_failures": None}, seed=3
    )


def networks(study: bonanza.Study, n: int) -> list[Architecture]:
    rng = random.Random(1)
    drawn = (study.space.sample(rng) for _ in range(10 * n))
    return list({cell.arch_id: cell for cell in drawn}.values())[:n]


def asked(study: bonanza.Study) -> bonanza.Trial:
    trial = study.ask(wait_s=0)
    assert trial is not None
    return trial


def test_a_whole_search(study: bonanza.Study):
    for trial in study:
        trial.tell(80.0 + trial.number, metrics={"params": 1e6}, cost={"seconds": 3})
    assert study.last_reason == "budget_reached"
    best = study.best(2)
    assert [(trial.number, trial.value) for trial in best] == [(5, 85.0), (4, 84.0)]
    assert study.refresh().trials["complete"] == 6
    assert len({trial.arch_id for trial in study.trials(page_size=2)}) == 6
    seqs = [event.seq for event in study.events()]
    assert seqs == list(range(1, len(seqs) + 1))
    assert list(study.events(after=seqs[-1])) == []
    assert study.model().strategy["name"] == "random"
    assert study.explain(0).number == 0


def test_a_lost_answer_to_an_ask_leaks_no_trial(network: Lossy, study: bonanza.Study):
    network.faults = [lose_answer]
    assert asked(study).number == 0
    assert study.refresh().trials["running"] == 1
    assert asked(study).number == 1


def test_a_lost_answer_to_a_tell_is_one_result(network: Lossy, study: bonanza.Study, tmp_path: Path):
    trial = asked(study)
    network.faults = [lose_answer]
    assert trial.tell(90.0).accepted
    assert len([event for event in study.events() if event.number == 0 and "complete" in event.kind]) == 1
    assert list((tmp_path / "own-spool").iterdir()) == []


def test_what_a_trial_may_say(study: bonanza.Study):
    trial = asked(study)
    assert trial.heartbeat(0.1) == "continue"
    assert trial.report(0, {"top-5": 70.0}, loss=1.5) == "continue"
    study.cancel(trial.number, "not this one")
    assert trial.heartbeat() == "cancel"
    assert trial.tell(outcome="cancelled").state == "cancelled"
    assert study.retry(trial.number).state == "pending"

    again = asked(study)
    assert again.number == trial.number
    assert again.attempt.number == 2
    again.release("preempted", checkpoint="s3://here")
    third = asked(study)
    assert (third.number, third.attempt.checkpoint) == (trial.number, "s3://here")
    assert third.fail("nan", "loss was NaN").state == "failed"
    assert third.tell(outcome="failed", error=bonanza.schemas.TrialError(kind="nan", message="loss was NaN")).duplicate

    infeasible = asked(study)
    assert infeasible.fail("oom", "too large for any GPU", infeasible=True).state == "infeasible"


def test_another_result_of_one_attempt_is_a_conflict(study: bonanza.Study):
    trial = asked(study)
    trial.tell(90.0)
    assert trial.tell(90.0).duplicate
    with pytest.raises(bonanza.ResultConflict, match=r"90.*91|91.*90"):
        trial.tell(91.0)
    assert study.trial(trial.number).value == 90.0


def test_a_loop_whose_body_raises_gives_its_trial_back(study: bonanza.Study):
    def train() -> None:
        for _ in study:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    assert study.trial(0).state == "pending"
    assert asked(study).number == 0


def test_cells_are_queued_imported_repeated_and_invalidated(study: bonanza.Study):
    rng = random.Random(0)
    cells = [study.space.sample(rng) for _ in range(3)]
    queued = study.queue([cells[0].text], tags=["mine"])
    assert [(trial.created, trial.tags) for trial in queued] == [(True, ["mine"])]
    trial = asked(study)
    assert trial.arch == cells[0]
    trial.tell(91.0)
    answer = study.observe([{"architecture": cell, "value": 70.0} for cell in cells])
    assert (answer.added, answer.skipped) == (2, 1)
    assert [repeat.repeat_of for repeat in study.repeat(trial.number, 2)] == [trial.number] * 2
    assert study.invalidate(trial.number, "wrong data").invalidated
    assert study.best()[0].value == 70.0


def test_features_are_told_of_cells_in_any_form_and_listed(study: bonanza.Study):
    rng = random.Random(0)
    cells = [study.space.sample(rng) for _ in range(3)]
    told = [
        (cells[0], {"synflow": 2e9}),
        (cells[1].text, {"synflow": 1e12, "latency": 3}),
        (cells[2].json, {"latency": 4}),
    ]
    assert study.tell_features(told).changed == 3
    assert study.tell_features(told[:1]).unchanged == 1
    found = study.features()
    assert found.cells == 3
    assert [(one.name, one.cells) for one in found.features] == [("latency", 2), ("synflow", 2)]
    with pytest.raises(bonanza.InvalidRequest, match="cells/0/features/synflow"):
        study.tell_features([(cells[0], {"synflow": float("nan")})])


def test_more_features_than_a_request_holds_are_told_in_parts(study: bonanza.Study, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bonanza.study.CELLS_AT_ONCE", 2)
    cells = networks(study, 7)
    told = [(cell, MappingProxyType({"synflow": 1.0})) for cell in cells]
    answer = study.tell_features(iter(told[:5]))
    assert (answer.changed, answer.unchanged) == (5, 0)
    # What the SDK can see is wrong is seen before anything is told.
    with pytest.raises(bonanza.InvalidRequest, match="cells/3/features/synflow"):
        study.tell_features([*told[4:7], (cells[3], {"synflow": float("inf")})])
    assert study.features().cells == 5
    with pytest.raises(bonanza.InvalidArchitecture, match="/cells/0/architecture") as refused:
        study.tell_features([*told[4:6], ({"edges": []}, {"synflow": 1.0})])
    assert refused.value.__notes__ == ["The 2 cells before were told; /cells/0 is the next one."]
    assert study.features().cells == 6
    with pytest.raises(bonanza.InvalidRequest, match="cells"):
        study.tell_features([])


def test_features_of_cells_too_large_for_a_server_go_out_in_smaller_parts(tmp_path: Path):
    with (
        LiveServer(f"sqlite:///{tmp_path}/small.db", fit_slots=0, large_body_limit=1_500) as server,
        bonanza.Client(server.url, patience_s=5) as client,
    ):
        study = client.create_study("s", space=NB201)
        cells = networks(study, 40)
        assert study.tell_features((cell, {"synflow": 1.0}) for cell in cells).changed == 40
        with pytest.raises(bonanza.TooLarge):
            study.tell_features([(cells[0], {f"{k:0100}": 1.0 for k in range(20)})])


def test_a_study_is_steered_changed_and_deleted(client: bonanza.Client, study: bonanza.Study):
    study.pause("lunch")
    with pytest.raises(bonanza.AskTimeout, match="paused"):
        study.ask(wait_s=0, timeout=0.1)
    study.resume()
    assert asked(study).number == 0
    assert study.change(budget={"max_trials": 1, "max_failures": None}, tags=["small"]).tags == ["small"]
    stale = client.study("s")
    study.change(description="newer")
    with pytest.raises(bonanza.StaleRevision):
        stale.change(description="older")
    assert study.ask(wait_s=0) is None
    assert study.last_reason == "budget_reached"
    assert study.finish().state == "finished"
    assert [(found.name, found.space.kind) for found in client.studies()] == [("s", "nasbench201")]
    study.delete()
    with pytest.raises(bonanza.NotFound):
        study.refresh()


def test_problems_point_at_what_is_wrong(client: bonanza.Client, study: bonanza.Study):
    with pytest.raises(bonanza.StudyExistsDifferent, match="/seed"):
        client.create_study("s", space=NB201, strategy="random", budget={"max_trials": 6, "max_failures": None}, seed=4)
    with pytest.raises(bonanza.InvalidSpace, match="/space/kind"):
        client.create_study("t", space="nasbench202")
    with pytest.raises(bonanza.InvalidStrategy, match="/strategy"):
        client.create_study("t", space=NB201, strategy="magic")
    with pytest.raises(bonanza.InvalidArchitecture, match="/architectures/1"):
        study.queue([study.space.sample(random.Random(0)), {"edges": ["none"] * 5}])
    with pytest.raises(bonanza.InvalidRequest, match="no name of a study"):
        client.create_study("no/slashes", space=NB201)
    with pytest.raises(bonanza.NotFound):
        study.trial(99)


def test_a_key_opens_what_is_closed_without(tmp_path: Path):
    with LiveServer(f"sqlite:///{tmp_path}/locked.db", fit_slots=0, admin_key="an admin key of length") as locked:
        with bonanza.Client(locked.url, patience_s=0) as stranger:
            assert stranger.health().status == "ok"
            with pytest.raises(bonanza.Unauthorized, match="key"):
                next(stranger.studies(), None)
        with bonanza.Client(locked.url, key="an admin key of length", patience_s=0) as friend:
            assert list(friend.studies()) == []
