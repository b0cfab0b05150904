"""How fast the trainer is: beside a plain torch loop with a DataLoader, and several cells on one GPU beside one.

    python -m tests.benchmarks.training [--data npz:FILE] [--batch 256] [--channels 16] [--cells 5] [--steps 60] [--repeats 5] [--together 1,2,4]

The plain loop is what most people write: a Dataset of u8 images, crop and flip one by one in worker processes, pinned memory, non-blocking
copies, SGD with Nesterov's momentum, the same network, batch, precision (autocast to bfloat16 on a GPU) and channels last as ours; its loss is not read
more often than ours. Repeats alternate and the median is told with its range. Each is warmed up; a GPU is waited for before a clock is read.
``--together`` trains that many cells at once on one device, each in a process of its own as ``bonanza worker --per-gpu N`` does, and tells trials an hour.

On a CPU the defaults are smaller, and say nothing of a GPU. Without ``--data`` the images are random ones of CIFAR-10's shape: speed does not depend on them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from bonanza.spaces import Architecture, space_from_spec
from bonanza.worker import networks
from bonanza.worker.data import image_source
from bonanza.worker.data.images import Images
from bonanza.worker.execution import Execution
from bonanza.worker.protocol import Protocol
from bonanza.worker.protocols import NASBENCH201
from bonanza.worker.train_evaluator import skeleton
from bonanza.worker.trainer import Training

SPACE = space_from_spec({"kind": "nasbench201"})
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
"""Index 6111, the best of CIFAR-10."""


class Plain(Dataset[tuple[Tensor, int]]):
    """The images that train, augmented one by one."""

    def __init__(self, data: Images) -> None:
        self._images, self._labels = data.train.images.cpu(), data.train.labels.cpu().tolist()
        self._mean, self._std = data.mean.cpu()[:, None, None], data.std.cpu()[:, None, None]

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = nn.functional.pad(self._images[index], [4] * 4)
        down, right = random.randint(0, 8), random.randint(0, 8)
        _, height, width = self._images.shape[1:]
        image = image[:, down : down + height, right : right + width]
        if random.random() < 0.5:
            image = image.flip(2)
        return (image.float() - self._mean) / self._std, self._labels[index]


def network(protocol: Protocol, data: Images, architecture: Architecture) -> nn.Module:
    torch.manual_seed(0)
    return networks.build(SPACE, architecture, skeleton=skeleton(protocol), classes=data.classes, shape=data.shape)


def wait(execution: Execution) -> None:
    if execution.on_cuda:
        torch.cuda.synchronize(execution.device)


class Ours:
    """Our trainer, a number of steps at a time."""

    name = "bonanza"

    def __init__(self, data: Images, protocol: Protocol, execution: Execution) -> None:
        made = network(protocol, data, SPACE.validate(CELL))
        self._training = Training(made, data, protocol, seed=0, execution=execution)

    def steps(self, n: int) -> None:
        class Enough(Exception):
            pass

        left = iter(range(n))

        def check() -> None:
            if next(left, None) is None:
                raise Enough

        try:
            for _ in self._training.epochs(check):
                pass
        except Enough:
            pass


class PlainLoop:
    """The loop most people write."""

    name = "plain torch"

    def __init__(self, data: Images, protocol: Protocol, execution: Execution, workers: int) -> None:
        self._execution = execution
        self._network = network(protocol, data, SPACE.validate(CELL)).to(
            execution.device, memory_format=execution.memory_format
        )  # type: ignore[call-overload]
        self._optimiser = torch.optim.SGD(
            self._network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
        )
        self._loader = DataLoader(
            Plain(data),
            batch_size=protocol.batch,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            pin_memory=execution.on_cuda,
            persistent_workers=workers > 0,
        )
        self._batches = iter(self._loader)

    def steps(self, n: int) -> None:
        self._network.train()
        for _ in range(n):
            try:
                images, labels = next(self._batches)
            except StopIteration:
                self._batches = iter(self._loader)
                images, labels = next(self._batches)
            device = self._execution.device
            images = images.to(device, non_blocking=True).contiguous(memory_format=self._execution.memory_format)
            labels = labels.to(device, non_blocking=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=self._execution.on_cuda):
                loss = nn.functional.cross_entropy(self._network(images).float(), labels)
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()


def speeds(
    systems: list[Ours | PlainLoop], execution: Execution, *, batch: int, steps: int, repeats: int
) -> dict[str, list[float]]:
    """Images a second of each system in each repeat."""
    found: dict[str, list[float]] = {system.name: [] for system in systems}
    for repeat in range(repeats + 1):
        for system in systems:
            wait(execution)
            began = time.perf_counter()
            system.steps(steps)
            wait(execution)
            if repeat:  # the first is to warm up
                found[system.name].append(steps * batch / (time.perf_counter() - began))
    return found


def one_of_several(make: Callable[[], Images], protocol: Protocol, steps: int, barrier: Barrier, seed: int) -> None:
    """A process that trains one random cell beside others."""
    execution = Execution.here()
    torch.set_num_threads(1)
    data = make()
    made = network(protocol, data, SPACE.sample(random.Random(seed)))
    training = Training(made, data, protocol, seed=seed, execution=execution)
    runner = Ours.__new__(Ours)
    runner._training = training
    runner.steps(5)
    wait(execution)
    barrier.wait()
    runner.steps(steps)
    wait(execution)
    barrier.wait()


class Made:
    """Makes the data set, in whichever process."""

    def __init__(self, name: str, protocol: Protocol) -> None:
        self._name, self._protocol = name, protocol

    def __call__(self) -> Images:
        return Images.of(image_source(self._name), self._protocol, Execution.here().device)


def together(n: int, make: Made, protocol: Protocol, steps: int) -> float:
    """Images a second of n cells at once, all together."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(n + 1)
    processes = [
        context.Process(target=one_of_several, args=(make, protocol, steps, barrier, seed)) for seed in range(n)
    ]
    for process in processes:
        process.start()
    barrier.wait()
    began = time.perf_counter()
    barrier.wait()
    seconds = time.perf_counter() - began
    for process in processes:
        process.join()
    return n * steps * protocol.batch / seconds


