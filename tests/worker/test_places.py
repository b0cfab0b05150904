"""Which slots the command line asks for, and which it cannot have."""

from __future__ import annotations

from pathlib import Path

import pytest

from bonanza.errors import InvalidRequest
from bonanza.worker.gpus import count_gpus, driver_version, read_gpus
from bonanza.worker.places import Place, places

NO_DRIVER = not Path("/proc/driver/nvidia").exists()


@pytest.fixture(autouse=True)
def nothing_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_without_options_there_is_one_place_that_sees_all() -> None:
    assert places(None, 1, None) == [Place()]


def test_slots_are_places_without_a_gpu_that_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)), raising=False)
    made = places(None, 1, 3)
    assert [place.name for place in made] == ["cpu0", "cpu1", "cpu2"]
    assert [place.environment for place in made] == [{"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "2"}] * 3
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert places(None, 1, 3)[0].environment == {"CUDA_VISIBLE_DEVICES": ""}


def test_every_gpu_has_its_places_each_of_which_sees_that_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-8c2b1f,-1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    made = places("all", 2, None)
    assert [place.name for place in made] == ["gpu2.0", "gpu2.1", "gpuGPU-8c2b1f.0", "gpuGPU-8c2b1f.1"]
    assert [place.gpu for place in made] == ["2", "2", "GPU-8c2b1f", "GPU-8c2b1f"]
    assert made[0].environment == {"CUDA_VISIBLE_DEVICES": "2", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert [place.name for place in places("all", 1, None)] == ["gpu2", "gpuGPU-8c2b1f"]


@pytest.mark.parametrize(
    ("gpus", "per_gpu", "slots", "says"),
    [
        ("0", 1, 2, "not both"),
        (None, 2, None, "--per-gpu needs --gpus"),
        ("first", 1, None, "'first' is none"),
        ("", 1, None, "'' is none"),
        ("0,0", 1, None, "names a GPU twice"),
        ("9999", 1, None, "there is no GPU 9999 here"),
    ],
)
def test_what_there_is_not_is_said(gpus: str | None, per_gpu: int, slots: int | None, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        places(gpus, per_gpu, slots)


def test_all_gpus_of_a_cluster_s_job_that_has_none_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(InvalidRequest, match=r"CUDA_VISIBLE_DEVICES is ''.*--slots N"):
        places("all", 1, None)


def test_a_machine_without_a_driver_has_no_gpus_and_nothing_breaks() -> None:
    if NO_DRIVER:
        assert (count_gpus(), driver_version(), read_gpus(["0"])) == (0, None, [])
    assert read_gpus([]) == []


@pytest.mark.gpu
def test_a_gpu_says_how_busy_it_is() -> None:
    [gpu] = read_gpus(["0"])
    assert count_gpus() >= 1
    assert driver_version() is not None
    assert gpu.name
    assert gpu.memory_total_mb is not None
    assert gpu.memory_total_mb > 1_000
    assert [place.gpu for place in places("all", 1, None)] == [str(k) for k in range(count_gpus())]
