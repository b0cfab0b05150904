"""Everything that the chaos campaign runs and kills: servers behind a proxy, a Dask cluster, PostgreSQL, workers; all of them real processes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.live import ServerProcess
from tests.proxy import Proxy

STUDY = "chaos"
SLOT_NICE = 10
"""By its niceness a slot is told from the server's other children."""


class Workers:
    """``count`` worker processes; each is started again when it ends before it is told to."""

    def __init__(self, server: str, folder: Path, *, count: int, mean_s: float) -> None:
        self._command = [sys.executable, "-m", "tests.benchmarks.chaos_worker", server, STUDY]
        self._folder, self._mean_s = folder, mean_s
        self.diary: list[dict[str, Any]] = []
        self.crashes: dict[str, int] = defaultdict(int)
        """Ends that no fault of ours explains, by the last line that was said of them."""
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self._killed: set[int] = set()
        self._ending = False
        self._keepers = [threading.Thread(target=self._keep, args=(f"w{k}",), daemon=True) for k in range(count)]

    def start(self) -> None:
        for keeper in self._keepers:
            keeper.start()

    def any(self, rng: random.Random) -> subprocess.Popen[str]:
        return rng.choice(list(self.processes.values()))

    def kill(self, rng: random.Random) -> None:
        victim = self.any(rng)
        self._killed.add(victim.pid)
        victim.kill()

    def finish(self) -> None:
        """Have all end after what they are doing."""
        self._ending = True
        for process in self.processes.values():
            process.terminate()
        for keeper in self._keepers:
            keeper.join(120)
        for process in self.processes.values():
            process.kill()

    def _keep(self, name: str) -> None:
        error = self._folder / f"{name}.err"
        while not self._ending:
            with error.open("w") as log:
                process = subprocess.Popen(
                    [*self._command, name, str(self._folder), str(self._mean_s)],
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
            self.processes[name] = process
            assert process.stdout is not None
            for line in process.stdout:
                if line.endswith("\n"):  # the last of a worker that was killed may be cut off
                    self.diary.append(json.loads(line))
            # SIGUSR1, where the interpreter was not yet so far as to take it for a jump of its clock.
            if process.wait() not in {0, -signal.SIGUSR1} and process.pid not in self._killed and not self._ending:
                last = error.read_text().strip().splitlines()
                self.crashes[last[-1][:160] if last else f"exit code {process.returncode}"] += 1
                time.sleep(1.0)


class Cluster:
    """A Dask scheduler and two workers under nannies."""

    def __init__(self, folder: Path) -> None:
        file, self._log = folder / "scheduler.json", (folder / "dask.log").open("wb")
        shared = ["--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"]
        self._scheduler = self._run("dask_scheduler", *shared, "--port", "0")
        while not file.exists() or not file.read_text():
            time.sleep(0.05)
        self.address = json.loads(file.read_text())["address"].replace("tcp://", "dask://")
        self._workers = self._run(
            "dask_worker", *shared, "--nworkers", "2", "--nthreads", "1", "--memory-limit", "0",
            "--local-directory", str(folder),
        )  # fmt: skip

    def _run(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{what}", *options]
        return subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def workers(self) -> list[psutil.Process]:
        """The worker processes below their nannies."""
        return [
            child for child in psutil.Process(self._workers.pid).children() if "spawn_main" in " ".join(child.cmdline())
        ]

    def pids(self) -> list[int]:
        return [self._workers.pid]

    def stop(self) -> None:
        for process in (self._workers, self._scheduler):
            process.terminate()
        for process in (self._workers, self._scheduler):
            process.wait(30)


class Site:
    """The servers on one database, and what is around them."""

    def __init__(self, url: str, folder: Path, *, workers: int, mean_s: float, dask: bool) -> None:
        self.sqlite = url.startswith("sqlite")
        self.cluster = Cluster(folder) if dask else None
        environment = {
            "BONANZA_FIT_TIMEOUT_S": "20",
            "BONANZA_FIT_MEMORY_MB": "2048",
            "BONANZA_EXECUTOR": self.cluster.address if self.cluster else "local",
        }
        count = 1 if self.sqlite else 2
        self.servers = [ServerProcess(url, folder / f"server{k}.log", **environment) for k in range(count)]
        for server in self.servers:
            server.port = _own_port()
            server.url = f"http://127.0.0.1:{server.port}"
        self.locks = [threading.Lock() for _ in self.servers]
        self.proxy = Proxy([server.port for server in self.servers])
        self.folder = folder
        self._workers, self._mean_s = workers, mean_s

    def start(self, body: dict[str, Any]) -> None:
        for server in self.servers:
            server.start(timeout=120)
        self.proxy.__enter__()
        httpx.put(f"{self.servers[0].url}/v1/studies/{STUDY}", json=body, timeout=60).raise_for_status()
        self.workers = Workers(self.proxy.url, self.folder, count=self._workers, mean_s=self._mean_s)
        self.workers.start()

    def slots(self) -> list[psutil.Process]:
        """The processes that fit, here or on the cluster."""
        tops = self.cluster.pids() if self.cluster else [s.process.pid for s in self.servers if s.process is not None]
        found = []
        for pid in tops:
            try:
                below = psutil.Process(pid).children(recursive=True)
                found += [child for child in below if child.nice() >= SLOT_NICE]
            except psutil.NoSuchProcess:
                continue
        return found

    def heal(self) -> None:
        """Every server there, and nothing in the way."""
        self.proxy.delay_s = self.proxy.duplicated = 0.0
        for lock, server in zip(self.locks, self.servers, strict=True):
            with lock:
                assert server.process is not None
                if server.process.poll() is not None:
                    server.start(timeout=120)

    def stop(self) -> None:
        for server in self.servers:
            if server.process is not None and server.process.poll() is None:
                server.process.send_signal(signal.SIGTERM)
        for server in self.servers:
            if server.process is not None:
                try:
                    server.process.wait(30)
                except subprocess.TimeoutExpired:
                    server.process.kill()
        if self.cluster is not None:
            self.cluster.stop()
        self.proxy.__exit__()


def _own_port() -> int:
    """A free port that the system gives to no outgoing connection, so that it is free when its server comes back."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def postgres_backends() -> list[psutil.Process]:
    """The PostgreSQL processes that serve a connection of ours; SIGKILL of one has all of them end and the log replayed."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        title = " ".join(process.info["cmdline"] or [])
        if process.info["name"] == "postgres" and f"chaos{os.getpid()}_" in title:
            found.append(process)
    return found
