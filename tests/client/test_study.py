"""Studies and trials as a Python program uses them, over a network that speaks the wire."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import bonanza
from bonanza import schemas
from bonanza.spaces import space_from_spec
from tests.client.wire import SERVER, Wire, answer_with, lose_answer, refuse, refuse_connection, study

NB201 = {"kind": "nasbench201"}


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def client(wire: Wire, tmp_path: Path) -> Iterator[bonanza.Client]:
    with bonanza.Client(SERVER, network=wire, spool=tmp_path / "spool", patience_s=0, outage_s=0) as client:
        yield client


@pytest.fixture
def demo(client: bonanza.Client) -> bonanza.Study:
    return client.create_study("demo", space=NB201)


def asked(demo: bonanza.Study) -> bonanza.Trial:
    trial = demo.ask()
    assert trial is not None
    return trial


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_loop_trains_until_the_budget_is_reached(wire: Wire, demo: bonanza.Study, tmp_path: Path):
    for trial in demo:
        trial.tell(90.0 + trial.number, metrics={"params": 1e6}, cost={"seconds": 2})
    assert demo.last_reason == "budget_reached"
    assert [body[0]["value"] for body in wire.told.values()] == [90.0, 91.0, 92.0]
    assert wire.told[0][0] == {
        "lease_token": "token-0",
        "outcome": "complete",
        "value": 90.0,
        "metrics": {"params": 1e6},
        "cost": {"seconds": 2.0},
    }
    assert list((tmp_path / "spool").iterdir()) == []
    best = demo.best(2)
    assert [(trial.number, trial.value) for trial in best] == [(2, 92.0), (1, 91.0)]


def test_a_body_that_raises_releases_its_trial(wire: Wire, demo: bonanza.Study):
    def train() -> None:
        for trial in demo:
            if trial.number == 1:
                raise ZeroDivisionError
            trial.tell(1.0)

    with pytest.raises(ZeroDivisionError):
        train()
    gc.collect()
    assert wire.released == [1]
    assert list(wire.told) == [0]


def test_a_loop_left_early_releases_only_what_was_not_told(wire: Wire, demo: bonanza.Study):
    for trial in demo:
        trial.tell(1.0)
        break
    for _ in demo:
        break
    gc.collect()
    assert wire.released == [1]


def test_while_the_body_trains_a_thread_heartbeats_and_then_it_ends(wire: Wire, demo: bonanza.Study):
    wire.directive = "prune"
    with asked(demo) as trial:
        until(lambda: len(wire.beats) >= 2)
        assert trial.directive == "prune"
        trial.tell(outcome="pruned")
    name = f"bonanza-demo-{trial.number}"
    until(lambda: name not in {thread.name for thread in threading.enumerate()})


@pytest.mark.parametrize("fault", [refuse_connection, lose_answer, refuse("unavailable"), answer_with(502)])
def test_heartbeats_and_reports_never_end_a_training(
    fault: object, wire: Wire, demo: bonanza.Study, caplog: pytest.LogCaptureFixture
):
    trial = asked(demo)
    wire.faults = [fault, fault]  # type: ignore[list-item]
    assert trial.heartbeat(0.5) == "continue"
    assert trial.report(0, loss=2.5) == "continue"
    assert "goes on without the server" in caplog.text
    wire.directive = "yield"
    assert trial.heartbeat() == "yield"


def test_points_that_an_absent_server_did_not_take_go_with_the_next_report(wire: Wire, demo: bonanza.Study):
    trial = asked(demo)
    wire.faults = [refuse_connection] * 2
    trial.report(0, loss=2.5)
    trial.report(1, {"top-5": 50}, loss=1.5)
    assert wire.points == []
    trial.report(2, loss=0.5)
    trial.report(3, loss=0.25)
    assert wire.points == [
        {"step": 0, "metrics": {"loss": 2.5}},
        {"step": 1, "metrics": {"top-5": 50.0, "loss": 1.5}},
        {"step": 2, "metrics": {"loss": 0.5}},
        {"step": 3, "metrics": {"loss": 0.25}},
    ]
    assert wire.keys("/report") == [None] * 4


def test_a_trial_knows_its_cell_its_seed_and_its_lease(demo: bonanza.Study):
    trial = asked(demo)
    assert trial.architecture == {"edges": ["none"] * 6}
    assert trial.arch == space_from_spec(NB201).validate(trial.architecture)
    assert (trial.number, trial.seed, trial.attempt.token) == (0, 1000, "token-0")
    assert trial.arch.text in repr(trial)


@pytest.mark.parametrize(
    ("tell", "said"),
    [
        (lambda trial: trial.tell(float("nan")), r"value is nan.*trial.fail\(\"nan\"\)"),
        (lambda trial: trial.tell(1, metrics={"loss": float("inf")}), "metrics/loss is inf"),
        (lambda trial: trial.tell("good"), "value must be a number, not str"),
        (lambda trial: trial.tell(), "needs a value"),
        (lambda trial: trial.tell(1.0, outcome="failed"), "carries no value"),
        (lambda trial: trial.tell(1.0, seed=-1), "at /seed"),
        (lambda trial: trial.fail("boredom"), "'oom', 'nan'"),
        (lambda trial: trial.report(-1, loss=1), "step"),
        (lambda trial: trial.heartbeat(1.5), "at /progress"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_is_sent(
    tell: Callable[[bonanza.Trial], object], said: str, wire: Wire, demo: bonanza.Study
):
    trial = asked(demo)
    sent = len(wire.requests)
    with pytest.raises(bonanza.InvalidRequest, match=said):
        tell(trial)
    assert len(wire.requests) == sent


def test_numbers_of_other_libraries_are_told_as_plain_ones(wire: Wire, demo: bonanza.Study):
    numpy = pytest.importorskip("numpy")
    asked(demo).tell(numpy.float32(93.5), metrics={"n": numpy.int64(3)})
    assert (wire.told[0][0]["value"], wire.told[0][0]["metrics"]) == (93.5, {"n": 3.0})


def test_failures_carry_their_kind_and_their_story(wire: Wire, demo: bonanza.Study):
    asked(demo).fail("oom", "CUDA out of memory", traceback_tail="…")
    asked(demo).fail("oom", "too large for any GPU", infeasible=True)
    assert wire.told[0][0]["outcome"] == "failed"
    assert wire.told[0][0]["error"] == {"kind": "oom", "message": "CUDA out of memory", "traceback_tail": "…"}
    assert wire.told[1][0]["outcome"] == "infeasible"


def test_a_second_result_of_one_attempt_is_a_conflict_and_kept_aside(wire: Wire, demo: bonanza.Study, tmp_path: Path):
    trial = asked(demo)
    trial.tell(1.0)
    wire.faults = [refuse("result-conflict", "another value was told before")]
    with pytest.raises(bonanza.ResultConflict, match="told before"):
        trial.tell(2.0)
    assert [path.suffix for path in (tmp_path / "spool").iterdir()] == [".refused"]


def test_ask_waits_while_the_study_has_nothing_to_give(wire: Wire, demo: bonanza.Study):
    wire.asks = [
        {"reason": "waiting_for_results", "retry_after_s": 0.01},
        {"reason": "paused", "retry_after_s": 0.01},
    ]
    trial = demo.ask(worker_id="gpu0", wait_s=3, freshness=2, reuse=True)
    assert trial is not None
    assert trial.number == 0
    asks = wire.bodies("/ask")
    assert len(asks) == 3
    assert all(
        ask == {"count": 1, "worker_id": "gpu0", "wait_s": 3, "freshness": {"max_lag": 2}, "reuse": True}
        for ask in asks
    )
    assert len(set(wire.keys("/ask"))) == 3  # each its own request: the answer to the first is kept under its key


@pytest.mark.parametrize("reason", ["finished", "budget_reached", "space_exhausted"])
def test_ask_ends_when_nothing_more_will_come(reason: str, wire: Wire, demo: bonanza.Study):
    wire.asks = [{"reason": reason}]
    assert demo.ask() is None
    assert demo.last_reason == reason


def test_ask_gives_up_when_its_time_is_over_and_says_why(wire: Wire, demo: bonanza.Study):
    wire.asks = [{"reason": "waiting_for_results", "retry_after_s": 0.02}] * 100
    with pytest.raises(bonanza.AskTimeout, match="waiting_for_results") as caught:
        demo.ask(timeout=0.1)
    assert isinstance(caught.value, TimeoutError)
    assert all(ask["wait_s"] <= 0.1 for ask in wire.bodies("/ask"))


def test_ask_many_may_be_short_and_says_why(demo: bonanza.Study):
    assert [trial.number for trial in demo.ask_many(2)] == [0, 1]
    assert demo.last_reason is None
    assert [trial.number for trial in demo.ask_many(2)] == [2]
    assert demo.last_reason == "budget_reached"
    assert demo.last_model.version == 4


def test_a_study_is_created_once_and_got_after_that(wire: Wire, client: bonanza.Client):
    first = client.create_study(
        "s", space="nasbench201", strategy="bananas", budget={"max_trials": 100, "max_failures": None}, seed=7
    )
    again = client.create_study(
        "s", space="nasbench201", strategy="bananas", budget={"max_trials": 100, "max_failures": None}, seed=7
    )
    assert (first.created, again.created) == (True, False)
    assert wire.bodies("/studies/s")[0] == {
        "space": NB201,
        "objective": {"name": "accuracy", "direction": "maximize"},
        "strategy": {"name": "bananas"},
        "budget": {"max_trials": 100, "max_failures": None},
        "seed": 7,
    }


def test_a_study_takes_spaces_budgets_and_leases_as_values_too(wire: Wire, client: bonanza.Client):
    space = space_from_spec(NB201)
    budget, lease = schemas.Budget(max_trials=5), schemas.LeasePolicy(ttl_s=30)
    client.create_study(
        "s", space=space, objective="loss", direction="minimize", bounds=(0, 10), budget=budget, lease=lease, tags=["a"]
    )
    body = wire.bodies("/studies/s")[0]
    assert space_from_spec(body["space"]) == space
    assert body["objective"] == {"name": "loss", "direction": "minimize", "bounds": [0, 10]}
    assert body["budget"] == {"max_trials": 5}
    assert body["lease"]["ttl_s"] == 30


def test_a_misspelt_option_is_refused_before_it_is_sent(wire: Wire, client: bonanza.Client):
    with pytest.raises(bonanza.InvalidRequest, match="at /budget/trials"):
        client.create_study("s", space=NB201, budget={"trials": 5})
    assert wire.requests == []


def test_problems_of_the_server_are_typed(wire: Wire, client: bonanza.Client):
    with pytest.raises(bonanza.NotFound, match="there is no study 'nowhere'"):
        client.study("nowhere")
    wire.faults = [
        refuse("study-exists-different", "study 's' exists and differs in seed", differences={"seed": [0, 1]})
    ]
    with pytest.raises(bonanza.StudyExistsDifferent) as caught:
        client.create_study("s", space=NB201)
    assert caught.value.problem.model_extra == {"differences": {"seed": [0, 1]}}


def test_lists_are_fetched_page_by_page(wire: Wire, client: bonanza.Client, demo: bonanza.Study):
    for name in ("a", "b", "c", "d"):
        wire.studies[name] = study(name)
    assert [found.name for found in client.studies(page_size=2)] == ["demo", "a", "b", "c", "d"]
    wire.told = {number: [] for number in range(7)}
    assert [trial.number for trial in demo.trials(page_size=3, state="complete")] == list(range(7))
    pages = [request.url.params for request in wire.requests if request.url.path.endswith("/trials")]
    assert [page.get("page_token") for page in pages] == [None, "3", "6"]
    assert all(page["state"] == "complete" for page in pages)


def test_a_study_of_a_list_fetches_its_space_when_it_is_needed(wire: Wire, client: bonanza.Client, demo: bonanza.Study):
    (found,) = client.studies()
    assert found.info.space is None
    assert found.space == demo.space


def test_cells_are_queued_and_observed_in_any_form(wire: Wire, demo: bonanza.Study):
    cell = demo.space.validate({"edges": ["skip_connect"] * 6})
    queued = demo.queue([cell, cell.json, cell.text], priority=2, tags=["mine"])
    assert [trial.number for trial in queued] == [0, 1, 2]
    assert wire.bodies("/queue") == [
        {"architectures": [cell.json, cell.json, cell.text], "priority": 2, "tags": ["mine"]}
    ]
    assert (
        demo.observe([{"architecture": cell, "value": 90}, {"architecture": cell.text, "value": 91, "seed": 3}]).added
        == 2
    )
    assert wire.bodies("/observations")[0]["observations"][1] == {"architecture": cell.text, "value": 91.0, "seed": 3}
    with pytest.raises(bonanza.InvalidRequest, match="observations/0"):
        demo.observe([{"architecture": cell}])


def test_events_come_in_order_after_the_one_named(demo: bonanza.Study):
    assert [event.seq for event in demo.events(after=1)] == [2, 3]
    assert list(demo.events(after=3)) == []


def test_a_study_is_steered(wire: Wire, demo: bonanza.Study):
    assert demo.pause("lunch").state == "paused"
    assert demo.resume().state == "running"
    assert demo.finish().state == "finished"
    assert demo.info.state == "finished"
    assert wire.bodies("/pause") == [{"reason": "lunch"}]
    assert demo.cancel(3).state == "cancelled"
    assert demo.retry(3).state == "pending"
    assert len(demo.repeat(3, 2)) == 2


def test_the_environment_names_server_and_key(monkeypatch: pytest.MonkeyPatch, wire: Wire):
    monkeypatch.setenv("BONANZA_SERVER", "http://lab:1234/")
    monkeypatch.setenv("BONANZA_KEY", "from the environment")
    with bonanza.Client(network=wire) as client:
        assert client.server == "http://lab:1234"
        assert client.health().version == "9.9"
        assert wire.requests[0].headers["authorization"] == "Bearer from the environment"
    with bonanza.Client("http://here", key="given", network=wire) as client:
        client.health()
        assert wire.requests[1].headers["authorization"] == "Bearer given"
        assert wire.requests[1].url.host == "here"
    monkeypatch.delenv("BONANZA_SERVER")
    assert bonanza.Client(network=wire).server == "http://127.0.0.1:8423"


def test_an_answer_of_another_service_is_said_to_be_one(wire: Wire, client: bonanza.Client):
    wire.faults = [lambda request, answer: httpx.Response(200, json={"name": "of something else"})]
    with pytest.raises(bonanza.UnexpectedAnswer, match=r"no Study: .*Is the address right"):
        client.study("s")
