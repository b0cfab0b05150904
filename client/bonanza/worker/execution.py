"""On what a training runs and how fast: what changes its speed and, if at all, its last bits; never part of a protocol."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, Self, get_args

import torch

from bonanza.worker.evaluator import BrokenEvaluator

Compile = Literal["", "default", "reduce-overhead", "max-autotune"]
TRUE: Final = frozenset({"1", "true", "yes"})


@dataclass(frozen=True)
class Execution:
    """The device, and what is done to be fast on it.

    ``deterministic`` gives the same bits for the same seed, also to a training that was taken up again: it is nearly free on a CPU, where it is the
    default, and costs a part of the speed on a GPU. ``compile`` is the mode of ``torch.compile`` (``reduce-overhead`` is CUDA graphs); it takes up to
    minutes for each new architecture, so it pays for trainings much longer than that only.
    """

    device: torch.device
    deterministic: bool
    compile: Compile = ""

    @classmethod
    def here(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """As the environment says: ``BONANZA_DEVICE``, ``BONANZA_DETERMINISTIC``, ``BONANZA_COMPILE``; the first CUDA device if there is one.

        Raises:
            BrokenEvaluator: it says what there is not.
        """
        named = environment.get("BONANZA_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            device = torch.device(named)
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise BrokenEvaluator(f"BONANZA_DEVICE={named} cannot be used: {str(error).splitlines()[0]}") from error
        mode = environment.get("BONANZA_COMPILE", "")
        if mode not in get_args(Compile):
            raise BrokenEvaluator(
                f"BONANZA_COMPILE must be one of {', '.join(filter(None, get_args(Compile)))}, and is {mode!r}"
            )
        said = environment.get("BONANZA_DETERMINISTIC")
        deterministic = device.type == "cpu" if said is None else said.lower() in TRUE
        return cls(device, deterministic, mode)  # type: ignore[arg-type]

    @property
    def on_cuda(self) -> bool:
        """Whether it runs on a GPU."""
        return self.device.type == "cuda"

    @property
    def memory_format(self) -> torch.memory_format:
        """Channels last on a GPU, whose convolutions in bfloat16 want it.

        Not on a CPU, although it is up to a quarter faster there: torch 2.13 corrupts its memory in the backward pass of some of NASNet's cells.
        """
        return torch.channels_last if self.on_cuda else torch.contiguous_format

    @contextmanager
    def set_up(self) -> Iterator[None]:
        """While in the context torch is set accordingly; this is global to the process, and so are torch's settings."""
        if self.deterministic and self.on_cuda:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
        before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
        torch.use_deterministic_algorithms(self.deterministic)
        # Shapes never change within a training, so that trying the algorithms once pays; which one wins is not deterministic.
        torch.backends.cudnn.benchmark = self.on_cuda and not self.deterministic
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0])
            torch.backends.cudnn.benchmark = before[1]


def use_one_thread_on_a_cpu(device: torch.device) -> None:
    """Small networks gain nothing from more threads, workers beside each other lose, and the last bits depend on their number.

    ``OMP_NUM_THREADS`` overrules.
    """
    if device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
