"""The GPUs of this machine, by NVIDIA's management library: how many there are, and how busy each is.

Nothing here needs a GPU, a driver or the library (``nvidia-ml-py``, in the extra ``worker``): without them there are no GPUs to be seen.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bonanza.schemas import Gpu

log = logging.getLogger("bonanza.worker")


def count_gpus() -> int:
    """How many GPUs this machine has, by the management library, or else by the driver's device files."""
    with _library() as nvml:
        if nvml is not None:
            return int(nvml.nvmlDeviceGetCount())
    return sum(path.name.removeprefix("nvidia").isdigit() for path in Path("/dev").glob("nvidia[0-9]*"))


def read_gpus(ids: Sequence[str]) -> list[Gpu]:
    """How busy these GPUs are, named as CUDA_VISIBLE_DEVICES names them (numbers in the order of the bus, or UUIDs). Those that do not answer are left out."""
    found: list[Gpu] = []
    with _library() as nvml:
        if nvml is None:
            return found
        for name in ids:
            with suppress(nvml.NVMLError):
                found.append(_read(nvml, name))
    return found


def driver_version() -> str | None:
    """The version of the NVIDIA driver; None without one."""
    with _library() as nvml:
        return None if nvml is None else _text(nvml.nvmlSystemGetDriverVersion())


def _read(nvml: Any, name: str) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(int(name)) if name.isdigit() else nvml.nvmlDeviceGetHandleByUUID(name)
    busy = used = total = None
    with suppress(nvml.NVMLError):  # a MIG slice has no utilisation of its own
        busy = float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    with suppress(nvml.NVMLError):
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        used, total = int(memory.used) >> 20, int(memory.total) >> 20
    return Gpu(
        id=name,
        name=_text(nvml.nvmlDeviceGetName(handle))[:100] or "GPU",
        utilisation=busy,
        memory_used_mb=used,
        memory_total_mb=total,
    )


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


@contextmanager
def _library() -> Iterator[Any]:
    """The management library, ready; None where it, or a driver, is missing. Opened anew each time: a driver may be reloaded within a week."""
    try:
        import pynvml
    except ImportError:
        yield None
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
