"""A refit as the engine runs it: plain values in, plain values out, the same everywhere."""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bonanza.spaces import InvalidArchitecture, space_from_spec
from bonanza_server.executor import LocalExecutor
from bonanza_server.search.fit import POOL, Fit, Snapshot, fit
from bonanza_server.search.spec import InvalidStrategy, strategy_spec

NB201 = space_from_spec({"kind": "nasbench201"})


def value_of(edges: list[str]) -> float:
    """An accuracy that a model can learn: 3x3 convolutions are good, dead edges bad."""
    return 60.0 + 5.0 * edges.count("nor_conv_3x3") + 2.0 * edges.count("skip_connect") - 3.0 * edges.count("none")


def snapshot(n: int = 30, **changes: Any) -> Snapshot:
    rng = random.Random(n)
    cells = {}
    while len(cells) < n + 3:
        cell = NB201.sample(rng)
        cells.setdefault(cell.arch_id, cell.json)
    known = list(cells.values())
    taken = Snapshot(
        space={"kind": "nasbench201"},
        strategy={"name": "bananas"},
        seed=7,
        seq=41,
        maximize=True,
        observations=[(number, cell, [value_of(cell["edges"])]) for number, cell in enumerate(known[:n])],
        pending=known[n : n + 2],
        excluded=list(cells),
    )
    return replace(taken, **changes)


def told(done: Fit) -> dict[str, Any]:
    """A fit without its wall time."""
    return {**asdict(done), "seconds": 0.0}


def test_a_fit_is_json_and_pickles() -> None:
    done = fit(snapshot())
    assert json.loads(json.dumps(asdict(done), allow_nan=False)) == asdict(done)
    assert pickle.loads(pickle.dumps(done)) == done
    assert pickle.loads(pickle.dumps(snapshot())) == snapshot()


def test_a_fit_has_a_full_pool_of_new_cells_ranked_with_predictions() -> None:
    read = snapshot()
    done = fit(read)
    assert (done.seq, done.strategy) == (41, strategy_spec({"name": "bananas"}))
    assert len(done.proposals) == POOL == 320
    ids = [proposal["arch_id"] for proposal in done.proposals]
    assert len(set(ids)) == POOL
    assert not set(ids) & set(read.excluded)
    for proposal in done.proposals:
        assert set(proposal) == {"architecture", "arch_id", "mean", "std", "acquisition"}
        assert NB201.validate(proposal["architecture"]).arch_id == proposal["arch_id"]
    assert done.seconds > 0.0


def test_what_is_observed_or_pending_is_not_proposed_even_if_not_excluded() -> None:
    read = snapshot(excluded=[])
    ids = {proposal["arch_id"] for proposal in fit(read).proposals}
    known = [cell for _, cell, _ in read.observations] + read.pending
    assert not ids & {NB201.validate(cell).arch_id for cell in known}


def test_the_diagnostics_tell_how_it_went_and_on_what() -> None:
    diagnostics = fit(snapshot()).diagnostics
    assert diagnostics["observations"] == 30
    assert diagnostics["pending"] == 2
    assert diagnostics["columns"] == 155 + 30  # paths, and positions beside them
    assert diagnostics["epochs"] == 150
    assert diagnostics["members_restarted"] in range(11)
    assert diagnostics["train_rank_correlation"] > 0.8
    assert diagnostics["threads"] == 1
    assert diagnostics["torch"] == torch.__version__
    assert diagnostics["numpy"] == np.__version__


def test_predictions_rank_the_proposals_they_were_made_for() -> None:
    done = fit(snapshot(80))
    means = [proposal["mean"] for proposal in done.proposals]
    values = [value_of(proposal["architecture"]["edges"]) for proposal in done.proposals]
    assert np.corrcoef(means, values)[0, 1] > 0.4  # of the better cells only, which are alike
    assert 40.0 < np.mean(means) < 100.0


def test_the_same_snapshot_gives_the_same_fit_and_another_event_another() -> None:
    assert told(fit(snapshot())) == told(fit(snapshot()))
    assert fit(snapshot(seq=42)).proposals != fit(snapshot()).proposals
    assert fit(snapshot(seed=8)).proposals != fit(snapshot()).proposals


def test_a_fit_in_a_slot_is_the_fit_in_this_process() -> None:
    executor = LocalExecutor(1)
    try:
        assert told(executor.submit(fit, snapshot()).result(120.0)) == told(fit(snapshot()))
    finally:
        executor.shutdown(cancel_futures=True)


def test_the_hash_seed_of_a_process_changes_nothing() -> None:
    code = (
        "import json\nfrom dataclasses import asdict\nfrom bonanza_server.search.fit import fit\n"
        "from tests.search.test_fit import snapshot, told\n"
        "reads = (snapshot(), snapshot(strategy={'name': 'random'}), snapshot(space={'kind': 'edge_cell', 'nodes': 4, "
        "'ops': ['none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3', 'more']}))\n"
        "print(json.dumps([told(fit(read)) for read in reads]))"
    )
    root = Path(__file__).parents[2]
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "4242")
    }
    assert len(answers) == 1


@pytest.mark.parametrize("name", ["random", "bananas"])
def test_a_fit_of_nothing_proposes_cells_and_predicts_nothing(name: str) -> None:
    done = fit(snapshot(0, strategy={"name": name}))
    assert len(done.proposals) == POOL
    assert all(proposal["mean"] is None and proposal["std"] is None for proposal in done.proposals)


def test_repeated_measurements_count_as_their_mean() -> None:
    once = snapshot()
    twice = replace(
        once,
        observations=[(number, cell, [values[0] - 1.0, values[0] + 1.0]) for number, cell, values in once.observations],
    )
    assert fit(once).proposals == fit(twice).proposals


def test_a_fit_of_two_thousand_results_takes_seconds() -> None:
    read = snapshot(2000)
    started = time.process_time()
    done = fit(read)
    assert time.process_time() - started < 15.0
    assert done.diagnostics["epochs"] == 95
    assert len(done.proposals) == POOL


def test_a_snapshot_that_no_service_would_store_is_refused() -> None:
    with pytest.raises(InvalidStrategy):
        fit(snapshot(strategy={"name": "banana"}))
    with pytest.raises(InvalidArchitecture):
        fit(snapshot(observations=[(0, {"edges": ["none"]}, [1.0])]))
