"""Every kind of space is a study that is created, asked and told over HTTP, by chance and by a model."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import Executor

import pytest

from bonanza.spaces import Kind, space_from_spec, space_kinds
from tests.live import LiveServer

QUICK = {"name": "bananas", "n_initial": 3, "epochs": 2, "ensemble": 2, "candidates": 8}


@pytest.fixture(scope="module")
def fitting(tmp_path_factory: pytest.TempPathFactory, slot: Executor) -> Iterator[LiveServer]:
    with LiveServer(f"sqlite:///{tmp_path_factory.mktemp('spaces')}/studies.db", executor=slot) as server:
        yield server


@pytest.mark.parametrize("strategy", [{"name": "random"}, QUICK], ids=lambda strategy: str(strategy["name"]))
@pytest.mark.parametrize("kind", space_kinds(), ids=lambda kind: kind.name)
def test_a_study_of_every_kind_is_asked_and_told(fitting: LiveServer, kind: Kind, strategy: dict[str, object]) -> None:
    name = f"{kind.name}-{strategy['name']}"
    fitting.study(name, space=dict(kind.example), strategy=strategy)
    space, origins, ids = space_from_spec(kind.example), [], set()
    for _ in range(5):
        answer = fitting.ask(name, wait_s=50)
        if answer["reason"] == "space_exhausted":
            assert len(ids) == len({arch.arch_id for arch in space.enumerate()})
            break
        (trial,) = answer["trials"]
        assert space.validate(trial["architecture"]).arch_id == trial["arch_id"]
        origins.append(trial["origin"])
        ids.add(trial["arch_id"])
        fitting.tell(trial, zlib.crc32(trial["arch_id"].encode()) % 1000 / 10, name)
    assert len(ids) == len(origins) >= 2
    assert fitting.get(f"/v1/studies/{name}")["trials"]["complete"] == len(ids)
    assert origins[3:] == ["initial" if strategy["name"] == "random" else "acquisition"] * len(origins[3:])
