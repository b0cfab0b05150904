"""The server against a model of design.md 5, by Hypothesis: whatever workers, people, the clock and restarts do, and after each step the invariants.

A failure is not shrunk, because every step depends on where the ones before it led; its story is printed, request by request. To look further than the
suite has time for, or for a shorter story, say how many examples of how many steps:
``BONANZA_STATE_MACHINE=5000x15 python -m pytest tests/server/test_state_machine.py``.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bonanza.spaces import space_from_spec
from tests.contracts.lifecycle import broken_invariants, rows_of
from tests.server.agreement import agree
from tests.server.lab import FEW_EDGES, SIX_CELLS, TWENTY_CELLS, Json
from tests.server.site import Site, without_waiting_for_the_disk
from tests.server.study_model import StudyModel
from tests.server.study_steps import StudySteps

TTL = 10.0
GIVEN = os.environ.get("BONANZA_STATE_MACHINE")
EXAMPLES, STEPS = map(int, (GIVEN or "28x40").split("x"))
SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    derandomize=GIVEN is None,
    phases=[Phase.generate],
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class StudyMachine(RuleBasedStateMachine):
    """One study of a site, its model beside it.

    One rule, with a generator for each step, chooses among the actions that may matter where the study stands. Hypothesis gives the seeds and does
    not choose: it switches rules off at random and favours first elements, and the paths worth walking (a lease, silence, another worker, a late
    word of the first) are too long to survive that: lost leases came four times less often.
    """

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site
        self.name = next(site.names)
        self.seeds: Counter[int] = Counter()

    @initialize(
        space=st.sampled_from([SIX_CELLS, FEW_EDGES, TWENTY_CELLS, TWENTY_CELLS]),
        direction=st.sampled_from(["maximize", "minimize"]),
        most=st.sampled_from([None, 5, 9]),
        parallel=st.sampled_from([None, 2, 3]),
        failures=st.sampled_from([3, 20]),
        tries=st.sampled_from([3, 2, 1, 2]),
        timeout=st.sampled_from([None, 25.0]),
    )
    def create(
        self,
        space: Json,
        direction: str,
        most: int | None,
        parallel: int | None,
        failures: int,
        tries: int,
        timeout: float | None,
    ) -> None:
        cells = {cell.arch_id: cell.json for cell in space_from_spec(space).enumerate()}
        body = {
            "space": space,
            "objective": {"name": "accuracy", "direction": direction},
            "strategy": {"name": "random"},
            "budget": {"max_trials": most, "max_parallel": parallel, "max_failures": failures},
            "lease": {"ttl_s": TTL, "max_attempts": tries, "trial_timeout_s": timeout},
        }
        assert self.site.request("PUT", self.name, body).status_code == 201
        model = StudyModel(
            cells=list(cells),
            maximize=direction == "maximize",
            now=self.site.clock.now,
            ttl=TTL,
            timeout=timeout,
            max_attempts=tries,
            max_trials=most,
            max_parallel=parallel,
            max_failures=failures,
        )
        self.steps = StudySteps(self.site, self.name, model, cells, say=note)

    def teardown(self) -> None:
        if hasattr(self, "steps"):
            assert self.site.request("DELETE", self.name).status_code == 204

    @rule(seed=st.integers(0, 2**32 - 1))
    def step(self, seed: int) -> None:
        self.seeds[seed] += 1  # Hypothesis likes to give the same number again, which would repeat the same step
        self.steps.take(random.Random(f"{seed}/{self.seeds[seed]}"))

    @invariant()
    def the_invariants_hold_and_the_model_agrees(self) -> None:
        if hasattr(self, "steps"):
            rows = self.site.database.read_now(lambda connection: rows_of(connection, self.name))
            broken = broken_invariants(rows)
            assert not broken, broken
            agree(rows, self.steps.model)


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    with closing(Site(without_waiting_for_the_disk(database_url))) as site:
        site.start()
        yield site


def test_the_server_does_what_the_model_of_the_state_machine_says(site: Site) -> None:
    machine: Any = partial(StudyMachine, site)  # a factory will do where the type asks for the class
    run_state_machine_as_test(machine, settings=SETTINGS)
