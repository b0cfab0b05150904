"""The places of a worker: where its evaluators run, one trial at a time in each. ``--gpus 0,1 --per-gpu 2`` makes four, ``--slots 4`` too."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bonanza.errors import InvalidRequest
from bonanza.worker.gpus import count_gpus

GPU = re.compile(r"\d{1,4}|(GPU|MIG)-[0-9A-Za-z/-]{1,100}")
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Place:
    """One of them. ``environment`` is what its evaluator sees besides the worker's own; ``name`` is empty where there is only one, as it is."""

    name: str = ""
    gpu: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def places(gpus: str | None, per_gpu: int, slots: int | None) -> list[Place]:
    """The places that the command line asks for; without any of the options one, with all that the worker itself sees.

    Raises:
        InvalidRequest: the options contradict each other, or name no GPU of this machine.
    """
    if gpus is not None and slots is not None:
        raise InvalidRequest("give --gpus (one place a GPU) or --slots (places on the CPU), not both")
    if gpus is None and per_gpu != 1:
        raise InvalidRequest("--per-gpu needs --gpus: which of them?")
    if gpus is None and slots is None:
        return [Place()]
    if gpus is None:
        return _shared([Place(f"cpu{k}", None, {VISIBLE: ""}) for k in range(slots or 1)])
    found: list[Place] = []
    for gpu in gpu_ids(gpus):
        for k in range(per_gpu):
            name = f"gpu{gpu}" + (f".{k}" if per_gpu > 1 else "")
            # By the bus, as nvidia-smi counts: CUDA's own order is by speed.
            found.append(Place(name, gpu, {VISIBLE: gpu, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}))
    return _shared(found)


def gpu_ids(text: str) -> list[str]:
    """What ``--gpus`` names: ``all``, which keeps to CUDA_VISIBLE_DEVICES where that is set, or numbers or UUIDs with commas.

    Raises:
        InvalidRequest: there are none, one is named twice, or is not there.
    """
    visible = os.environ.get(VISIBLE)
    if text.strip() == "all":
        if visible is not None:
            ids = [one.strip() for one in visible.split(",") if one.strip() and one.strip() != "-1"]
        else:
            ids = [str(number) for number in range(count_gpus())]
        if not ids:
            why = f"{VISIBLE} is {visible!r}" if visible is not None else "no NVIDIA driver answers (does nvidia-smi?)"
            raise InvalidRequest(f"--gpus all: there is no GPU here: {why}. On the CPU: --slots N")
        return ids
    ids = [one.strip() for one in text.split(",")]
    for one in ids:
        if not GPU.fullmatch(one):
            raise InvalidRequest(f"--gpus takes all, or numbers or UUIDs such as 0,1 or GPU-8c2b…, and {one!r} is none")
    if len(set(ids)) < len(ids):
        raise InvalidRequest(f"--gpus {text} names a GPU twice: several trials on one GPU are --per-gpu N")
    there = count_gpus()
    absent = [one for one in ids if one.isdigit() and int(one) >= there]
    if absent:
        range_of = f"0 to {there - 1}" if there > 1 else "0" if there else "none at all (does nvidia-smi answer?)"
        raise InvalidRequest(
            f"--gpus {text}: there is no GPU {absent[0]} here; there are {range_of}. On the CPU: --slots N"
        )
    return ids


def _shared(found: list[Place]) -> list[Place]:
    """The places, each with its share of the processor's cores where nobody has settled that: else each would take them all."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if len(found) == 1 or "OMP_NUM_THREADS" in os.environ:
        return found
    share = {"OMP_NUM_THREADS": str(max(1, cores // len(found)))}
    return [Place(place.name, place.gpu, {**place.environment, **share}) for place in found]