def main() -> None:
    on_cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=None)
    parser.add_argument("--batch", type=int, default=256 if on_cuda else 64)
    parser.add_argument("--channels", type=int, default=16 if on_cuda else 8)
    parser.add_argument("--cells", type=int, default=5 if on_cuda else 1)
    parser.add_argument("--steps", type=int, default=60 if on_cuda else 4)
    parser.add_argument("--repeats", type=int, default=5 if on_cuda else 3)
    parser.add_argument("--workers", type=int, default=min(8, os.cpu_count() or 1), help="processes of the DataLoader")
    parser.add_argument("--together", default="1,2,4,8" if on_cuda else "1,2")
    options = parser.parse_args()
    execution = Execution.here()
    torch.set_num_threads(1)
    card = (
        torch.cuda.get_device_name(execution.device)
        if on_cuda
        else f"no GPU: {os.cpu_count()} cores, {platform.processor() or platform.machine()}"
    )
    print(f"{card}; torch {torch.__version__}, CUDA {torch.version.cuda}, Python {platform.python_version()}")
    protocol = NASBENCH201.changed(
        {
            "batch": options.batch,
            "channels": options.channels,
            "cells": options.cells,
            "epochs": 10_000,
            "validation": 0.1,
        }
    )
    print(
        f"NAS-Bench-201 cell 6111, {options.channels} channels, {options.cells} cells a stage, batch {options.batch}, {'bfloat16' if on_cuda else 'float32'}"
    )
    with tempfile.TemporaryDirectory() as folder:
        name = options.data
        if name is None:
            rng, n = np.random.default_rng(0), 5000 if on_cuda else 600
            arrays = {f"x_{part}": rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8) for part in ("train", "test")}
            labels = {f"y_{part}": np.arange(n) % 10 for part in ("train", "test")}
            np.savez(Path(folder) / "random.npz", **{**arrays, **labels})  # type: ignore[arg-type]
            name = f"npz:{folder}/random.npz"
        make = Made(name, protocol)
        data = make()
        systems: list[Ours | PlainLoop] = [
            Ours(data, protocol, execution),
            PlainLoop(data, protocol, execution, options.workers),
        ]
        found = speeds(systems, execution, batch=options.batch, steps=options.steps, repeats=options.repeats)
        for system, rates in found.items():
            print(
                f"{system:12} {statistics.median(rates):10,.0f} images/s  ({min(rates):,.0f} to {max(rates):,.0f}, n = {len(rates)} of {options.steps} steps)"
            )
        ours, plain = (statistics.median(rates) for rates in found.values())
        print(f"ratio        {ours / plain:10.2f}")
        del systems
        for n in map(int, options.together.split(",")):
            rate = together(n, make, protocol, options.steps)
            epoch = len(data.train)
            print(
                f"{n} at once    {rate:10,.0f} images/s in all: {3600 * rate / (12 * epoch):,.1f} trials of 12 epochs an hour on these {epoch} images"
            )


if __name__ == "__main__":
    main()
